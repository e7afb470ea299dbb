//! A JWK set ([RFC 7517 §5]): parse and select, no I/O.
//!
//! A key that cannot be used is skipped, the others still work. What a key says of itself is binding: `use`,
//! `key_ops`, `alg`, the curve. Private members are dropped.
//!
//! A token's `kid` has to match exactly one key that is made for the token's algorithm. Without a `kid` there has to
//! be exactly one such key in the whole set. Of a document nothing is tried in turn: it can hold a hundred keys, for
//! whatever purpose, and is not ours.
//!
//! In a list that was configured, keys without id are meant by every token that names no other. Those that fit the
//! token's algorithm are tried in turn. That is sound: each was configured to vouch for every such token, so that it
//! does not matter which one does, nobody else can add any, and there are at most eight.
//!
//! [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::crypto;
use super::material::Material;
use crate::algorithm::Algorithm;
use crate::error::BuildErrorKind;
use crate::json::{Malformed, Object, Value};
use crate::log::TARGET;
use crate::secret::Secret;

const MAX_KEYS: usize = 100;
/// How many keys are tried for one token at most.
const MAX_UNNAMED: usize = 8;
/// Members that have no place in a public key ([RFC 7518 §6](https://www.rfc-editor.org/rfc/rfc7518#section-6)).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Which kind of keys a set may hold. The two never mix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Public,
    Secret,
}

impl Kind {
    /// The kind that goes with algorithms, which are all of one.
    pub(crate) fn of(algorithms: &[Algorithm]) -> Self {
        let symmetric = algorithms.iter().all(|algorithm| algorithm.is_symmetric());
        if symmetric { Self::Secret } else { Self::Public }
    }
}

/// The usable keys of a document, or of a list that was configured.
#[derive(Debug)]
pub(crate) struct JwkSet {
    keys: Vec<Jwk>,
    // Keys without id are meant by every token that names no other.
    is_listed: bool,
}

/// A key, ready for each algorithm that it is made for.
#[derive(Debug)]
pub(crate) struct Jwk {
    id: Option<Box<str>>,
    digest: [u8; 32],
    algorithms: Vec<(Algorithm, crypto::Key)>,
    // For whom it signs, where one document has the keys of many issuers.
    issuer: Option<Box<str>>,
}

/// The outcome of a selection.
#[derive(Debug)]
pub(crate) enum Selection<'a> {
    Found(Found<'a>),
    /// No such key: a newer set may have it.
    Unknown,
    /// The key is there, but not for this algorithm, or not alone: no fetch would help.
    Unusable,
}

/// The key that a token means, or those that may be.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    first: &'a crypto::Key,
    issuer: Option<&'a str>,
    // Among which those without id are meant too.
    others: &'a [Jwk],
    algorithm: Algorithm,
}

impl JwkSet {
    /// Reads a document. An error if it is no JWK set, or has no key of a kind that can be used.
    pub(crate) fn parse(text: &[u8], kind: Kind) -> Result<Self, Malformed> {
        let document = Object::parse_outer(text)?;
        let entries = document.get("keys").and_then(Value::elements).ok_or(Malformed)?;
        if entries.len() > MAX_KEYS {
            return Err(Malformed);
        }
        let mut once = HashSet::with_capacity(entries.len());
        let entries: Vec<_> = entries
            .into_iter()
            .filter(|entry| once.insert(entry.text()))
            .filter_map(|entry| Object::parse(entry.text().as_bytes()).ok())
            .collect();
        let is_secret =
            |entry: &Object<'_>| entry.string("kty").is_ok_and(|kty| kty.as_deref() == Some("oct"));
        if kind == Kind::Secret && !entries.iter().all(is_secret) {
            return Err(Malformed);
        }
        if kind == Kind::Public && entries.iter().any(|entry| PRIVATE.iter().any(|name| entry.has(name))) {
            tracing::warn!(target: TARGET, "a JWK set publishes secret members; they are ignored");
        }
        let names: Vec<_> = entries.iter().map(name).collect();
        let repeated =
            |own: &Option<_>| own.is_some() && names.iter().filter(|other| *other == own).count() > 1;
        let key = |(entry, name)| {
            let mut key = Jwk::read(entry, kind)?;
            if repeated(name) {
                // Known, so that nobody fetches because of it, and good for nothing.
                key.algorithms.clear();
            }
            Some(key)
        };
        let keys: Vec<_> = entries.iter().zip(&names).filter_map(key).collect();
        if keys.is_empty() { Err(Malformed) } else { Ok(Self { keys, is_listed: false }) }
    }

