//! The outer form of a token: its parts and its header, by an own reading.

use crate::base64url;
use crate::json::{self, Json};

/// Whether a JOSE header is acceptable for one of these algorithms, and which keys it may mean. None: it is not.
pub fn header(text: &[u8], algorithms: &[&str], types: &[&str]) -> Option<Header> {
    let members = json::object(text)?;
    if ["crit", "b64", "enc", "zip", "cty"].iter().any(|name| members.has(name)) {
        return None;
    }
    let algorithm = members.text("alg").filter(|name| algorithms.contains(name))?.to_owned();
    let key_id = match members.get("kid") {
        None => None,
        Some(Json::Text(id)) => {
            let legal = (1..=256).contains(&id.len()) && !id.chars().any(char::is_control);
            Some(id.clone()).filter(|_| legal).map(Some)?
        }
        Some(_) => return None,
    };
    let typ = match members.get("typ") {
        None => None,
        Some(value) => Some(value.text()?.to_ascii_lowercase()),
    };
    let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    // RFC 7515 §4.1.9 leaves it open; none says as much as `JWT`.
    let known = types.contains(&typ.unwrap_or("jwt"));
    let is_doubtful = members.has_huge_number();
    known.then_some(Header { algorithm, key_id, is_doubtful })
}

/// What an acceptable header says.
#[derive(Debug)]
pub struct Header {
    pub algorithm: String,
    pub key_id: Option<String>,
    /// A number in it is so large that readers may differ.
    pub is_doubtful: bool,
}

/// The types of an access token: whatever issuers write, and those of RFC 9068.
pub const USUAL_TYPES: &[&str] = &["jwt", "at+jwt"];
pub const ACCESS_TOKEN_TYPES: &[&str] = &["at+jwt"];

/// The parts of a compact JWS, decoded, and what was signed. None: it is none.
pub struct Parts<'a> {
    pub header: Vec<u8>,
    pub payload: Vec<u8>,
    pub signature: Vec<u8>,
    pub signed: &'a [u8],
}

impl<'a> Parts<'a> {
    pub fn of(token: &'a str) -> Option<Self> {
        let mut parts = token.split('.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let is_whole = parts.next().is_none() && token.len() <= 16 * 1024;
        if !is_whole || header.is_empty() || payload.is_empty() || signature.is_empty() {
            return None;
        }
        let signed = token.as_bytes().get(..header.len() + 1 + payload.len())?;
        let part = base64url::decode;
        Some(Self { header: part(header)?, payload: part(payload)?, signature: part(signature)?, signed })
    }
}
