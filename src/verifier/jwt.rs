//! Verifies JSON Web Tokens.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::claims::{self, Rules};
use super::jws::{Header, Jws, MAX_SIGNATURE, TokenType};
use super::last_header::LastHeader;
use super::{TokenVerifier, Verdict};
use crate::access_token::AccessToken;
use crate::algorithm::Algorithm;
use crate::bearer_token::BearerToken;
use crate::clock::Clock;
use crate::error::{BuildError, VerifyError, VerifyErrorKind};
use crate::jwks::{IssuerKeys, KeysAtHand, Selection, StaticKeys};

/// Verifies the JWT access tokens of one issuer. Clones are cheap and share the keys.
///
/// By [RFC 9068 §4] and [RFC 8725 §3], in this order, cheapest first:
///
/// 1. The token has at most 16 KiB, three parts of strict base64url, and a header that is one strict JSON object
///    without `crit`, `b64`, `enc`, `zip`, `cty`. Keys that the header brings along are ignored.
/// 2. `alg` is one of those that are allowed, `typ` is that of an access token.
/// 3. The claims are one strict JSON object: issuer and audience are ours, the dates are in order, every claim that
///    this crate knows is of its type, those that are required are there, and nothing marks a token of another class,
///    such as an ID token with `at_hash`, or one that is bound to a key (`cnf`).
/// 4. Exactly one key of this issuer fits `kid` and `alg`, or several [`StaticKeys`] without id may be meant. Only here
///    may a fetch be waited for.
/// 5. The signature is good.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::JwtVerifier;
///
/// // Keys are found through the issuer's metadata when the first token comes. Nothing is fetched here.
/// let verifier = JwtVerifier::builder("https://idp.example.com/", "https://api.example.com/mcp").build()?;
/// # }
/// # Ok::<(), tower_bearer::BuildError>(())
/// ```
///
/// [RFC 8725 §3]: https://www.rfc-editor.org/rfc/rfc8725#section-3
/// [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4
#[derive(Clone)]
pub struct JwtVerifier {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) rules: Rules,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) types: TokenTypes,
    pub(super) keys: IssuerKeys,
    pub(super) last_header: LastHeader,
    pub(super) clock: Arc<dyn Clock>,
}

/// Which `typ` of the header is that of an access token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenTypes {
    /// `at+jwt` only, with whatever claims.
    AccessToken,
    /// `at+jwt` only, and all claims of [RFC 9068 §2](https://www.rfc-editor.org/rfc/rfc9068#section-2).
    Rfc9068,
    /// None, `JWT` or `at+jwt`: what most issuers write.
    Usual,
}

/// How far a verification came.
enum Step {
    Done(Verdict),
    /// The key is not among those at hand; newer ones may have it.
    KeyWanted(KeysAtHand),
}

impl JwtVerifier {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Puts other keys in the place of the configured ones, for this verifier and all of its clones.
    ///
    /// For keys that rotate by hand: a clone that is kept outside of the layer swaps them, and each token is verified
    /// with the old keys or with the new ones. They have to fit the algorithms that are allowed already. On an error
    /// nothing changes. See [the two steps of a rotation](crate::jwks).
    ///
    /// Every remembered verdict dies, if a verifier of yours around this one hands on its
    /// [`generation`](TokenVerifier::generation), as those of this crate do. A verification that has begun may still end with
    /// the old keys; nothing remembers it.
    ///
    /// # Errors
    ///
    /// - this verifier fetches its keys, different keys under one `kid`: [`Conflict`]
    /// - no key: [`Empty`]; too many: [`OutOfRange`]
    /// - a key: [`InvalidKey`], [`PrivateKey`], [`WeakSecret`]
    /// - a key that no allowed algorithm is for: [`NoAlgorithms`]
    /// - public keys and shared secrets, or one where the other is allowed: [`SymmetricAlgorithm`]
    ///
    /// [`Conflict`]: crate::error::BuildErrorKind::Conflict
    /// [`Empty`]: crate::error::BuildErrorKind::Empty
    /// [`InvalidKey`]: crate::error::BuildErrorKind::InvalidKey
    /// [`NoAlgorithms`]: crate::error::BuildErrorKind::NoAlgorithms
    /// [`OutOfRange`]: crate::error::BuildErrorKind::OutOfRange
    /// [`PrivateKey`]: crate::error::BuildErrorKind::PrivateKey
    /// [`SymmetricAlgorithm`]: crate::error::BuildErrorKind::SymmetricAlgorithm
    /// [`WeakSecret`]: crate::error::BuildErrorKind::WeakSecret
    pub fn replace_keys(&self, keys: StaticKeys) -> Result<(), BuildError> {
        self.inner.keys.replace(keys, &self.inner.algorithms)
    }