    /// A list without keys.
    pub(crate) fn listed() -> Self {
        Self { keys: Vec::new(), is_listed: true }
    }

    /// A list of one key.
    pub(crate) fn alone(key: Jwk) -> Self {
        Self { keys: vec![key], is_listed: true }
    }

    /// Takes over the keys of another set. What is there already counts once; a name for two keys means neither.
    pub(crate) fn join(&mut self, other: Self) -> Result<(), BuildErrorKind> {
        let confused = |new: &Jwk| self.keys.iter().any(|old| old.is_confused_with(new));
        if other.keys.iter().any(confused) {
            return Err(BuildErrorKind::Conflict);
        }
        for new in other.keys {
            if !self.keys.iter().any(|old| new.is_contained_in(old)) {
                self.keys.retain(|old| !old.is_contained_in(&new));
                self.keys.push(new);
            }
        }
        Ok(())
    }

    /// Whether there are more keys than a list may have.
    pub(crate) fn is_too_large(&self) -> bool {
        let unnamed = self.keys.iter().filter(|key| key.id.is_none()).count();
        self.keys.len() > MAX_KEYS || unnamed > MAX_UNNAMED
    }

    /// Finds the key for a token.
    pub(crate) fn select(&self, id: Option<&str>, algorithm: Algorithm) -> Selection<'_> {
        let is_named = |key: &Jwk| id.is_some() && key.answers_to(id);
        if self.is_listed && !self.keys.iter().any(is_named) {
            let mut keys = self.keys.iter();
            if let Some(first) = keys.find_map(|key| key.unnamed_for(algorithm)) {
                return Selection::Found(Found { first, issuer: None, others: keys.as_slice(), algorithm });
            }
        }
        let mut named = self.keys.iter().filter(|key| key.answers_to(id)).peekable();
        if named.peek().is_none() {
            return Selection::Unknown;
        }
        let mut fitting = named.filter_map(|key| Some((key.key_for(algorithm)?, key.issuer.as_deref())));
        match (fitting.next(), fitting.next()) {
            (Some((first, issuer)), None) => {
                Selection::Found(Found { first, issuer, others: &[], algorithm })
            }
            (None, _) if id.is_none() => Selection::Unknown,
            _ => Selection::Unusable,
        }
    }

    /// Whether any key can be used at all. Keys of one name cannot.
    pub(crate) fn is_usable(&self) -> bool {
        self.keys.iter().any(|key| !key.algorithms.is_empty())
    }

    /// Whether any key can verify one of these algorithms.
    pub(crate) fn supports(&self, algorithms: &[Algorithm]) -> bool {
        self.keys.iter().any(|key| algorithms.iter().any(|algorithm| key.key_for(*algorithm).is_some()))
    }

    /// Whether a key of this set is no longer in another one.
    pub(crate) fn lost_a_key(&self, newer: &Self) -> bool {
        !self.keys.iter().all(|old| newer.keys.iter().any(|new| old.is_contained_in(new)))
    }
}

impl Found<'_> {
    /// The issuer for which the document says that the key signs. Microsoft's does.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer
    }

    /// Whether one of the keys made the signature.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let mut others = self.others.iter().filter_map(|key| key.unnamed_for(self.algorithm));
        self.first.verify(message, signature) || others.any(|key| key.verify(message, signature))
    }
}

impl Jwk {
    /// Reads one entry. None if this crate cannot or must not use it.
    pub(crate) fn read(entry: &Object<'_>, kind: Kind) -> Option<Self> {
        let id = entry.string("kid").ok()?;
        let made_for = match entry.string("alg").ok()? {
            Some(name) => Some(Algorithm::from_name(&name)?),
            None => None,
        };
        if !is_for_signatures(entry) {
            return None;
        }
        let material = material(entry, kind)?;
        let key = Self::new(id.map(Cow::into_owned), &material, made_for)?;
        // What is no text is for nobody.
        let issuer = entry.get("issuer").map(|issuer| issuer.string().unwrap_or_default().into());
        Some(Self { issuer, ..key })
    }

