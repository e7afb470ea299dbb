//! Verifies JSON Web Tokens ([RFC 9068 §4], [RFC 8725 §3]).
//!
//! In this order, cheapest first:
//!
//! 1. The compact form, then the header: see [`jws`](super::jws).
//! 2. The algorithm is one of those that are allowed, the type is that of an access token.
//! 3. The claims, all of them: see [`claims`](super::claims).
//! 4. Exactly one key of this issuer fits. Only here may a fetch be waited for.
//! 5. The signature.
//!
//! [RFC 8725 §3]: https://www.rfc-editor.org/rfc/rfc8725#section-3
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::claims::{self, Checked, Rules};
use super::jws::{Header, Jws};
use super::jwt_builder::JwtVerifierBuilder;
use super::{TokenVerifier, Verdict};
use crate::access_token::AccessToken;
use crate::algorithm::Algorithm;
use crate::bearer_token::BearerToken;
use crate::clock::Clock;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::jwks::{IssuerKeys, JwkSet, Selection};

/// Verifies the JWT access tokens of one issuer. Clones are cheap and share the keys.
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
#[derive(Clone)]
pub struct JwtVerifier {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) rules: Rules,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) types: TokenTypes,
    pub(super) keys: IssuerKeys,
    pub(super) clock: Arc<dyn Clock>,
}

/// Which `typ` of the header is that of an access token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenTypes {
    /// None, `JWT` or `at+jwt`: what most issuers write.
    Usual,
    /// `at+jwt` only ([RFC 9068 §2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
    Rfc9068,
}

/// How far a verification came.
enum Step {
    Done(Verdict),
    /// The key is not in this set, if there is one; a newer one may have it.
    KeyWanted(Option<Arc<JwkSet>>),
}

impl JwtVerifier {
    /// Starts a verifier for the tokens of an issuer that name an audience.
    ///
    /// The issuer is compared byte for byte with the `iss` claim: copy it from the provider's metadata, final slash
    /// included. The audience is the identifier of this API at the provider, often its URL.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(issuer.into(), audience.into())
    }

    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
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
        let set = match &inner.keys {
            IssuerKeys::Configured(set) => Some(Arc::clone(set)),
            IssuerKeys::Fetched(keys) => keys.current(),
        };
        let Some(set) = set else { return Step::KeyWanted(None) };
        match set.select(parts.header.key_id.as_deref(), parts.header.algorithm) {
            Selection::Found(key) => {
                Step::Done(inner.finish(&parts, checked, |message, signature| key.verify(message, signature)))
            }
            Selection::Unknown => Step::KeyWanted(Some(set)),
            Selection::Unusable => Step::Done(Err(VerifyErrorKind::KeyNotFound.into())),
        }
    }
}

/// A token that has been read but not believed.
struct Parts<'a> {
    jws: Jws<'a>,
    header: Header,
    payload: Vec<u8>,
}

impl Inner {
    fn read<'a>(&self, token: &'a BearerToken) -> Result<Parts<'a>, VerifyErrorKind> {
        let jws = Jws::parse(token.as_bytes())?;
        let header = jws.header()?;
        if !self.algorithms.contains(&header.algorithm) {
            return Err(VerifyErrorKind::Algorithm);
        }
        if !self.types.accept(header.token_type.as_deref()) {
            return Err(VerifyErrorKind::Claim);
        }
        Ok(Parts { jws, header, payload: jws.payload()? })
    }

    fn finish(
        &self,
        parts: &Parts<'_>,
        checked: Checked<'_>,
        check: impl FnOnce(&[u8], &[u8]) -> bool,
    ) -> Verdict {
        parts.jws.verify(check)?;
        Ok(self.rules.vouch(checked, &parts.payload))
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
        keys.fetch(missed.as_ref()).await?;
        // Time has passed, and the keys are others.
        match self.step(token, self.inner.clock.now()) {
            Step::Done(verdict) => verdict,
            Step::KeyWanted(Some(_)) => Err(VerifyErrorKind::KeyNotFound.into()),
            Step::KeyWanted(None) => Err(VerifyError::unavailable("the keys are too old")),
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
            IssuerKeys::Fetched(keys) => keys.may_help(missed.as_ref()).err().map(Err),
        }
    }

    fn recognises(&self, token: &BearerToken) -> bool {
        let Ok(jws) = Jws::parse(token.as_bytes()) else { return false };
        let Some(own) = &self.inner.rules.issuer else { return true };
        jws.payload().is_ok_and(|payload| claims::issuer(&payload).as_deref() == Some(&**own))
    }

    async fn revalidate(&self, token: &BearerToken, _last: &AccessToken) -> Verdict {
        self.verify(token).await
    }

    fn generation(&self) -> u64 {
        self.inner.keys.generation()
    }

    fn issuers(&self) -> Vec<Arc<str>> {
        self.inner.rules.issuer.iter().cloned().collect()
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier")
            .field("issuer", &self.inner.rules.issuer)
            .field("audiences", &self.inner.rules.audiences)
            .field("algorithms", &self.inner.algorithms)
            .finish_non_exhaustive()
    }
}

impl TokenTypes {
    /// RFC 7515 §4.1.9: a media type, compared without case, `application/` may be left out.
    fn accept(self, token_type: Option<&str>) -> bool {
        let Some(name) = token_type else { return self == Self::Usual };
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("application/").unwrap_or(&name);
        name == "at+jwt" || (self == Self::Usual && name == "jwt")
    }
}
