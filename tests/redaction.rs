//! No secret leaves the crate: not in a log, not in an answer, not in what is printed of any type.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::error::Error;
use std::fmt::{Debug, Write};

use common::{Answer, Counting, Handler, Immediate, Logs, Untouchable, block_on};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use sha2::{Digest, Sha256};
use tower::{Layer, Service, ServiceExt};
use tower_bearer::challenge::Challenge;
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::middleware::RejectionBody;
use tower_bearer::secret::Secret;
use tower_bearer::verifier::{AnyOf, ByPrefix, StaticTokens, Verdict};
use tower_bearer::{AccessToken, AuthLayer, BearerToken, Rejection, ScopeSet, TokenVerifier, VerifyError};

const CANARY: &str = "S3cr3t-canary-0123456789.abcdefghijklmnop.QRSTUVWXYZ-9876543210";
/// What a log, a terminal or a viewer would act upon.
const NASTY: &str = "x\r\nSet-Cookie: x=1\u{1b}[31m\u{9b}2J\u{202e}\u{2066}\u{200f}\u{0}\u{7f}\u{2028}y";

/// No sixteen bytes in a row of a secret are in a text.
fn assert_clean(text: &str, secret: &str, place: &str) {
    for window in secret.as_bytes().windows(16) {
        let found = text.as_bytes().windows(16).any(|other| other == window);
        assert!(!found, "{place}: {text}");
    }
}

/// An error and all its causes, by `Debug` and `Display`.
fn everything_of(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        write!(text, "{error} {error:#} {error:?} {error:#?} ").unwrap();
        next = error.source();
    }
    text
}