    /// A key from its material, for one algorithm or for all that fit it.
    pub(crate) fn new(id: Option<String>, material: &Material, made_for: Option<Algorithm>) -> Option<Self> {
        let wanted = material.algorithms().iter().filter(|own| made_for.is_none_or(|only| only == **own));
        let algorithms: Vec<_> = wanted
            .filter_map(|algorithm| Some((*algorithm, crypto::Key::new(material, *algorithm)?)))
            .collect();
        let usable = !algorithms.is_empty();
        let (id, digest) = (id.map(String::into_boxed_str), material.digest());
        usable.then_some(Self { id, digest, algorithms, issuer: None })
    }

    fn answers_to(&self, id: Option<&str>) -> bool {
        id.is_none_or(|id| self.id.as_deref() == Some(id))
    }

    fn key_for(&self, algorithm: Algorithm) -> Option<&crypto::Key> {
        self.algorithms.iter().find(|(own, _)| *own == algorithm).map(|(_, key)| key)
    }

    fn unnamed_for(&self, algorithm: Algorithm) -> Option<&crypto::Key> {
        // One that is for an issuer is not meant by every token.
        if self.id.is_none() && self.issuer.is_none() { self.key_for(algorithm) } else { None }
    }

    /// Whether another one is the same key under the same name, for all that this one is good for.
    fn is_contained_in(&self, other: &Self) -> bool {
        let same = self.id == other.id && self.digest == other.digest && self.issuer == other.issuer;
        same && self.algorithms.iter().all(|(algorithm, _)| other.key_for(*algorithm).is_some())
    }

    /// Whether a token could mean either. A key without algorithms is one that was confused before.
    fn is_confused_with(&self, other: &Self) -> bool {
        let named_alike = self.id.is_some() && self.id == other.id && self.digest != other.digest;
        let shared = self.algorithms.iter().any(|(algorithm, _)| other.key_for(*algorithm).is_some());
        named_alike && (shared || self.algorithms.is_empty() || other.algorithms.is_empty())
    }
}

/// What a token can call a key: its id, kind, curve and algorithm. None for a key without id, or for another purpose.
///
/// Two keys of one name are both doubtful, even if one of them could not be used anyway.
fn name<'a>(entry: &Object<'a>) -> Option<[Option<Cow<'a, str>>; 4]> {
    let member = |name| entry.string(name).ok();
    let name = [member("kid")?, member("kty")?, member("crv")?, member("alg")?];
    (name.iter().take(2).all(Option::is_some) && is_for_signatures(entry)).then_some(name)
}

/// RFC 7517 §4.2, §4.3: a key for something else is not for signatures.
fn is_for_signatures(entry: &Object<'_>) -> bool {
    let signs = entry.string("use").is_ok_and(|purpose| purpose.is_none_or(|purpose| purpose == "sig"));
    signs && entry.get("key_ops").is_none_or(|operations| lists(operations, "verify"))
}

fn material(entry: &Object<'_>, kind: Kind) -> Option<Material> {
    let bytes = |name| URL_SAFE_NO_PAD.decode(&*entry.string(name).ok()??).ok();
    let kty = entry.string("kty").ok()??;
    match (kind, &*kty) {
        (Kind::Public, "RSA") => Material::rsa(&bytes("n")?, &bytes("e")?),
        (Kind::Public, "EC") => Material::elliptic(&entry.string("crv").ok()??, &bytes("x")?, &bytes("y")?),
        (Kind::Public, "OKP") if entry.string("crv").ok()?? == "Ed25519" => Material::edwards(&bytes("x")?),
        (Kind::Secret, "oct") => Material::secret(Secret::new(bytes("k")?)),
        _ => None,
    }
}

fn lists(operations: Value<'_>, operation: &str) -> bool {
    let elements = operations.elements().unwrap_or_default();
    elements.into_iter().any(|element| element.string().is_some_and(|own| own == operation))
}