    fn step(&self, token: &BearerToken, now: SystemTime) -> Step {
        let inner = &*self.inner;
        let parts = match inner.read(token) {
            Ok(parts) => parts,
            Err(kind) => return Step::Done(Err(kind.into())),
        };
        let checked = match inner.rules.check(&parts.payload, now) {
            Ok(checked) => checked,
            Err(kind) => return Step::Done(Err(kind.into())),
        };
        let mut buffer = [0; MAX_SIGNATURE];
        let signature = match parts.jws.signature(&mut buffer) {
            Ok(signature) => signature,
            Err(kind) => return Step::Done(Err(kind.into())),
        };
        let keys = inner.keys.at_hand();
        let key_id = parts.header.key_id.as_deref();
        match keys.set.as_deref().map(|set| set.select(key_id, parts.header.algorithm)) {
            None | Some(Selection::Unknown) => Step::KeyWanted(keys),
            Some(Selection::Unusable) => Step::Done(Err(VerifyErrorKind::KeyNotFound.into())),
            Some(Selection::Found(key)) if !inner.rules.may_sign(key.issuer(), &checked) => {
                Step::Done(Err(VerifyErrorKind::Issuer.into()))
            }
            Some(Selection::Found(key)) if key.verify(parts.jws.signed(), signature) => {
                inner.last_header.keep(&parts.jws, &parts.header);
                let vouched = inner.rules.vouch(checked);
                Step::Done(Ok(vouched.claims_text(parts.payload).build()))
            }
            Some(Selection::Found(_)) => Step::Done(Err(VerifyErrorKind::Signature.into())),
        }
    }
}

/// A token that has been read but not believed.
struct Parts<'a> {
    jws: Jws<'a>,
    header: Arc<Header>,
    payload: Vec<u8>,
}

impl Inner {
    fn read<'a>(&self, token: &'a BearerToken) -> Result<Parts<'a>, VerifyErrorKind> {
        let jws = Jws::parse_jwt(token.as_bytes())?;
        let header = self.last_header.read(&jws)?;
        if !self.algorithms.contains(&header.algorithm) {
            return Err(VerifyErrorKind::Algorithm);
        }
        if !self.types.accept(header.token_type) {
            return Err(VerifyErrorKind::Claim);
        }
        Ok(Parts { jws, header, payload: jws.payload()? })
    }
}

impl TokenVerifier for JwtVerifier {
    async fn verify(&self, token: &BearerToken) -> Verdict {
        let missed = match self.step(token, self.inner.clock.now()) {
            Step::Done(verdict) => return verdict,
            Step::KeyWanted(missed) => missed,
        };
        let IssuerKeys::Fetched(keys) = &self.inner.keys else {
            return Err(VerifyErrorKind::KeyNotFound.into());
        };
        keys.fetch(&missed).await?;
        // Time has passed, and the keys are others.
        match self.step(token, self.inner.clock.now()) {
            Step::Done(verdict) => verdict,
            Step::KeyWanted(missed) if missed.set.is_some() => Err(keys.not_found(&missed)),
            Step::KeyWanted(_) => Err(VerifyError::unavailable("the keys are too old")),
        }
    }

    fn verify_now(&self, token: &BearerToken, now: SystemTime) -> Option<Verdict> {
        let missed = match self.step(token, now) {
            Step::Done(verdict) => return Some(verdict),
            Step::KeyWanted(missed) => missed,
        };
        match &self.inner.keys {
            IssuerKeys::Configured(_) => Some(Err(VerifyErrorKind::KeyNotFound.into())),
            // Nobody waits for a fetch that is not going to happen.
            IssuerKeys::Fetched(keys) => keys.may_help(&missed).err().map(Err),
        }
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        let Ok(jws) = Jws::parse_jwt(token.as_bytes()) else { return false };
        let issuers = &self.inner.rules.issuers;
        // Where anybody will do, nobody is looked for.
        issuers.may_be(None)
            || jws.payload().is_ok_and(|payload| issuers.may_be(claims::issuer(&payload).as_deref()))
    }

    async fn revalidate(&self, token: &BearerToken, _last: &AccessToken) -> Verdict {
        self.verify(token).await
    }

    fn generation(&self) -> u64 {
        self.inner.keys.generation()
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.inner.rules.issuers.own().into_iter().cloned().collect()
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier")
            .field("issuer", &self.inner.rules.issuers.own())
            .field("audiences", &self.inner.rules.audiences)
            .field("algorithms", &self.inner.algorithms)
            .finish_non_exhaustive()
    }
}

impl TokenTypes {
    fn accept(self, token_type: TokenType) -> bool {
        match token_type {
            TokenType::AccessToken => true,
            TokenType::Unspecific => self == Self::Usual,
            TokenType::Introspection | TokenType::Other => false,
        }
    }
}
