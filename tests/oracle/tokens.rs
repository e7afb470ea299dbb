//! Tokens that are good but for what a plan changes: members of header and claims, the spelling of both, the parts, the
//! key.

use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::keys::registered;
use super::{Configuration, Keys};

pub(crate) const ISSUER: &str = "https://issuer.example.com";
pub(crate) const OTHER_ISSUER: &str = "https://other.example.com/";
pub(crate) const AUDIENCE: &str = "https://api.example.com/mcp";
pub(crate) const OTHER_AUDIENCE: &str = "https://admin.example.com";
/// 2026-01-01T00:00:00Z, around which everything happens.
pub(crate) const NOW: u64 = 1_767_225_600;
/// As long as the longest hash.
pub(crate) const SECRETS: [&[u8; 64]; 2] = [&[7; 64], &[8; 64]];

// Keys.

/// Whose keys: two generations of the issuer, and a stranger's.
const OWNERS: [[&str; 5]; 3] = [
    [
        include_str!("../../src/testing/keys/rsa_a.pem"),
        include_str!("../../src/testing/keys/p256_a.pem"),
        include_str!("../../src/testing/keys/p384_a.pem"),
        include_str!("../../src/testing/keys/ed25519_a.pem"),
        include_str!("../../src/testing/keys/public_a.json"),
    ],
    [
        include_str!("../../src/testing/keys/rsa_b.pem"),
        include_str!("../../src/testing/keys/p256_b.pem"),
        include_str!("../../src/testing/keys/p384_b.pem"),
        include_str!("../../src/testing/keys/ed25519_b.pem"),
        include_str!("../../src/testing/keys/public_b.json"),
    ],
    [
        include_str!("../../src/testing/keys/rsa_c.pem"),
        include_str!("../../src/testing/keys/p256_c.pem"),
        include_str!("../../src/testing/keys/p384_c.pem"),
        include_str!("../../src/testing/keys/ed25519_c.pem"),
        include_str!("../../src/testing/keys/public_c.json"),
    ],
];
const KINDS: [&str; 4] = ["rsa", "p256", "p384", "ed25519"];

/// Who signs, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer {
    pub(crate) algorithm: &'static str,
    /// 2 is a stranger.
    pub(crate) owner: usize,
}

fn kind_of(algorithm: &str) -> usize {
    match algorithm {
        "ES256" => 1,
        "ES384" => 2,
        "EdDSA" => 3,
        _ => 0,
    }
}

fn encoding_key(signer: Signer) -> &'static EncodingKey {
    static KEYS: OnceLock<Vec<EncodingKey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let mut keys = Vec::new();
        for [rsa, p256, p384, ed25519, _] in OWNERS {
            keys.push(EncodingKey::from_rsa_pem(rsa.as_bytes()).unwrap());
            keys.push(EncodingKey::from_ec_pem(p256.as_bytes()).unwrap());
            keys.push(EncodingKey::from_ec_pem(p384.as_bytes()).unwrap());
            keys.push(EncodingKey::from_ed_pem(ed25519.as_bytes()).unwrap());
        }
        keys.extend(SECRETS.map(|secret| EncodingKey::from_secret(secret)));
        keys.push(EncodingKey::from_secret(&[9; 64]));
        keys
    });
    match signer.algorithm.starts_with("HS") {
        true => &keys[12 + signer.owner],
        false => &keys[4 * signer.owner + kind_of(signer.algorithm)],
    }
}

fn sign(signer: Signer, message: &str) -> Vec<u8> {
    sign_by(signer.algorithm, encoding_key(signer), message)
}

fn sign_by(algorithm: &str, key: &EncodingKey, message: &str) -> Vec<u8> {
    let signer = (DEFAULT_PROVIDER.signer_factory)(&registered(algorithm), key).unwrap();
    signer.try_sign(message.as_bytes()).unwrap()
}

/// The public key of an owner, with these members too. Null takes one out.
fn jwk(owner: usize, kind: usize, more: &Value) -> Value {
    let mut keys: Vec<Value> = serde_json::from_str(OWNERS[owner][4]).unwrap();
    let mut key = keys.swap_remove(kind);
    for (name, value) in more.as_object().unwrap() {
        key[name] = value.clone();
    }
    key.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    key
}

fn id(owner: usize, kind: usize) -> String {
    format!("{}-{owner}", KINDS[kind])
}

fn document(keys: &[Value]) -> Keys {
    Keys::Document(json!({ "keys": keys }).to_string())
}

