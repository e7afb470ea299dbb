//! The compact serialisation and the header of a JWT, by RFC 7515 and contract 5.3.1 to 5.3.4.

use super::json::Json;

/// Contract D9.
const LONGEST: usize = 16 * 1024;

/// A token in its parts, of which only the form has been looked at.
pub(crate) struct Parts<'a> {
    pub(crate) algorithm: &'static str,
    pub(crate) key_id: Option<String>,
    pub(crate) is_access_token: bool,
    pub(crate) claims: Json,
    pub(crate) payload: Vec<u8>,
    pub(crate) message: &'a str,
    pub(crate) signature: Vec<u8>,
}

/// Every algorithm that there is for access tokens, by all of its names (RFC 7518 §3.1, RFC 9864).
const ALGORITHMS: [(&str, &str); 13] = [
    ("ES256", "ES256"),
    ("ES384", "ES384"),
    ("Ed25519", "EdDSA"),
    ("EdDSA", "EdDSA"),
    ("HS256", "HS256"),
    ("HS384", "HS384"),
    ("HS512", "HS512"),
    ("PS256", "PS256"),
    ("PS384", "PS384"),
    ("PS512", "PS512"),
    ("RS256", "RS256"),
    ("RS384", "RS384"),
    ("RS512", "RS512"),
];

pub(crate) fn algorithm(name: &str) -> Option<&'static str> {
    ALGORITHMS.iter().find(|(own, _)| *own == name).map(|(_, registered)| *registered)
}

pub(crate) fn read(token: &str) -> Result<Parts<'_>, &'static str> {
    if token.len() > LONGEST {
        return Err("too long");
    }
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        return Err("not three parts");
    };
    if [header, payload, signature].contains(&"") {
        return Err("an empty part");
    }
    let decoded = |text| base64url(text).ok_or("a part that is not base64url");
    let (head, payload_bytes, signature_bytes) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
    let head = Json::object(&head).ok_or("the header is no object")?;
    // RFC 7515 §4.1.11, RFC 7797, RFC 7516, RFC 7519 §5.2: nothing that changes how the token is read.
    if ["crit", "b64", "enc", "zip", "cty"].iter().any(|name| head.get(name).is_some()) {
        return Err("a header that changes the reading");
    }
    let name = head.get("alg").and_then(Json::text).ok_or("no alg")?;
    let key_id = match head.get("kid") {
        None => None,
        Some(Json::Text(id)) if is_key_id(id) => Some(id.clone()),
        Some(_) => return Err("a kid that is none"),
    };
    let is_access_token = match head.get("typ") {
        None => false,
        Some(Json::Text(typ)) => media_type(typ).ok_or("a token of another type")?,
        Some(_) => return Err("a typ that is none"),
    };
    Ok(Parts {
        algorithm: algorithm(name).ok_or("an unknown algorithm")?,
        key_id,
        is_access_token,
        claims: Json::object(&payload_bytes).ok_or("the claims are no object")?,
        payload: payload_bytes,
        message: &token[..header.len() + 1 + payload.len()],
        signature: signature_bytes,
    })
}

/// The payload of what has the form of a JWT.
pub(crate) fn payload(token: &str) -> Option<&str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let parts: Vec<_> = token.split('.').collect();
    let has_form = token.len() <= LONGEST && parts.len() == 3 && !parts.contains(&"");
    (has_form && token.bytes().all(is_plain)).then(|| parts[1])
}

/// Contract 5.3.2: not empty, at most 256 bytes, printable.
fn is_key_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 256 && !id.chars().any(char::is_control)
}

/// RFC 7515 §4.1.9, RFC 9068 §4: `at+jwt` or `JWT`, without regard to case, `application/` may be there. None: else.
fn media_type(typ: &str) -> Option<bool> {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "at+jwt" => Some(true),
        "jwt" => Some(false),
        _ => None,
    }
}

/// RFC 4648 §5 without padding, and §3.5: the bits that are left over are zero.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for character in text.bytes() {
        let digit = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        debug_assert_eq!(ALPHABET[usize::from(digit)], character);
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    // A single character left over holds no byte.
    (count < 6 && bits == 0).then_some(bytes)
}
