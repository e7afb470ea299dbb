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
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};
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

fn quoted(text: &str) -> String {
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

// Strategies.

/// How a member of an object may look.
const NOT_TEXTS: &[&str] =
    &[r#""""#, "null", "0", "1.5", "true", "false", "[]", "{}", r#"[""]"#, r#"{"a":1}"#];
const KIDS: &[&str] = &[
    r#""rsa-0""#,
    r#""p256-0""#,
    r#""ed25519-0""#,
    r#""ed25519-1""#,
    r#""ed25519-2""#,
    r#""key""#,
    r#""secret""#,
    r#""KEY""#,
    r#""key ""#,
    r#""k\u0065y""#,
    r#""../../dev/null""#,
    r#""' OR 1=1""#,
    r#""a\u0000""#,
    r#""a\r\nb""#,
    r#""ключ""#,
    r#""\u0085""#,
];
const TYPES: &[&str] = &[
    r#""JWT""#,
    r#""jwt""#,
    r#""at+jwt""#,
    r#""AT+JWT""#,
    r#""application/at+jwt""#,
    r#""Application/JWT""#,
    r#""id_token+jwt""#,
    r#""dpop+jwt""#,
    r#""at+jwt ""#,
    r#""application/""#,
    r#""a\u0074+jwt""#,
    r#""JOSE""#,
    r#""at+JWT; charset=utf-8""#,
    r#""secevent+jwt""#,
    r#""logout+jwt""#,
];
const ALGORITHMS: &[&str] = &[
    r#""none""#,
    r#""None""#,
    r#""HS256""#,
    r#""HS384""#,
    r#""HS512""#,
    r#""RS256""#,
    r#""RS512""#,
    r#""PS256""#,
    r#""ES256""#,
    r#""ES384""#,
    r#""ES512""#,
    r#""EdDSA""#,
    r#""Ed25519""#,
    r#""eddsa""#,
    r#""EdDSA ""#,
    r#""E\u0064DSA""#,
    r#""HS256\u0000""#,
    r#""RSA-OAEP""#,
];
/// Members of a header that change nothing, and those that must not be there.
const OTHERS_IN_HEADER: &[(&str, &str)] = &[
    (r#""crit""#, r#"["exp"]"#),
    (r#""crit""#, "[]"),
    (r#""crit""#, "null"),
    (r#""b64""#, "true"),
    (r#""b64""#, "false"),
    (r#""enc""#, r#""A128GCM""#),
    (r#""zip""#, r#""DEF""#),
    (r#""cty""#, r#""JWT""#),
    (r#""cri\u0074""#, r#"["exp"]"#),
    (r#""CRIT""#, r#"["exp"]"#),
    (r#""jku""#, r#""http://127.0.0.1:9/jwks""#),
    (r#""x5u""#, r#""http://127.0.0.1:9/cert""#),
    (r#""x5t""#, r#""AA""#),
    (r#""jwk""#, r#"{"kty":"oct","k":"AAAA"}"#),
    (r#""x""#, r#"{"a":[1,{"b":null}]}"#),
    (r#""x""#, r#"{"a":1,"a":1}"#),
    (r#""iss""#, r#""https://issuer.example.com""#),
    (r#""epk""#, "1e400"),
];
const ISSUERS: &[&str] = &[
    r#""https://issuer.example.com""#,
    r#""https://other.example.com/""#,
    r#""https://issuer.example.com/""#,
    r#""HTTPS://issuer.example.com""#,
    r#""https://issuer.example.com ""#,
    r#"["https://issuer.example.com"]"#,
    r#""https:\/\/issuer.example.com""#,
    r#""https://i\u0073suer.example.com""#,
    r#""https://evil.example.com""#,
];
const AUDIENCES: &[&str] = &[
    r#""https://api.example.com/mcp""#,
    r#""https://admin.example.com""#,
    r#"["https://api.example.com/mcp"]"#,
    r#"["x","https://api.example.com/mcp"]"#,
    r#"["https://api.example.com/mcp",1]"#,
    r#"["https://api.example.com/mcp",null]"#,
    r#"[["https://api.example.com/mcp"]]"#,
    r#"["x"]"#,
    r#""https://api.example.com/mc""#,
    r#""https://api.example.com/mcp/""#,
    r#"{"https://api.example.com/mcp":1}"#,
    r#""https://api.example.com\/mcp""#,
    r#"["https://admin.example.com","https://admin.example.com"]"#,
    r#""https://api.example.com/mcp https://x""#,
];
const SCOPES: &[&str] = &[
    r#""read""#,
    r#""read write admin""#,
    r#""""#,
    r#"" ""#,
    r#""read  read write""#,
    r#""readonly""#,
    r#""READ""#,
    r#""read\twrite""#,
    r#""read\u00a0write""#,
    r#""read,write""#,
    r#"["read","write"]"#,
    r#"["read write"]"#,
    r#"["read",1]"#,
    "[]",
    r#"["a\"b","read"]"#,
    r#""xread read2""#,
    r#"["read",null]"#,
    r#""r\u0065ad write""#,
];
const NAMES: &[&str] = &[
    r#""bob""#,
    r#""é\n\u0000""#,
    r#""\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#"["alice"]"#,
    r#""al\u0069ce""#,
];
const CLASSES: &[(&str, &str)] = &[
    (r#""cnf""#, r#"{"jkt":"x"}"#),
    (r#""cnf""#, "null"),
    (r#""events""#, "{}"),
    (r#""at_hash""#, r#""x""#),
    (r#""c_hash""#, "null"),
    (r#""s_hash""#, r#""x""#),
    (r#""token_introspection""#, "{}"),
    (r#""token_use""#, r#""access""#),
    (r#""token_use""#, r#""id""#),
    (r#""token_use""#, "1"),
    (r#""typ""#, r#""Bearer""#),
    (r#""typ""#, r#""Refresh""#),
    (r#""typ""#, r#""ID""#),
    (r#""typ""#, r#""Application/At+Jwt""#),
    (r#""typ""#, r#""dpop+JWT""#),
    (r#""typ""#, "[]"),
    (r#""type""#, r#""refresh-token""#),
    (r#""type""#, r#"" Logout Token ""#),
    (r#""use""#, r#""sig""#),
    (r#""use""#, r#""id""#),
    (r#""token_type""#, r#""Bearer""#),
    (r#""token_type""#, r#""DPoP""#),
    (r#""nonce""#, r#""x""#),
];
const DATES: &[&str] = &[
    "0",
    "-0",
    "-1",
    "0.0",
    "1e0",
    "253402300799",
    "253402300799.5",
    "253402300800",
    "253402300798.9e0",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "1e300",
    "1e308",
    "1e309",
    "1e-400",
    "-1e400",
    "1E10",
    "01",
    "1.",
    ".5",
    "+1",
    "0x10",
    "NaN",
    "Infinity",
    r#""1767226000""#,
    r#""""#,
    "null",
    "true",
    "[]",
    "[1767226000]",
    r#"{"a":1}"#,
    "1767225600e0",
    "17672256.01e2",
    "0e99999",
];
/// Claims that mean nothing here, and values that only a reader of JSON minds.
const OTHER_CLAIMS: &[(&str, &str)] = &[
    (r#""x1""#, "null"),
    (r#""x1""#, "[1,2,{\"a\":[]}]"),
    (r#""x2""#, r#""\ud800""#),
    (r#""x2""#, r#""\u0000""#),
    (r#""x2""#, r#"{"a":1,"b":{"a":1,"a":2}}"#),
    (r#""x2""#, r#"{"a":1,"\u0061":2}"#),
    (r#""x2""#, "1e308"),
    (r#""x2""#, "9.99e307"),
    (r#""x2""#, "123456789012345678901234567890"),
    (r#""x2""#, "[1,]"),
    (r#""x2""#, r#"{"a"}"#),
    (r#""x2""#, r#""a"#),
    (r#""x2""#, "\"\t\""),
    (r#""ISS""#, r#""https://evil.example.com""#),
    (r#""exp ""#, "1"),
    (r#""Exp""#, "1"),
    (r#""""#, "1"),
    (r#""client""#, r#""x""#),
];
/// The names of claims that mean something, spelled in several ways.
const CLAIMS: &[&str] = &[
    r#""iss""#,
    r#""aud""#,
    r#""exp""#,
    r#""nbf""#,
    r#""iat""#,
    r#""sub""#,
    r#""client_id""#,
    r#""azp""#,
    r#""jti""#,
    r#""scope""#,
    r#""scp""#,
    r#""\u0065xp""#,
    r#""i\u0073s""#,
    r#""scop\u0065""#,
];

fn is(values: &'static [&'static str]) -> BoxedStrategy<Text> {
    select(values).prop_map(Text::Is).boxed()
}

fn name_or(values: &'static [&'static str]) -> BoxedStrategy<Text> {
    prop_oneof![4 => is(values), 1 => is(NOT_TEXTS)].boxed()
}

/// Dates about now and the leeway, and others.
fn date() -> BoxedStrategy<Text> {
    let near = (select(&[-1_000_i64, -125, -1, 0, 1, 125, 1_000][..]), -1..=1_i64, 0..5_u8);
    let far = (-900_000..900_000_i64, Just(0_i64), 0..4_u8);
    let dated = |(by, leeways, form)| Text::Date(by, leeways, form);
    prop_oneof![6 => near.prop_map(dated), 3 => far.prop_map(dated), 2 => is(DATES)].boxed()
}

fn value_of(claim: &'static str) -> BoxedStrategy<Text> {
    match claim.trim_matches('"') {
        "iss" | "i\\u0073s" => name_or(ISSUERS),
        "aud" => name_or(AUDIENCES),
        "exp" | "nbf" | "iat" | "\\u0065xp" => date(),
        "scope" | "scp" | "scop\\u0065" => name_or(SCOPES),
        _ => prop_oneof![
            3 => name_or(NAMES),
            1 => any::<String>().prop_map(|text| Text::Owned(quoted(&text))),
        ]
        .boxed(),
    }
}

/// One change to the claims.
fn claim() -> BoxedStrategy<Change> {
    let one =
        |name: &'static str, weight| (weight, value_of(name).prop_map(move |value| (name, value)).boxed());
    let valued = || {
        let all = CLAIMS.iter().map(|name| one(name, if name.contains("\\u") { 1 } else { 4 }));
        let dates = [r#""exp""#, r#""nbf""#, r#""iat""#].map(|name| one(name, 8));
        proptest::strategy::Union::new_weighted(all.chain(dates).collect())
    };
    let pair = |(name, value)| Change::Set(name, Text::Is(value));
    prop_oneof![
        12 => valued().prop_map(|(name, value)| Change::Set(name, value)),
        2 => select(CLAIMS).prop_map(Change::Remove),
        2 => valued().prop_map(|(name, value)| Change::Repeat(name, value)),
        2 => select(CLASSES).prop_map(pair),
        2 => select(OTHER_CLAIMS).prop_map(pair),
    ]
    .boxed()
}

/// One change to the header.
fn header() -> BoxedStrategy<Change> {
    let members = || {
        prop_oneof![
            3 => name_or(KIDS).prop_map(|value| (r#""kid""#, value)),
            3 => name_or(TYPES).prop_map(|value| (r#""typ""#, value)),
            2 => name_or(ALGORITHMS).prop_map(|value| (r#""alg""#, value)),
            3 => select(OTHERS_IN_HEADER).prop_map(|(name, value)| (name, Text::Is(value))),
            1 => (250..260_usize).prop_map(|length| (r#""kid""#, Text::Owned(quoted(&"k".repeat(length))))),
        ]
    };
    prop_oneof![
        8 => members().prop_map(|(name, value)| Change::Set(name, value)),
        2 => members().prop_map(|(name, value)| Change::Repeat(name, value)),
        3 => select(&[r#""kid""#, r#""typ""#, r#""alg""#][..]).prop_map(Change::Remove),
    ]
    .boxed()
}

fn spelling() -> BoxedStrategy<Spelling> {
    prop_oneof![
        40 => Just(Spelling::Usual),
        2 => Just(Spelling::Spaces),
        2 => Just(Spelling::Escaped),
        1 => (60..67_usize).prop_map(Spelling::Deep),
        1 => (488..503_usize).prop_map(Spelling::Members),
        3 => prop_oneof![
            Just(Spelling::Array), Just(Spelling::ByteOrderMark), Just(Spelling::Comment), Just(Spelling::Comma),
            Just(Spelling::Latin1), Just(Spelling::Trailing), Just(Spelling::Utf16),
            any::<Index>().prop_map(Spelling::Truncated),
        ],
    ]
    .boxed()
}

fn cut() -> BoxedStrategy<Cut> {
    let at = || 0..3_usize;
    let text = || select(&["=", ".", " ", "\n", "\u{e9}", "A", "AAAA", "~", "+", "/", ",", "\"", "-"][..]);
    prop_oneof![
        text().prop_map(Cut::Append),
        text().prop_map(Cut::Prepend),
        at().prop_map(Cut::Bits),
        at().prop_map(Cut::Bits),
        (at(), any::<Index>(), select(vec!['A', 'b', '0', '-', '_', '+', '=', '.', 'é']))
            .prop_map(|(a, i, c)| Cut::Change(a, i, c)),
        at().prop_map(Cut::Empty),
        (at(), any::<Index>(), text()).prop_map(|(a, i, t)| Cut::Insert(a, i, t)),
        (at(), any::<bool>()).prop_map(|(a, more)| Cut::Pad(a, more)),
        at().prop_map(Cut::Remove),
        at().prop_map(Cut::Repeat),
        at().prop_map(Cut::Standard),
        (at(), at()).prop_map(|(a, b)| Cut::Swap(a, b)),
        (at(), any::<Index>()).prop_map(|(a, i)| Cut::Truncate(a, i)),
    ]
    .boxed()
}

fn seal() -> BoxedStrategy<Seal> {
    prop_oneof![
        14 => Just(Seal::Early),
        3 => Just(Seal::Late),
        1 => Just(Seal::Stale),
        1 => Just(Seal::PublicText),
        1 => proptest::collection::vec(any::<u8>(), 0..70).prop_map(Seal::Bytes),
    ]
    .boxed()
}

/// Signers, of which those with a short signature are quick.
pub(crate) fn signer(rsa: u32) -> BoxedStrategy<Signer> {
    let algorithm = prop_oneof![
        4 => Just("EdDSA"),
        4 => Just("ES256"),
        1 => Just("ES384"),
        6 => Just("HS256"),
        1 => Just("HS384"),
        1 => Just("HS512"),
        rsa => select(&["RS256", "RS256", "RS512", "PS256", "PS384"][..]),
    ];
    let owner = prop_oneof![10 => Just(0_usize), 2 => Just(1_usize), 1 => Just(2_usize)];
    (algorithm, owner).prop_map(|(algorithm, owner)| Signer { algorithm, owner }).boxed()
}

/// Tokens in which nothing is wrong but for whom they are, and that they may be a stranger's.
pub(crate) fn good(signer: BoxedStrategy<Signer>) -> BoxedStrategy<Plan> {
    let plan = |signer| Plan {
        signer,
        header: Vec::new(),
        claims: Vec::new(),
        header_spelling: Spelling::Usual,
        claims_spelling: Spelling::Usual,
        cuts: Vec::new(),
        seal: Seal::Early,
    };
    signer.prop_map(plan).boxed()
}

/// Tokens with none to four faults; most are signed after that.
pub(crate) fn plan(signer: BoxedStrategy<Signer>) -> BoxedStrategy<Plan> {
    let claims = prop_oneof![
        5 => Just(Vec::new()).boxed(),
        6 => proptest::collection::vec(claim(), 1..=1).boxed(),
        3 => proptest::collection::vec(claim(), 2..5).boxed(),
    ];
    let header = prop_oneof![
        12 => Just(Vec::new()).boxed(),
        3 => proptest::collection::vec(header(), 1..=1).boxed(),
        1 => proptest::collection::vec(header(), 2..4).boxed(),
    ];
    let cuts =
        prop_oneof![16 => Just(Vec::new()).boxed(), 1 => proptest::collection::vec(cut(), 1..3).boxed()];
    (signer, header, claims, (spelling(), spelling()), cuts, seal())
        .prop_map(|(signer, header, claims, (header_spelling, claims_spelling), cuts, seal)| Plan {
            signer,
            header,
            claims,
            header_spelling,
            claims_spelling,
            cuts,
            seal,
        })
        .boxed()
}

/// What a verifier may be told, for tokens of a kind of keys.
pub(crate) fn configuration() -> BoxedStrategy<Configuration> {
    let parties = (
        prop_oneof![8 => Just(Some(ISSUER)), 1 => Just(Some(OTHER_ISSUER)), 1 => Just(None)],
        prop_oneof![
            6 => Just(vec![AUDIENCE]),
            2 => Just(vec![OTHER_AUDIENCE, AUDIENCE]),
            1 => Just(vec![OTHER_AUDIENCE]),
            1 => Just(vec![]),
        ],
    );
    let keys = prop_oneof![
        4 => Just(Keys::Secret(SECRETS[0].to_vec())),
        8 => select(key_sets()),
    ];
    let leeway = select(&[0_u64, 0, 1, 60, 60, 299, 300][..]).prop_map(Duration::from_secs);
    let age = prop_oneof![8 => Just(None), 1 => (1..600_u64).prop_map(|age| Some(Duration::from_secs(age)))];
    let required = prop_oneof![
        12 => Just(vec![]), 2 => Just(vec!["x1"]), 2 => Just(vec!["sub", "iat"]), 1 => Just(vec!["nbf"]),
    ];
    let switches = (
        proptest::bool::weighted(0.3),
        proptest::bool::weighted(0.9),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.8),
    );
    (parties, keys, leeway, age, required, switches)
        .prop_map(|((issuer, audiences), keys, leeway, max_token_age, required, switches)| {
            let (rfc9068, expiry_required, id_tokens_allowed, all_algorithms) = switches;
            let algorithms = match (&keys, all_algorithms) {
                (Keys::Secret(_), true) => vec!["HS256", "HS384", "HS512"],
                (Keys::Secret(_), false) => vec!["HS256"],
                // Each key of a list has to be of use.
                (Keys::Listed(_), _) | (_, true) => {
                    vec!["EdDSA", "ES256", "ES384", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
                }
                (_, false) => vec!["EdDSA", "RS256"],
            };
            let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
            Configuration {
                issuer: issuer.map(str::to_owned),
                audiences: owned(audiences),
                algorithms,
                rfc9068,
                leeway,
                required: owned(required),
                expiry_required,
                id_tokens_allowed,
                max_token_age,
                keys,
            }
        })
        .boxed()
}