/// Sets of public keys in which a key can be found, cannot, or not alone.
pub(crate) fn key_sets() -> &'static [Keys] {
    static SETS: OnceLock<Vec<Keys>> = OnceLock::new();
    SETS.get_or_init(|| {
        let named = |owner| (0..4).map(move |kind| jwk(owner, kind, &json!({ "kid": id(owner, kind) })));
        let unnamed = |owner| (0..4).map(move |kind| jwk(owner, kind, &json!({})));
        let alike = |owner| (0..4).map(move |kind| jwk(owner, kind, &json!({ "kid": "key" })));
        let bound = |kind, alg: &str| jwk(0, kind, &json!({ "kid": id(0, kind), "alg": alg }));
        let list = |keys: Vec<Value>| Keys::Listed(keys.iter().map(Value::to_string).collect());
        vec![
            document(&named(0).collect::<Vec<_>>()),
            document(&named(0).chain(named(1)).collect::<Vec<_>>()),
            document(&unnamed(0).collect::<Vec<_>>()),
            // Without id, nobody knows which.
            document(&unnamed(0).chain(unnamed(1)).collect::<Vec<_>>()),
            // One id for keys of every kind, and for two of each.
            document(&alike(0).collect::<Vec<_>>()),
            document(&alike(0).chain(alike(1)).chain(named(0)).collect::<Vec<_>>()),
            // Made for one algorithm, or for something else.
            document(&[bound(0, "RS256"), bound(1, "ES256"), bound(3, "EdDSA")]),
            document(&[bound(0, "PS384"), bound(1, "ES384"), bound(2, "ES384"), bound(3, "Ed25519")]),
            document(&[
                jwk(0, 0, &json!({ "kid": id(0, 0), "use": "enc" })),
                jwk(1, 0, &json!({ "kid": id(0, 0), "use": null })),
                jwk(0, 1, &json!({ "kid": id(0, 1), "key_ops": ["sign"] })),
                jwk(0, 3, &json!({ "kid": id(0, 3), "key_ops": ["verify"], "use": null })),
            ]),
            // Beside what is not for us.
            document(&[
                json!({ "kty": "oct", "kid": "secret", "k": URL_SAFE_NO_PAD.encode(SECRETS[0]) }),
                json!({ "kty": "OKP", "crv": "X25519", "kid": id(0, 3), "x": URL_SAFE_NO_PAD.encode([9; 32]) }),
                json!(null),
                jwk(0, 3, &json!({ "kid": id(0, 3) })),
                jwk(0, 1, &json!({})),
            ]),
            // In a list, keys without id are meant by whoever names no other.
            list(unnamed(0).collect()),
            list(vec![jwk(0, 3, &json!({})), jwk(1, 3, &json!({})), jwk(0, 1, &json!({ "kid": id(0, 1) }))]),
            list(vec![jwk(1, 3, &json!({})), jwk(0, 3, &json!({ "kid": id(0, 3) })), jwk(0, 0, &json!({}))]),
        ]
    })
}

// Plans.

/// What happens to the members of an object. Names and values are JSON text.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Remove(&'static str),
    /// Once more, at the end.
    Repeat(&'static str, Text),
    /// In its place, or at the end.
    Set(&'static str, Text),
}

/// The text of a value.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Is(&'static str),
    Owned(String),
    /// So many thousandths of a second after now, and so many leeways; written in one of several ways.
    Date(i64, i64, u8),
}

/// How the text of an object is spoilt, or spelled in another way that means the same.
#[derive(Clone, Debug)]
pub(crate) enum Spelling {
    Array,
    /// U+FEFF.
    ByteOrderMark,
    Comment,
    /// With nothing after the last member.
    Comma,
    /// So many levels below the object.
    Deep(usize),
    Latin1,
    /// So many more members.
    Members(usize),
    /// A name of one member in escapes.
    Escaped,
    Spaces,
    Trailing,
    Truncated(Index),
    Utf16,
    Usual,
}

/// What happens to the parts.
#[derive(Clone, Debug)]
pub(crate) enum Cut {
    Append(&'static str),
    /// The bits that no byte has are not zero.
    Bits(usize),
    Change(usize, Index, char),
    Empty(usize),
    Insert(usize, Index, &'static str),
    Prepend(&'static str),
    /// `=` until the length is a multiple of four, or one more.
    Pad(usize, bool),
    Remove(usize),
    Repeat(usize),
    /// `+` and `/` for `-` and `_`.
    Standard(usize),
    Swap(usize, usize),
    Truncate(usize, Index),
}

/// What the signature is.
#[derive(Clone, Debug)]
pub(crate) enum Seal {
    /// Over header and claims as the plan has them, by the signer, before the parts are cut.
    Early,
    /// Over what the cuts leave of the first two parts: nothing is wrong but those.
    Late,
    /// By the signer, over the good token that this was.
    Stale,
    Bytes(Vec<u8>),
    /// A MAC with the text of the public keys.
    PublicText,
}

/// A token that is good but for some changes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) signer: Signer,
    pub(crate) header: Vec<Change>,
    pub(crate) claims: Vec<Change>,
    pub(crate) header_spelling: Spelling,
    pub(crate) claims_spelling: Spelling,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) seal: Seal,
}

/// For whom a token is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim<'a> {
    pub(crate) rules: &'a Configuration,
    /// Since 1970.
    pub(crate) now: Duration,
}