fn debug(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

fn presenting(lines: &[&[u8]]) -> Request<Untouchable> {
    let mut request = Request::new(Untouchable);
    for line in lines {
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
    }
    request
}

/// Everything that can be seen of an answer.
fn everything_in(answer: &Answer) -> String {
    let mut text = format!("{answer:?} {}", answer.body);
    for value in answer.headers.values() {
        text.push_str(&String::from_utf8_lossy(value.as_bytes()));
    }
    if let Some(rejection) = &answer.rejection {
        text.push_str(&everything_of(rejection));
        text.push_str(&everything_of(&rejection.clone()));
    }
    text
}

/// Sends a request, and looks for a secret in the answer and in all that is logged meanwhile.
fn assert_keeps_secret(verifier: impl TokenVerifier + 'static, lines: &[&[u8]], secret: &str) -> Answer {
    let (logs, _guard) = Logs::capture();
    let auth = AuthLayer::builder(verifier).required_scopes(["read"]).build().unwrap();
    let handler = Handler::default();
    let response = block_on(auth.layer(handler.clone()).oneshot(presenting(lines))).unwrap();
    assert_clean(&debug(&response), secret, "the response");
    let answer = block_on(Answer::read(response));
    assert_clean(&everything_in(&answer), secret, "the answer");
    assert_clean(&logs.text(), secret, "the log");
    if handler.calls() > 0 {
        assert_clean(&debug(&handler.last()), secret, "the request of the handler");
    }
    answer
}

fn token(scopes: &str) -> AccessToken {
    AccessToken::verified().subject("alice").scopes(ScopeSet::parse(scopes)).build()
}

#[test]
fn a_token_is_in_no_answer_and_no_log_whatever_is_said_of_it() {
    let verdicts: [fn(&str) -> Verdict; 7] = [
        |_| Ok(token("read")),
        |_| Ok(token("other")),
        |_| Ok(AccessToken::verified().expires_at(std::time::SystemTime::UNIX_EPOCH).build()),
        |_| Err(VerifyErrorKind::Signature.into()),
        |_| Err(VerifyError::not_mine()),
        |_| Err(VerifyError::unavailable("down")),
        |_| Err(VerifyError::misconfigured("refused")),
    ];
    for verdict in verdicts {
        for line in [
            format!("Bearer {CANARY}"),
            format!("bearer   {CANARY}\t"),
            format!("Bearer {CANARY} {CANARY}"),
            format!("Bearer {CANARY}, Bearer {CANARY}"),
            format!("Bearer \"{CANARY}\""),
            format!("Bearer {CANARY}é"),
            format!("Bearer {}", CANARY.repeat(300)),
            format!("Basic {CANARY}"),
            format!("DPoP {CANARY}"),
            format!("Bearer\t{CANARY}"),
            CANARY.to_owned(),
        ] {
            let line = line.as_bytes();
            assert_keeps_secret(Counting::new(verdict), &[line], CANARY);
            assert_keeps_secret(Immediate(verdict), &[line], CANARY);
            assert_keeps_secret(Counting::new(verdict), &[line, line], CANARY);
        }
    }
}

#[test]
fn a_verifier_that_panics_with_the_token_in_its_message_betrays_nothing() {
    let panicking = |token: &str| -> Verdict { panic!("no such token: {token}") };
    let line = format!("Bearer {CANARY}");
    let answer = assert_keeps_secret(Counting::new(panicking), &[line.as_bytes()], CANARY);
    assert_eq!(answer.status, 503);
    assert_eq!(assert_keeps_secret(Immediate(panicking), &[line.as_bytes()], CANARY).status, 503);
}

#[test]
fn no_public_type_prints_a_secret() {
    let bearer = BearerToken::new(CANARY).unwrap();
    let claims = AccessToken::verified().claim("secret", CANARY).token_id(CANARY);
    let builder = debug(&claims);
    let (access, verifier) = (claims.build(), Counting::knows_good("").boxed());
    let tokens = StaticTokens::new([(CANARY, access.clone())]).unwrap();
    let mapped = tokens.clone().map_claims(|token, _| token.claim("secret", CANARY));
    let auth = AuthLayer::builder(verifier.clone());
    let auth_builder = debug(&auth);
    let auth = auth.build().unwrap();
    let mut service = auth.layer(Handler::default());
    block_on(std::future::poll_fn(|context| service.poll_ready(context))).unwrap();
    let future = service.call(presenting(&[format!("Bearer {CANARY}").as_bytes()]));
    for (name, text) in [
        ("AccessToken", debug(&access)),
        ("AccessTokenBuilder", builder),
        ("AnyOf", debug(&AnyOf::new([tokens.clone().boxed()]).unwrap())),
        ("Auth", debug(&service)),
        ("AuthLayer", debug(&auth)),
        ("AuthLayerBuilder", auth_builder),
        ("BearerToken", debug(&bearer)),
        ("BearerToken again", debug(&bearer.clone())),
        ("BoxVerifier", debug(&verifier)),
        ("ByPrefix", debug(&ByPrefix::new([("S3", tokens.clone().boxed())]).unwrap())),
        ("MapClaims", debug(&mapped)),
        ("Or", debug(&tokens.clone().or(tokens.clone()))),
        ("ResponseFuture", debug(&future)),
        ("Secret of bytes", debug(&Secret::new(CANARY.as_bytes().to_vec()))),
        ("Secret of text", debug(&Secret::from(CANARY))),
        ("StaticTokens", debug(&tokens)),
        ("Timeout", debug(&tokens.timeout(std::time::Duration::from_secs(1)))),
        ("an error about it", everything_of(&BearerToken::new(&format!("{CANARY}\"")).unwrap_err())),
    ] {
        assert!(!text.is_empty());
        assert_clean(&text, CANARY, name);
    }
}

#[test]
fn a_fixed_token_is_in_no_answer_and_no_log_and_no_error() {
    let tokens = || StaticTokens::new([(CANARY, token("read"))]).unwrap();
    for line in [format!("Bearer {CANARY}"), format!("Bearer {CANARY}x"), format!("Bearer {CANARY}{{")] {
        let answer = assert_keeps_secret(tokens(), &[line.as_bytes()], CANARY);
        assert_eq!(answer.status == 200, line.ends_with(CANARY));
        assert_keeps_secret(tokens().or(Counting::knows_good("")), &[line.as_bytes()], CANARY);
    }
    for faulty in
        [vec![CANARY.to_owned(), CANARY.to_owned()], vec![format!("{CANARY} ")], vec![CANARY.repeat(300)]]
    {
        let tokens = faulty.into_iter().map(|text| (text, token("")));
        assert_clean(&everything_of(&StaticTokens::new(tokens).unwrap_err()), CANARY, "the error");
    }
}

#[test]
fn errors_print_their_kind_and_only_causes_that_were_given() {
    for kind in [VerifyErrorKind::Expired, VerifyErrorKind::Signature, VerifyErrorKind::Unavailable] {
        let error = VerifyError::rejected(kind);
        assert!(error.source().is_none());
        assert!(!format!("{error}").contains(['\n', '"']));
        let rejection = Rejection::from(error);
        assert!(rejection.source().is_some_and(|cause| cause.source().is_none()));
    }
    let body = RejectionBody::json(&serde_json::json!({"title": "no"}));
    assert!(!debug(&body).is_empty() && !debug(&Challenge::bearer()).is_empty());
}

#[test]
fn the_credential_that_a_handler_sees_does_not_print_itself() {
    let handler = Handler::default();
    let auth = AuthLayer::new(Counting::new(|_| Ok(token(""))));
    let line = format!("Bearer {CANARY}");
    block_on(auth.layer(handler.clone()).oneshot(presenting(&[line.as_bytes()]))).unwrap();
    let seen = handler.last().headers;
    assert!(seen[AUTHORIZATION].is_sensitive());
    assert_eq!(seen[AUTHORIZATION], line);
    assert_clean(&debug(&seen), CANARY, "the header map");
}

#[test]
fn a_fingerprint_is_eight_hexadecimal_digits_that_give_nothing_away() {
    let bearer = BearerToken::new(CANARY).unwrap();
    let fingerprint = bearer.fingerprint();
    assert_eq!(fingerprint.len(), 8);
    assert!(fingerprint.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(fingerprint, BearerToken::new(CANARY).unwrap().fingerprint());
    assert_ne!(fingerprint, BearerToken::new(&format!("{CANARY}x")).unwrap().fingerprint());
    let plain: String = Sha256::digest(CANARY).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    assert_ne!(fingerprint, plain, "whoever reads the log could test a guess");
    let line = format!("Bearer {CANARY}");
    let (logs, _guard) = Logs::capture();
    for verdict in [Ok(token("")), Err(VerifyErrorKind::Signature.into()), Err(VerifyError::unavailable("x"))]
    {
        let auth = AuthLayer::new(Counting::new(move |_| verdict.clone()));
        block_on(auth.layer(Handler::default()).oneshot(presenting(&[line.as_bytes()]))).unwrap();
    }
    let tokens: Vec<_> = logs.own().iter().map(|line| line.field("token").to_owned()).collect();
    assert_eq!(tokens, [fingerprint.clone(), fingerprint.clone(), fingerprint]);
}

#[test]
fn a_log_line_has_fields_of_a_fixed_list_and_reasons_of_another() {
    let (logs, _guard) = Logs::capture();
    for verdict in [
        Ok(AccessToken::verified().issuer("i").client("c").build()),
        Err(VerifyErrorKind::Audience.into()),
        Err(VerifyError::misconfigured("why")),
        Err(VerifyError::unavailable("why")),
    ] {
        let auth = AuthLayer::builder(Counting::new(move |_| verdict.clone())).optional().build().unwrap();
        for lines in [&[][..], &[b"Bearer x".as_slice()], &[b"Bearer"], &[b"Bearer a{b"]] {
            block_on(auth.layer(Handler::default()).oneshot(presenting(lines))).unwrap();
        }
    }
    let known = ["outcome", "reason", "verifier", "issuer", "client", "token", "cause"];
    assert_eq!(logs.lines().len(), 16);
    for line in logs.lines() {
        assert_eq!(line.target, "tower_bearer");
        assert!(line.fields.iter().all(|(name, _)| known.contains(&name.as_str())), "{line:?}");
        assert!(["admitted", "passed", "rejected"].contains(&line.field("outcome")));
        assert!(
            ["", "audience", "invalid_request", "malformed", "unavailable"].contains(&line.field("reason"))
        );
        assert_eq!(line.field("verifier"), "Counting");
    }
}

/// Nothing that acts, and nothing without end.
fn assert_tame(logs: &Logs) {
    assert!(!logs.own().is_empty());
    for line in logs.own() {
        for (name, value) in &line.fields {
            let acts = |c: char| {
                c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            };
            assert!(!value.contains(acts), "{name}={value:?}");
            assert!(value.len() <= 300, "{name} has {} bytes", value.len());
        }
    }
}

fn nasty_texts() -> [String; 4] {
    [NASTY.to_owned(), NASTY.repeat(100), "a".repeat(4_096), "é\u{1b}".repeat(2_048)]
}

#[test]
fn what_an_issuer_writes_does_not_act_on_a_log() {
    for nasty in nasty_texts() {
        let (logs, _guard) = Logs::capture();
        let verified = AccessToken::verified().issuer(&*nasty).client(&*nasty).subject(&*nasty);
        let admitted = Ok(verified.token_id(&*nasty).audiences([&*nasty]).claim(&*nasty, &*nasty).build());
        let down = Err(VerifyError::unavailable(nasty.clone()));
        let broken = Err(VerifyError::misconfigured(VerifyError::unavailable(nasty.clone())));
        let rejected = Err(VerifyError::rejected(VerifyErrorKind::Claim).because(nasty.clone()));
        for verdict in [admitted, down, broken, rejected] {
            let auth = AuthLayer::new(Counting::new(move |_| verdict.clone()));
            let response =
                block_on(auth.layer(Handler::default()).oneshot(presenting(&[b"Bearer x"]))).unwrap();
            let headers = debug(response.headers());
            let answer = block_on(Answer::read(response));
            assert!(!answer.body.contains("Set-Cookie") && !headers.to_lowercase().contains("set-cookie"));
        }
        assert_tame(&logs);
    }
}

#[test]
fn a_value_from_outside_takes_at_most_256_bytes_of_a_log_line() {
    for nasty in nasty_texts() {
        let (logs, _guard) = Logs::capture();
        let verdict: Verdict = Ok(AccessToken::verified().issuer(&*nasty).client(&*nasty).build());
        let auth = AuthLayer::new(Counting::new(move |_| verdict.clone()));
        block_on(auth.layer(Handler::default()).oneshot(presenting(&[b"Bearer x"]))).unwrap();
        let line = logs.own().pop().unwrap();
        assert!(line.fields.iter().all(|(_, value)| value.len() <= 256), "{}", line.field("issuer").len());
    }
}

#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod jwt {
    use tower_bearer::verifier::JwtVerifierBuilder;
    use tower_bearer::{Algorithm, JwtVerifier};

    use super::*;
    use crate::common::hs256;

    const ISSUER: &str = "https://as.example.com";
    const AUDIENCE: &str = "https://api.example.com";
    /// Thirty-two bytes.
    const SECRET: [u8; 32] = *b"S3cr3t-canary-of-an-hmac-key-007";

    fn builder() -> JwtVerifierBuilder {
        JwtVerifier::builder(ISSUER, AUDIENCE)
    }

    fn secret() -> &'static str {
        std::str::from_utf8(&SECRET).unwrap()
    }

    #[test]
    fn a_jwt_and_the_key_that_checks_it_are_printed_nowhere() {
        let claims = format!(
            r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":4000000000,"scope":"read","sub":"alice"}}"#
        );
        let good = hs256(&SECRET, r#"{"alg":"HS256"}"#, &claims);
        let forged = hs256(&[7; 32], r#"{"alg":"HS256"}"#, &claims);
        let expired = hs256(&SECRET, r#"{"alg":"HS256"}"#, &claims.replace("4000000000", "1"));
        let with_key = builder().hmac_secret(SECRET);
        assert_clean(&debug(&with_key), secret(), "the builder");
        let verifier = with_key.build().unwrap();
        for token in [&good, &forged, &expired, &format!("{good}.x"), &format!("{good}=")] {
            let line = format!("Bearer {token}");
            let answer = assert_keeps_secret(verifier.clone(), &[line.as_bytes()], token);
            assert_eq!(answer.status == 200, *token == good);
            assert_keeps_secret(verifier.clone(), &[line.as_bytes()], secret());
            assert_keeps_secret(verifier.clone().or(Counting::knows_good("")), &[line.as_bytes()], token);
        }
        assert_clean(&debug(&verifier), secret(), "the verifier");
        assert_clean(&debug(&verifier.clone().boxed()), secret(), "the box");
        assert_clean(&debug(&verifier.clone().or(verifier)), secret(), "the chain");
    }

    #[test]
    fn a_key_that_cannot_be_used_is_not_quoted() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\n{CANARY}\n-----END {label}-----\n");
        for builder in [
            builder().hmac_secret(&CANARY.as_bytes()[..31]),
            builder().hmac_secret(CANARY).algorithms([Algorithm::Hs512, Algorithm::Rs256]),
            builder().hmac_secret(pem("PUBLIC KEY")),
            builder().hmac_secret(format!(r#" {{"kty":"oct","k":"{CANARY}"}}"#)),
            builder().public_key_pem(CANARY),
            builder().public_key_pem(pem("PUBLIC KEY")),
            builder().public_key_pem(pem("PRIVATE KEY")),
            builder().public_key_pem(pem("RSA PRIVATE KEY")),
            builder().public_key_pem(pem("CERTIFICATE")),
            builder().jwk(CANARY),
            builder().jwk(format!(r#"{{"kty":"oct","k":"{CANARY}"}}"#)),
            builder().jwk(format!(r#"{{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"{CANARY}"}}"#)),
            builder().jwk(format!(r#"{{"kty":"oct","k":"{CANARY}","k":1}}"#)).algorithms([Algorithm::Hs256]),
            builder().jwk_set(CANARY),
            builder().jwk_set(format!(r#"{{"keys":[{{"kty":"oct","k":"{CANARY}"}}]}}"#)),
            builder().jwk_set(format!(r#"{{"keys":["{CANARY}"]"#)),
            JwtVerifier::builder(format!("https://user:{CANARY}@as.example.com"), AUDIENCE),
            builder().jwks_uri(format!("https://user:{CANARY}@as.example.com/keys")),
            builder().jwks_uri(format!("http://as.example.com/keys?client_secret={CANARY}")),
        ] {
            let (logs, _guard) = Logs::capture();
            let error = builder.build().unwrap_err();
            assert_clean(&everything_of(&error), CANARY, "the error");
            assert_clean(&logs.text(), CANARY, "the log");
        }
    }

    #[test]
    fn a_builder_does_not_print_what_it_was_given() {
        assert_clean(&debug(&builder().hmac_secret(CANARY)), CANARY, "a secret");
        assert_clean(&debug(&builder().jwk(CANARY)), CANARY, "a JWK");
        assert_clean(&debug(&builder().jwk_set(CANARY)), CANARY, "a JWK set");
        assert_clean(&debug(&builder().public_key_pem(CANARY)), CANARY, "a PEM");
        assert_clean(&debug(&builder().jwks_uri(format!("https://h/?key={CANARY}"))), CANARY, "an address");
    }

    #[test]
    fn the_address_of_keys_is_printed_without_its_query() {
        let keys = tower_bearer::jwks::RemoteJwks::at(format!("https://h/keys?client_secret={CANARY}"));
        assert_clean(&debug(&keys), CANARY, "the settings of remote keys");
    }

    #[test]
    fn what_a_jwt_says_does_not_act_on_a_log_or_an_answer() {
        let verifier = builder().insecure_allow_any_issuer().hmac_secret(SECRET).build().unwrap();
        for nasty in nasty_texts().map(|text| serde_json::to_string(&text).unwrap()) {
            let claims = [
                format!(
                    r#"{{"iss":{nasty},"aud":"{AUDIENCE}","exp":4000000000,"client_id":{nasty},"sub":{nasty},"jti":{nasty}}}"#
                ),
                format!(r#"{{"iss":{nasty},"aud":{nasty},"exp":{nasty},{nasty}:{nasty}}}"#),
            ];
            for header in [r#"{"alg":"HS256"}"#.to_owned(), format!(r#"{{"alg":"HS256","kid":{nasty}}}"#)] {
                let (logs, _guard) = Logs::capture();
                for claims in &claims {
                    let line = format!("Bearer {}", hs256(&SECRET, &header, claims));
                    let service = AuthLayer::new(verifier.clone()).layer(Handler::default());
                    let answer = block_on(service.oneshot(presenting(&[line.as_bytes()]))).unwrap();
                    let answer = everything_in(&block_on(Answer::read(answer)));
                    assert!(!answer.to_lowercase().contains("set-cookie") && !answer.contains('\u{1b}'));
                }
                assert_tame(&logs);
            }
        }
    }

    #[cfg(feature = "reqwest")]
    mod fetching {
        use tokio::net::TcpListener;
        use tower_bearer::client::ReqwestClient;

        use super::*;

        #[tokio::test]
        async fn a_fetch_that_fails_names_neither_the_address_nor_the_token() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            drop(listener);
            let (logs, _guard) = Logs::capture();
            let uri = format!("http://user-{CANARY}.localhost:1/keys?client_secret={CANARY}");
            assert!(builder().jwks_uri(uri).build().is_err());
            let verifier =
                builder().jwks_uri(format!("http://{address}/keys?client_secret={CANARY}")).build().unwrap();
            let claims = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":4000000000}}"#);
            let token = hs256(&SECRET, r#"{"alg":"RS256","kid":"x"}"#, &claims);
            let service = AuthLayer::new(verifier.clone()).layer(Handler::default());
            let line = format!("Bearer {token}");
            let answer = Answer::read(service.oneshot(presenting(&[line.as_bytes()])).await.unwrap()).await;
            assert_eq!(answer.status, 503);
            let cause = answer.rejection.as_ref().unwrap().source().unwrap().source();
            assert!(cause.is_some(), "the log says why");
            for secret in [CANARY, &token] {
                assert_clean(&everything_in(&answer), secret, "the answer");
                assert_clean(&logs.text(), secret, "the log");
                assert_clean(&debug(&verifier), secret, "the verifier");
            }
        }

        #[test]
        fn a_client_does_not_print_what_it_was_given() {
            let builder = ReqwestClient::builder().add_root_certificates(CANARY);
            assert_clean(&debug(&builder), CANARY, "the builder with a certificate");
            assert_clean(&everything_of(&builder.build().unwrap_err()), CANARY, "the error");
            let builder = ReqwestClient::builder().proxy(format!("https://user:{CANARY}@proxy.example.com"));
            assert_clean(&debug(&builder), CANARY, "the builder with a proxy");
            assert_clean(&debug(&builder.build().unwrap()), CANARY, "the client");
            let builder =
                ReqwestClient::builder().proxy(format!("https://user:{CANARY}@proxy.example.com/x"));
            assert_clean(&everything_of(&builder.build().unwrap_err()), CANARY, "the error");
        }

        #[cfg(feature = "testing")]
        #[tokio::test]
        async fn a_whole_verification_with_fetched_keys_keeps_the_token_to_itself() {
            let (logs, _guard) = Logs::capture();
            let issuer = tower_bearer::testing::TestIssuer::start().await.unwrap();
            let verifier = JwtVerifier::builder(issuer.issuer(), AUDIENCE).build().unwrap();
            let service = AuthLayer::new(verifier).layer(Handler::default());
            for (token, status) in [
                (issuer.token().audience(AUDIENCE).mint(), 200),
                (issuer.token().audience("https://other.example.com").mint(), 401),
                (issuer.token().audience(AUDIENCE).header("kid", "unknown").mint(), 401),
            ] {
                let line = format!("Bearer {token}");
                let response = service.clone().oneshot(presenting(&[line.as_bytes()])).await.unwrap();
                let answer = Answer::read(response).await;
                assert_eq!(answer.status, status);
                assert_clean(&everything_in(&answer), &token, "the answer");
                assert_clean(&logs.text(), &token, "the log");
            }
            assert_tame(&logs);
        }
    }
}

/// Verifiers that ask a provider, which repeats whatever it is sent.
#[cfg(any(feature = "github", feature = "introspection"))]
mod asking {
    use bytes::Bytes;
    use http::{Response, StatusCode};
    use serde_json::json;
    use tower_bearer::client::{AnswerFuture, HttpClient, Limits};

    use super::*;

    const SECRET: &str = "S3cr3t-canary-of-this-server-0123456789";
    const ANSWERS: [u16; 7] = [200, 400, 401, 403, 404, 429, 500];

    #[derive(Debug)]
    struct Echo(u16);

    impl HttpClient for Echo {
        fn send(&self, request: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
            let sent = |value: Option<&HeaderValue>| {
                value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            let body = String::from_utf8_lossy(request.body());
            let authorization = sent(request.headers().get(AUTHORIZATION));
            let said = format!("{authorization:?} {body} {}", request.uri());
            let answer = json!({
                "active": true, "sub": "alice", "id": 1, "login": "alice", "error": said, "message": said, "documentation_url": "x",
                "error_description": said, "email": said, "app": { "client_id": "app", "name": said },
                "user": { "id": 1, "login": "alice", "name": said }, "scopes": ["read"], "scope": "read",
                "iss": "https://as.example.com", "aud": "https://api.example.com", "exp": 4_000_000_000_u64,
            });
            let mut response = Response::new(Bytes::from(answer.to_string()));
            *response.status_mut() = StatusCode::from_u16(self.0).unwrap();
            let field =
                HeaderValue::from_str(&format!("Bearer error=\"{}\"", said.replace('"', ""))).unwrap();
            response.headers_mut().insert("www-authenticate", field);
            Box::pin(async { Ok(response) })
        }
    }

    /// What a verifier prints, answers and logs, whatever the provider says. Returns the statuses.
    fn assert_keeps_secrets<V: TokenVerifier + Clone + Debug + 'static>(
        name: &str,
        token: &str,
        build: impl Fn(Echo) -> V,
    ) -> Vec<u16> {
        let status = |status| {
            let verifier = build(Echo(status));
            assert_clean(&debug(&verifier), SECRET, name);
            let line = format!("Bearer {token}");
            assert_keeps_secret(verifier.clone(), &[line.as_bytes()], SECRET);
            assert_keeps_secret(verifier, &[line.as_bytes()], token).status.as_u16()
        };
        ANSWERS.into_iter().map(status).collect()
    }

    #[cfg(feature = "github")]
    mod github {
        use tower_bearer::GitHubVerifier;

        use super::*;

        const TOKEN: &str = "gho_S3cr3tCanary16C7e42F292c6912E7710c838347Ae178B4a";

        #[test]
        fn neither_the_secret_of_an_app_nor_the_token_is_printed() {
            let builder = || GitHubVerifier::builder("app", SECRET);
            assert_clean(&debug(&builder()), SECRET, "the builder");
            let bound =
                assert_keeps_secrets("GitHub", TOKEN, |echo| builder().http_client(echo).build().unwrap());
            assert_eq!(bound, [200, 503, 503, 503, 401, 503, 503]);
            let any = || GitHubVerifier::insecure_any_app();
            let any = assert_keeps_secrets("any app", TOKEN, |echo| any().http_client(echo).build().unwrap());
            assert_eq!(any[2], 401);
        }

        #[test]
        fn a_secret_that_cannot_be_used_is_not_quoted() {
            for builder in [
                GitHubVerifier::builder("app", format!("{SECRET}\n")),
                GitHubVerifier::builder("", SECRET),
                GitHubVerifier::builder(format!("{SECRET}/.."), SECRET),
                GitHubVerifier::builder("app", SECRET).api_url(format!("https://user:{SECRET}@h")),
                GitHubVerifier::builder("app", SECRET).api_url(format!("https://h/?key={SECRET}")),
                GitHubVerifier::builder("app", SECRET).api_version(format!("{SECRET}\n")),
                GitHubVerifier::builder("app", SECRET).allowed_organizations([format!("{SECRET}/")]),
            ] {
                assert_clean(&everything_of(&builder.build().unwrap_err()), SECRET, "the error");
            }
        }

        #[test]
        fn an_address_of_the_api_is_printed_without_what_may_be_a_secret() {
            for url in [format!("https://user:{SECRET}@h/api/v3"), format!("https://h/api/v3?key={SECRET}")] {
                let builder = GitHubVerifier::builder("app", "secret-of-the-app").api_url(url);
                assert_clean(&debug(&builder), SECRET, "the builder");
            }
        }
    }

    #[cfg(feature = "introspection")]
    mod introspection {
        use tower_bearer::IntrospectionVerifier;
        use tower_bearer::verifier::{IntrospectionVerifierBuilder, TokenInfoVerifier, UserInfoVerifier};

        use super::*;

        fn builder() -> IntrospectionVerifierBuilder {
            let builder = IntrospectionVerifier::builder("https://as.example.com", "https://api.example.com");
            builder.endpoint(format!("https://as.example.com/introspect?key={SECRET}"))
        }

        fn credentials() -> Vec<(&'static str, IntrospectionVerifierBuilder)> {
            vec![
                ("basic", builder().client_secret_basic("app", SECRET)),
                ("post", builder().client_secret_post("app", SECRET)),
                ("bearer", builder().bearer_token(SECRET)),
            ]
        }

        #[test]
        fn neither_the_credentials_of_this_server_nor_the_token_is_printed() {
            for (name, builder) in credentials() {
                assert_clean(&debug(&builder), SECRET, name);
                let build = |echo| builder.clone().http_client(echo).build().unwrap();
                let statuses = assert_keeps_secrets(name, CANARY, build);
                assert_eq!(statuses, [200, 503, 503, 503, 503, 503, 503], "{name}");
            }
        }

        #[test]
        fn credentials_that_cannot_be_used_are_not_quoted() {
            for builder in [
                builder().client_secret_basic("", SECRET),
                builder().client_secret_basic(format!("{SECRET}\n"), SECRET),
                builder().client_secret_post(format!("{SECRET}\tx"), SECRET),
                builder().bearer_token(format!("{SECRET}\n")),
                builder().client_secret_basic("app", SECRET).client_secret_post("app", SECRET),
                builder().client_secret_basic("app", SECRET).endpoint(format!("https://user:{SECRET}@h/")),
                builder().client_secret_basic("app", SECRET).endpoint(format!("http://h/?key={SECRET}")),
            ] {
                assert_clean(&everything_of(&builder.build().unwrap_err()), SECRET, "the error");
            }
        }

        #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
        #[test]
        fn a_private_key_and_what_it_signs_are_printed_nowhere() {
            use tower_bearer::Algorithm;

            let pem = include_str!("fixtures/rsa_private.pem");
            let secret = pem.lines().nth(3).unwrap();
            let builder = |pem: &str| builder().private_key_jwt("app", Algorithm::Rs256, pem);
            assert_clean(&debug(&builder(pem)), secret, "the builder");
            for status in ANSWERS {
                let verifier = builder(pem).http_client(Echo(status)).build().unwrap();
                assert_clean(&debug(&verifier), secret, "the verifier");
                let line = format!("Bearer {CANARY}");
                assert_keeps_secret(verifier.clone(), &[line.as_bytes()], CANARY);
                assert_keeps_secret(verifier, &[line.as_bytes()], secret);
            }
            for (fault, damaged) in [
                ("a public key", include_str!("fixtures/rsa_public.pem").to_owned()),
                ("no end", pem.replace("-----END", "-----")),
                ("no label", secret.to_owned()),
            ] {
                let built = builder(&damaged).http_client(Echo(200)).build();
                let error = built.map_err(|error| everything_of(&error)).expect_err(fault);
                assert_clean(&error, secret, "the error");
            }
        }

        #[test]
        fn a_provider_of_users_gets_the_token_and_nobody_else_does() {
            let users = || {
                let builder =
                    UserInfoVerifier::builder("https://as.example.com").insecure_allow_any_audience();
                builder
                    .endpoint(format!("https://as.example.com/me?key={SECRET}"))
                    .rejection(403, SECRET)
                    .scopes_at("/scopes")
            };
            assert_clean(&debug(&users()), SECRET, "the builder");
            let statuses =
                assert_keeps_secrets("userinfo", CANARY, |echo| users().http_client(echo).build().unwrap());
            // It repeats the address, and with it the text by which a token is rejected.
            assert_eq!(statuses, [200, 503, 401, 401, 503, 503, 503]);
            let google = || {
                let builder = TokenInfoVerifier::builder("https://api.example.com");
                builder.endpoint(format!("https://as.example.com/tokeninfo?key={SECRET}"))
            };
            assert_clean(&debug(&google()), SECRET, "the builder");
            let statuses =
                assert_keeps_secrets("tokeninfo", CANARY, |echo| google().http_client(echo).build().unwrap());
            assert_eq!(statuses, [200, 503, 503, 503, 503, 503, 503]);
        }
    }
}
