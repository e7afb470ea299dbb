//! Any compact JWS: it is accepted exactly if an own reading of it and other implementations of the algorithms say so.
//!
//! The first byte says what the rest is:
//!
//! - `h`, `d`, `e`: header and payload as they stand in the token, a dot between them, which are then really signed, by
//!   HMAC, Ed25519 or ECDSA. After a line feed, two bytes each change the signature: `x` flips a bit, `t` truncates,
//!   `p` appends a byte, `z` sets one to zero, `a` appends a character to its text, `s` replaces the last one.
//! - anything else: the token itself.

use std::sync::OnceLock;

use tower_bearer::error::VerifyErrorKind;
use tower_bearer::{BearerToken, JwtVerifier, TokenVerifier};

use crate::jose::{Parts, USUAL_TYPES, header};
use crate::jose_header::builder;
use crate::keys::{EC_ID, ED_ID, SECRET, keys};
use crate::rules::{Rules, claims_text, moment};
use crate::{base64url, lab, logs};

struct Verifiers {
    secret: JwtVerifier,
    public: JwtVerifier,
}

fn verifiers() -> &'static Verifiers {
    static VERIFIERS: OnceLock<Verifiers> = OnceLock::new();
    VERIFIERS.get_or_init(|| {
        logs::listen(&[SECRET]);
        Verifiers {
            secret: builder().hmac_secret(keys().secret()).build().expect("a secret"),
            public: builder().jwk_set(keys().jwk_set()).build().expect("public keys"),
        }
    })
}

pub fn check(input: &[u8]) {
    let Some(token) = token(input) else { return };
    let verifiers = verifiers();
    let Ok(bearer) = BearerToken::new(&token) else {
        let is_token68 = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        assert!(!is_token68 || token.is_empty() || token.len() > 16 * 1024, "{token:?} is a token");
        return;
    };
    let parts = Parts::of(&token);
    let secret = (&verifiers.secret, &["HS256"][..]);
    let public = (&verifiers.public, &["EdDSA", "Ed25519", "ES256"][..]);
    let (verifier, algorithms) = match input.first() {
        Some(b'd' | b'e') => public,
        Some(b'h') => secret,
        _ => *lab::one_of(&[secret, public], input),
    };
    match verifier.verify_now(&bearer, moment(lab::NOW)).expect("keys are at hand") {
        Ok(access) => {
            let parts = parts.as_ref().expect("accepted, and no JWS");
            let header = header(&parts.header, algorithms, USUAL_TYPES).expect("accepted, with a bad header");
            assert!(
                is_signed(&header.algorithm, header.key_id.as_deref(), parts),
                "accepted, and not signed"
            );
            claims_text(&parts.payload, &Rules::USUAL).compare(Some(&access));
        }
        Err(error) => {
            assert_ne!(error.kind(), VerifyErrorKind::Unavailable, "{error:?}");
            assert!(!is_good(parts.as_ref(), algorithms), "rejected: {error:?}");
        }
    }
}

/// Whether nothing at all is wrong with a token.
fn is_good(parts: Option<&Parts<'_>>, algorithms: &[&str]) -> bool {
    let Some(parts) = parts else { return false };
    let Some(header) = header(&parts.header, algorithms, USUAL_TYPES) else { return false };
    let judgement = claims_text(&parts.payload, &Rules::USUAL);
    let is_certain = judgement.good.is_some() && !judgement.is_doubtful && !header.is_doubtful;
    is_certain && is_signed(&header.algorithm, header.key_id.as_deref(), parts)
}

fn is_signed(algorithm: &str, key_id: Option<&str>, parts: &Parts<'_>) -> bool {
    let own = match algorithm {
        "HS256" => None,
        "ES256" => Some(EC_ID),
        _ => Some(ED_ID),
    };
    let is_meant = own.is_none() || key_id.is_none() || key_id == own;
    is_meant && keys().verify(algorithm, parts.signed, &parts.signature)
}

/// The token that an input stands for. None: it is no text.
fn token(input: &[u8]) -> Option<String> {
    let sign = match input.first() {
        Some(b'h') => |message: &[u8]| keys().sign_hmac(message),
        Some(b'd') => |message: &[u8]| keys().sign_ed(message),
        Some(b'e') => |message: &[u8]| keys().sign_ec(message),
        _ => return String::from_utf8(input.to_vec()).ok(),
    };
    let (_, rest) = input.split_at(1);
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (message, changes) = rest.split_at(end);
    let mut signature = sign(message);
    let mut text = String::new();
    for change in changes.get(1..).unwrap_or_default().chunks_exact(2) {
        let [kind, by] = [change[0], change[1]];
        let at = usize::from(by);
        match kind {
            b'x' if at / 8 < signature.len() => signature[at / 8] ^= 1 << (at % 8),
            b't' => signature.truncate(at),
            b'p' => signature.push(by),
            b'z' if at < signature.len() => signature[at] = 0,
            b'a' | b's' if by.is_ascii() => {
                if text.is_empty() {
                    text = base64url::encode(&signature);
                }
                if kind == b's' {
                    text.pop();
                }
                text.push(char::from(by));
            }
            _ => {}
        }
    }
    if text.is_empty() {
        text = base64url::encode(&signature);
    }
    Some(format!("{}.{text}", std::str::from_utf8(message).ok()?))
}