impl Plan {
    /// Whether the changed token is signed.
    pub(crate) fn is_signed(&self) -> bool {
        matches!(self.seal, Seal::Early | Seal::Late)
    }

    pub(crate) fn write(&self, aim: Aim<'_>) -> String {
        let (header, claims) = (self.usual_header(aim.rules), usual_claims(aim));
        let stale = format!("{}.{}", encode(object(&header).as_bytes()), encode(object(&claims).as_bytes()));
        let header = self.header_spelling.apply(&changed(header, &self.header, aim));
        let claims = self.claims_spelling.apply(&changed(claims, &self.claims, aim));
        let mut parts = vec![encode(&header), encode(&claims)];
        let signature = match &self.seal {
            Seal::Early => sign(self.signer, &parts.join(".")),
            Seal::Stale => sign(self.signer, &stale),
            Seal::Bytes(bytes) => bytes.clone(),
            Seal::PublicText => {
                let secret = EncodingKey::from_secret(OWNERS[0][4].as_bytes());
                sign_by("HS256", &secret, &parts.join("."))
            }
            Seal::Late => {
                for cut in &self.cuts {
                    cut.apply(&mut parts);
                }
                let signature = sign(self.signer, &parts.join("."));
                parts.push(encode(&signature));
                return parts.join(".");
            }
        };
        parts.push(encode(&signature));
        for cut in &self.cuts {
            cut.apply(&mut parts);
        }
        parts.join(".")
    }

