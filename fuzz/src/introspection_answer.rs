//! Any answer of an introspection endpoint (RFC 7662): a token is good exactly if an own reading of the answer says so,
//! and bad only if the answer proves it.
//!
//! The input is one answer, as `answers` reads it.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response};
use tower_bearer::IntrospectionVerifier;
use tower_bearer::verifier::IntrospectionVerifierBuilder;

use crate::answers::{Scripted, read};
use crate::json::{Json, Members, object};
use crate::lab::{AUDIENCE, ISSUER, StandingClock};
use crate::rules::{Judgement, Rules, claims};
use crate::service::{Answer, Door, ask, door};
use crate::{lab, logs};

/// The token that is asked about.
pub const TOKEN: &str = "opaque-token-0123456789";
const FIELD: &str = "Bearer opaque-token-0123456789";
const SECRET: &str = "secret-of-the-client";
const LONGEST: usize = 64 * 1024;

struct Setup {
    client: Scripted,
    doors: Vec<(Door<IntrospectionVerifier>, Rules)>,
}

fn setup() -> &'static Setup {
    static SETUP: OnceLock<Setup> = OnceLock::new();
    SETUP.get_or_init(|| {
        logs::listen(&[TOKEN, SECRET]);
        let client = Scripted::default();
        let builder = || {
            IntrospectionVerifier::builder(ISSUER, AUDIENCE)
                .endpoint("https://issuer.example.com/introspect")
                .client_secret_basic("app", SECRET)
                .http_client(client.clone())
                .clock(StandingClock)
        };
        let build =
            |builder: IntrospectionVerifierBuilder| door(builder.build().expect("settings that make sense"));
        let lenient = builder()
            .allow_missing_issuer()
            .insecure_allow_missing_expiry()
            .client_as_audience()
            .leeway(Duration::ZERO);
        let lenient_rules = Rules {
            client_as_audience: true,
            expiry_required: false,
            issuer_may_be_missing: true,
            leeway: 0.0,
            ..Rules::USUAL
        };
        let doors = vec![(build(builder()), Rules::USUAL), (build(lenient), lenient_rules)];
        Setup { client, doors }
    })
}

/// What an answer says of the token, by an own reading.
#[derive(Debug)]
enum Reading {
    /// Nothing: nobody can tell.
    Nothing,
    Inactive,
    Active(Judgement),
}

pub fn check(input: &[u8]) {
    let Some(answers) = read(input) else { return };
    let [answer] = &*answers else { return };
    let setup = setup();
    let (door, rules) = lab::one_of(&setup.doors, input);
    setup.client.answer([answer.clone()]);
    let told = ask(door, [HeaderValue::from_static(FIELD)]);
    assert_eq!(setup.client.left(), 0, "the endpoint was not asked");
    compare(&told, reading(answer, rules), answer);
}

fn compare(told: &Answer, reading: Reading, answer: &Response<Bytes>) {
    let token = told.reached.as_ref().and_then(|reached| reached.token.as_ref());
    match reading {
        Reading::Nothing => told.assert_rejected(503, None),
        Reading::Inactive => told.assert_rejected(401, Some("invalid_token")),
        // Good in all but its scopes: those are the business of the layer, which wants one.
        Reading::Active(Judgement { good: Some(facts), .. }) if told.status == 403 => {
            assert!(!facts.grants("read"), "{facts:?}");
            told.assert_rejected(403, Some("insufficient_scope"));
        }
        Reading::Active(judgement) if token.is_none() => {
            if !judgement.is_doubtful {
                assert!(judgement.good.is_none(), "rejected with {}, but {judgement:?}", told.status);
                told.assert_rejected(401, Some("invalid_token"));
            }
        }
        Reading::Active(judgement) => {
            judgement.compare(token);
            assert!(judgement.good.is_none_or(|facts| facts.grants("read")));
            let members: serde_json::Map<_, _> = serde_json::from_slice(answer.body()).expect("an object");
            for (name, value) in token.expect("it was let in").claims() {
                assert!(name != "active" && members.get(name) == Some(value), "{name} was not told");
                assert!(!value.to_string().contains(TOKEN), "{name} repeats the token");
            }
        }
    }
}

fn reading(answer: &Response<Bytes>, rules: &Rules) -> Reading {
    let members = object(answer.body()).filter(|_| answer.status() == 200 && answer.body().len() <= LONGEST);
    let Some(mut members) = members else { return Reading::Nothing };
    match members.get("active") {
        Some(Json::Bool(true)) => {}
        Some(Json::Bool(false)) => return Reading::Inactive,
        _ => return Reading::Nothing,
    }
    let repeats =
        |value: &Json| value.texts().is_some_and(|texts| texts.iter().any(|text| text.contains(TOKEN)));
    members.0.retain(|(name, value)| *value != Json::Null && (name != "jti" || !repeats(value)));
    let names = ["aud", "azp", "client_id", "scope", "scp", "sub", "username"];
    if !is_well_typed(&members) || names.iter().filter_map(|name| members.get(name)).any(repeats) {
        return Reading::Nothing;
    }
    let mut judgement = claims(&members, rules);
    let bearer = ["bearer", "access_token", "urn:ietf:params:oauth:token-type:access_token"];
    let token_type = members.text("token_type").map(str::to_ascii_lowercase);
    if token_type.is_some_and(|own| !bearer.contains(&&*own)) {
        judgement.good = None;
    }
    Reading::Active(judgement)
}

/// Whether every member that means something is of its type.
fn is_well_typed(members: &Members) -> bool {
    let each =
        |names: &[&str], fits: fn(&Json) -> bool| names.iter().filter_map(|name| members.get(name)).all(fits);
    let texts = ["azp", "client_id", "iss", "jti", "sub", "token_type", "token_use"];
    each(&texts, |value| value.text().is_some_and(|text| !text.is_empty()))
        && each(&["aud", "scope", "scp"], |value| value.texts().is_some())
        && each(&["username"], |value| value.text().is_some())
        && each(
            &["exp", "iat", "nbf"],
            |value| matches!(value, Json::Number(seconds, _) if (0.0..=253_402_300_799.0).contains(seconds)),
        )
}
