//! Any claims, with a good signature: they are accepted exactly if an own reading of them says so, and an access token
//! says what they say.
//!
//! The input is the text of the claims. Header and key are good.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Map, Value};
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::verifier::JwtVerifierBuilder;
use tower_bearer::{BearerToken, JwtVerifier, TokenVerifier};

use crate::jose_header::builder;
use crate::keys::{SECRET, keys};
use crate::rules::{Demands, RFC9068_CLAIMS, Rules, claims_text, moment};
use crate::{lab, logs};

const HEADER: &[u8] = br#"{"alg":"HS256","typ":"at+jwt"}"#;

/// The verifiers, and the rules by which each has to judge.
fn verifiers() -> &'static [(JwtVerifier, Rules)] {
    static VERIFIERS: OnceLock<Vec<(JwtVerifier, Rules)>> = OnceLock::new();
    VERIFIERS.get_or_init(|| {
        logs::listen(&[SECRET]);
        let build = |builder: JwtVerifierBuilder| {
            builder.hmac_secret(keys().secret()).build().expect("settings that make sense")
        };
        let lenient = builder()
            .client_as_audience()
            .insecure_allow_missing_expiry()
            .leeway(Duration::ZERO)
            .max_token_age(Duration::from_secs(3_600));
        let (values, refused) = (Demands::VALUES, Demands::REFUSED);
        let demanding = builder()
            .add_issuer_alias(Demands::ALIAS)
            .add_client_claim(Demands::CLIENT)
            .add_required_one_of(Demands::ONE_OF)
            .add_required_values(values.0, values.1)
            .add_refused_values(refused.0, refused.1)
            .add_scopes_at(format!("/{}", Demands::SCOPES.join("/")));
        vec![
            (build(builder()), Rules::USUAL),
            (build(demanding), Rules { demands: true, ..Rules::USUAL }),
            (build(builder().rfc9068()), Rules { required: RFC9068_CLAIMS, ..Rules::USUAL }),
            (
                build(lenient),
                Rules {
                    client_as_audience: true,
                    expiry_required: false,
                    leeway: 0.0,
                    max_age: Some(3_600.0),
                    ..Rules::USUAL
                },
            ),
        ]
    })
}

pub fn check(input: &[u8]) {
    let verifiers = verifiers();
    let Ok(bearer) = BearerToken::new(&keys().token(HEADER, input)) else { return };
    let (verifier, rules) = lab::one_of(verifiers, input);
    let verdict = verifier.verify_now(&bearer, moment(lab::NOW)).expect("keys are at hand");
    claims_text(input, rules).compare(verdict.as_ref().ok());
    match verdict {
        Ok(token) => {
            let members: Map<String, Value> = serde_json::from_slice(input).expect("an object");
            assert_eq!(*token.claims(), members);
            assert!(!token.is_expired(moment(lab::NOW)));
        }
        Err(error) => {
            assert_ne!(error.kind(), VerifyErrorKind::Unavailable, "{error:?}");
            assert_ne!(error.kind(), VerifyErrorKind::Signature, "{error:?}");
        }
    }
}
