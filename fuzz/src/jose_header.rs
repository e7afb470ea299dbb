//! Any header of a JWS, with a good signature: it is accepted exactly if an own reading of it says so.
//!
//! The input is the text of the header. Claims and key are good.

use std::sync::OnceLock;

use tower_bearer::error::VerifyErrorKind;
use tower_bearer::jwks::StaticKeys;
use tower_bearer::verifier::JwtVerifierBuilder;
use tower_bearer::{Algorithm, BearerToken, JwtVerifier, TokenVerifier};

use crate::jose::{ACCESS_TOKEN_TYPES, USUAL_TYPES, header};
use crate::keys::{SECRET, keys};
use crate::lab::{AUDIENCE, ISSUER, StandingClock, finish};
use crate::rules::moment;
use crate::{lab, logs};

/// The claims of every token.
pub const CLAIMS: &str = r#"{"iss":"https://issuer.example.com","aud":"https://api.example.com/mcp","exp":1767229200,"iat":1767225600,"sub":"alice","client_id":"app","jti":"1","scope":"read"}"#;
/// The id of the key in a set.
pub const KEY_ID: &str = "key-1";

/// A verifier, and what it wants of a header besides its form.
struct Case {
    verifier: JwtVerifier,
    types: &'static [&'static str],
    key_id: Option<&'static str>,
}

/// A verifier without keys, that judges by the time of the vectors.
pub fn builder() -> JwtVerifierBuilder {
    JwtVerifier::builder(ISSUER, AUDIENCE).clock(StandingClock)
}

fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        logs::listen(&[SECRET]);
        let secret = keys().secret().to_vec();
        let set = format!(r#"{{"keys":[{{"kty":"oct","kid":"{KEY_ID}","k":"{SECRET}"}}]}}"#);
        let listed = StaticKeys::new().add_hmac_secret(secret.clone());
        let build = |builder: JwtVerifierBuilder| builder.build().expect("settings that make sense");
        let named = builder().jwk_set(set).algorithms([Algorithm::Hs256]);
        vec![
            // The secret is meant whatever the header calls it.
            Case { verifier: build(builder().hmac_secret(secret)), types: USUAL_TYPES, key_id: None },
            Case {
                verifier: build(builder().static_keys(listed).rfc9068()),
                types: ACCESS_TOKEN_TYPES,
                key_id: None,
            },
            // The secret has a name.
            Case { verifier: build(named), types: USUAL_TYPES, key_id: Some(KEY_ID) },
        ]
    })
}

pub fn check(input: &[u8]) {
    let cases = cases();
    let token = keys().token(input, CLAIMS.as_bytes());
    let Ok(bearer) = BearerToken::new(&token) else {
        assert!(token.len() > 16 * 1024, "{token:?} is a token");
        return;
    };
    let Case { verifier, types, key_id } = lab::one_of(cases, input);
    let header = header(input, &["HS256"], types);
    let is_good = header.as_ref().is_some_and(|header| {
        key_id.is_none() || header.key_id.is_none() || header.key_id.as_deref() == *key_id
    });
    match verifier.verify_now(&bearer, moment(lab::NOW)).expect("keys are at hand") {
        Ok(token) => {
            assert!(is_good, "accepted");
            assert_eq!(token.subject(), Some("alice"));
            // Whoever waits gets no other answer.
            assert!(finish(verifier.verify(&bearer)).is_ok());
        }
        Err(error) => {
            let is_doubtful = header.is_some_and(|header| header.is_doubtful);
            assert!(!is_good || is_doubtful, "rejected: {error:?}");
            assert_ne!(error.kind(), VerifyErrorKind::Unavailable, "{error:?}");
            assert_ne!(error.kind(), VerifyErrorKind::NotMine, "{error:?}");
        }
    }
}