    fn usual_header(&self, rules: &Configuration) -> Vec<(String, String)> {
        let id = match &rules.keys {
            Keys::Document(text) if text.contains(r#""kid":"key""#) => Some("key".to_owned()),
            Keys::Document(text) if !text.contains("kid") => None,
            Keys::Document(_) | Keys::Listed(_) => {
                Some(id(self.signer.owner, kind_of(self.signer.algorithm)))
            }
            Keys::Secret(_) => None,
        };
        let mut header = vec![
            (quoted("alg"), quoted(self.signer.algorithm)),
            (quoted("typ"), quoted(if rules.rfc9068 { "at+jwt" } else { "JWT" })),
        ];
        header.extend(id.map(|id| (quoted("kid"), quoted(&id))));
        header
    }
}

fn usual_claims(aim: Aim<'_>) -> Vec<(String, String)> {
    let now = aim.now.as_secs();
    let issuer = aim.rules.issuer.as_deref().unwrap_or(ISSUER);
    let audience = aim.rules.audiences.first().map_or(AUDIENCE, String::as_str);
    let mut claims: Vec<(String, String)> = [
        ("iss", quoted(issuer)),
        ("aud", quoted(audience)),
        ("exp", now.saturating_add(300).to_string()),
        ("iat", now.saturating_sub(10).to_string()),
        ("sub", quoted("alice")),
        ("client_id", quoted("cli")),
        ("jti", quoted("t1")),
        ("scope", quoted("read write")),
    ]
    .map(|(name, value)| (quoted(name), value))
    .to_vec();
    claims.extend(
        aim.rules.required.iter().filter(|name| name.starts_with("x")).map(|n| (quoted(n), quoted("1"))),
    );
    claims
}

pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn changed(mut members: Vec<(String, String)>, changes: &[Change], aim: Aim<'_>) -> String {
    for change in changes {
        match change {
            Change::Remove(name) => members.retain(|(own, _)| own != name),
            Change::Repeat(name, value) => members.push(((*name).to_owned(), value.write(aim))),
            Change::Set(name, value) => match members.iter_mut().find(|(own, _)| own == name) {
                Some((_, old)) => *old = value.write(aim),
                None => members.push(((*name).to_owned(), value.write(aim))),
            },
        }
    }
    object(&members)
}

impl Text {
    fn write(&self, aim: Aim<'_>) -> String {
        match self {
            Self::Is(text) => (*text).to_owned(),
            Self::Owned(text) => text.clone(),
            Self::Date(by, leeways, form) => {
                let thousandths = |span: Duration| i64::try_from(span.as_millis()).unwrap();
                let at = thousandths(aim.now) + by + leeways * thousandths(aim.rules.leeway);
                let (sign, at) = (if at < 0 { "-" } else { "" }, at.unsigned_abs());
                let (whole, rest) = (at / 1_000, at % 1_000);
                match (form, rest) {
                    (1, _) => format!("{sign}{whole}.{rest:03}"),
                    (2, _) => format!("{sign}{at}e-3"),
                    (3, _) => format!("{sign}{whole}.{rest:03}0e+0"),
                    (4, _) => format!("\"{sign}{whole}\""),
                    (_, 0) => format!("{sign}{whole}"),
                    _ => format!("{sign}{whole}.{rest:03}"),
                }
            }
        }
    }
}

impl Spelling {
    fn apply(&self, text: &str) -> Vec<u8> {
        let inner = &text[..text.len() - 1];
        match self {
            Self::Array => format!("[{text}]").into(),
            Self::ByteOrderMark => format!("\u{feff}{text}").into(),
            Self::Comment => format!("{inner}/**/}}").into(),
            Self::Comma => format!("{inner},}}").into(),
            Self::Deep(depth) => {
                let levels = "[".repeat(*depth) + &"]".repeat(*depth);
                format!("{inner},\"deep\":{levels}}}").into()
            }
            Self::Escaped => text.replacen('a', "\\u0061", 1).into(),
            Self::Latin1 => {
                let (mut bytes, end) = (format!("{inner},\"x\":\"").into_bytes(), b"\"}");
                bytes.push(0xe9);
                bytes.extend(end);
                bytes
            }
            Self::Members(count) => {
                let mut more = inner.to_owned();
                (0..*count).for_each(|number| write!(more, ",\"m{number}\":0").unwrap());
                (more + "}").into()
            }
            Self::Spaces => format!(" \t\r\n{} \n", text.replacen(':', " :\t", 2)).into(),
            Self::Trailing => format!("{text}{{}}").into(),
            Self::Truncated(at) => text.as_bytes()[..at.index(text.len())].to_vec(),
            Self::Utf16 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Usual => text.into(),
        }
    }
}

impl Cut {
    fn apply(&self, parts: &mut Vec<String>) {
        match self {
            Self::Append(text) => parts.last_mut().into_iter().for_each(|part| part.push_str(text)),
            Self::Prepend(text) => parts.first_mut().into_iter().for_each(|part| part.insert_str(0, text)),
            Self::Remove(at) if *at < parts.len() => drop(parts.remove(*at)),
            Self::Repeat(at) if *at < parts.len() => parts.insert(*at, parts[*at].clone()),
            Self::Swap(one, other) if *one.max(other) < parts.len() => parts.swap(*one, *other),
            Self::Remove(_) | Self::Repeat(_) | Self::Swap(..) => {}
            Self::Bits(at) => change(parts, *at, |part| {
                // The next character of the alphabet, where the last one has spare bits.
                const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let last = part.pop().and_then(|last| ALPHABET.find(last)).unwrap_or_default();
                part.push(char::from(ALPHABET.as_bytes()[(last + 1) % 64]));
            }),
            Self::Change(at, place, to) => change(parts, *at, |part| {
                let place = place.index(part.len());
                if part.is_char_boundary(place) && part.is_char_boundary(place + 1) {
                    part.replace_range(place..=place, to.encode_utf8(&mut [0; 4]));
                }
            }),
            Self::Empty(at) => change(parts, *at, String::clear),
            Self::Insert(at, place, text) => change(parts, *at, |part| {
                let place = place.index(part.len());
                if part.is_char_boundary(place) {
                    part.insert_str(place, text);
                }
            }),
            Self::Pad(at, one_more) => change(parts, *at, |part| {
                let missing = part.len().next_multiple_of(4) - part.len() + usize::from(*one_more);
                part.push_str(&"=".repeat(missing));
            }),
            Self::Standard(at) => change(parts, *at, |part| *part = part.replace('-', "+").replace('_', "/")),
            Self::Truncate(at, place) => change(parts, *at, |part| {
                let place = place.index(part.len());
                if part.is_char_boundary(place) {
                    part.truncate(place);
                }
            }),
        }
    }
}

fn change(parts: &mut [String], at: usize, change: impl FnOnce(&mut String)) {
    if let Some(part) = parts.get_mut(at).filter(|part| !part.is_empty()) {
        change(part);
    }
}
