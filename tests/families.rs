//! Tokens in which everything is right except one thing, in families; next to each family, what must be accepted.
#![cfg(all(feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::client::{AnswerFuture, HttpClient, Limits};
use tower_bearer::error::{BuildErrorKind, VerifyErrorKind as Kind};
use tower_bearer::testing::{TestClock, TestIssuer};
use tower_bearer::verifier::JwtVerifierBuilder;
use tower_bearer::{
    AccessToken, Algorithm, AuthLayer, BearerToken, JwtVerifier, Rejection, TokenVerifier, VerifyError,
};

use self::Expected::{Accepted, BadRequest, Refused};

const ISSUER: &str = "https://issuer.example.com";
const AUDIENCE: &str = "https://api.example.com/mcp";
/// What [`TestClock::new`] shows.
const NOW: u64 = 1_767_225_600;

/// The members of a good header and of good claims. Names and values are JSON text.
const HEADER: [(&str, &str); 3] = [("alg", r#""EdDSA""#), ("kid", r#""ed25519-1""#), ("typ", r#""at+jwt""#)];
const CLAIMS: [(&str, &str); 7] = [
    ("iss", r#""https://issuer.example.com""#),
    ("aud", r#""https://api.example.com/mcp""#),
    ("exp", "1767225900"),
    ("iat", "1767225590"),
    ("sub", r#""alice""#),
    ("client_id", r#""cli""#),
    ("jti", r#""t1""#),
];

/// Takes a member out.
const GONE: &str = "";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    Accepted,
    /// 400: not one token.
    BadRequest,
    /// 401, for this reason.
    Refused(Kind),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Profile {
    /// What a verifier accepts unless told otherwise.
    Usual,
    /// RFC 9068.
    Rfc9068,
}

const BOTH: [Profile; 2] = [Profile::Usual, Profile::Rfc9068];

/// Writes an object with its members replaced, added or taken out.
fn object(members: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let mut members = members.to_vec();
    for (name, value) in changes {
        match members.iter_mut().find(|(own, _)| own == name) {
            Some(member) => member.1 = value,
            None => members.push((name, value)),
        }
    }
    let members = members.iter().filter(|(_, value)| *value != GONE);
    let members: Vec<_> = members.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn header(changes: &[(&str, &str)]) -> String {
    object(&HEADER, changes)
}

fn claims(changes: &[(&str, &str)]) -> String {
    object(&CLAIMS, changes)
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The issuer, somebody else with keys of the same kinds, and the time.
struct Lab {
    issuer: TestIssuer,
    stranger: TestIssuer,
    clock: TestClock,
}

/// Answers with one document, and counts.
#[derive(Clone, Debug)]
struct Remote {
    document: Bytes,
    requests: Arc<AtomicUsize>,
}

impl HttpClient for Remote {
    fn send(&self, _: Request<Bytes>, _: Limits) -> AnswerFuture<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = Response::new(self.document.clone());
        Box::pin(async { Ok(answer) })
    }
}

/// A verdict as the response shows it.
type Verdict = Result<AccessToken, (StatusCode, Option<Kind>)>;

async fn present(verifier: &JwtVerifier, clock: &TestClock, token: &str) -> Verdict {
    let handler = service_fn(|request: Request<String>| {
        let mut response = Response::new(String::new());
        let token: &AccessToken = request.extensions().get().unwrap();
        response.extensions_mut().insert(token.clone());
        async { Ok::<_, Infallible>(response) }
    });
    let service = AuthLayer::builder(verifier.clone()).clock(clock.clone()).build().unwrap().layer(handler);
    let mut request = Request::new(String::new());
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).unwrap();
    request.headers_mut().insert("authorization", value);
    let response = service.oneshot(request).await.unwrap();
    if let Some(token) = response.extensions().get::<AccessToken>() {
        return Ok(token.clone());
    }
    let rejection: &Rejection = response.extensions().get().unwrap();
    Err((response.status(), rejection.verify_error().map(VerifyError::kind)))
}

impl Lab {
    async fn new() -> Self {
        let clock = TestClock::new();
        let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
        let stranger = TestIssuer::with_clock(clock.clone()).await.unwrap();
        stranger.rotate_keys();
        Self { issuer, stranger, clock }
    }

    fn builder(&self, profile: Profile) -> JwtVerifierBuilder {
        let builder = JwtVerifier::builder(ISSUER, AUDIENCE).clock(self.clock.clone());
        if profile == Profile::Rfc9068 { builder.rfc9068() } else { builder }
    }

    fn configured(&self, profile: Profile, keys: &str) -> JwtVerifier {
        self.builder(profile).jwk_set(keys).build().unwrap()
    }

    fn remote(&self, profile: Profile, keys: &str) -> (JwtVerifier, Remote) {
        let client = Remote { document: keys.to_owned().into(), requests: Arc::default() };
        let builder = self.builder(profile).jwks_uri("https://issuer.example.com/jwks");
        (builder.http_client(client.clone()).build().unwrap(), client)
    }

    /// Presents a token to configured keys and to keys that have to be fetched: the answer is the same. Returns how
    /// often keys were fetched.
    async fn judge(
        &self,
        name: &str,
        token: &str,
        profile: Profile,
        keys: &str,
        expected: Expected,
    ) -> usize {
        let (remote, client) = self.remote(profile, keys);
        for verifier in [self.configured(profile, keys), remote] {
            let verdict = present(&verifier, &self.clock, token).await;
            let found = match verdict {
                Ok(_) => Accepted,
                Err((StatusCode::BAD_REQUEST, None)) => BadRequest,
                Err((StatusCode::UNAUTHORIZED, Some(kind))) => Refused(kind),
                Err(other) => panic!("{name}: {other:?}"),
            };
            assert_eq!(found, expected, "{name} as {profile:?}");
        }
        client.requests.load(Ordering::Relaxed)
    }

    /// The same, and keys are fetched only if nothing but a key can tell.
    async fn check(&self, name: &str, token: &str, profile: Profile, keys: &str, expected: Expected) {
        let fetched = self.judge(name, token, profile, keys, expected).await;
        let needs_a_key = matches!(expected, Accepted | Refused(Kind::KeyNotFound | Kind::Signature));
        assert_eq!(fetched, usize::from(needs_a_key), "{name} as {profile:?}: fetches of keys");
    }

    fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.issuer.sign(Algorithm::EdDsa, header.as_ref(), payload.as_ref())
    }

    async fn check_header(&self, changes: &[(&str, &str)], profile: Profile, expected: Expected) {
        let header = header(changes);
        let token = self.sign(&header, claims(&[]));
        self.check(&header, &token, profile, &self.issuer.jwk_set(), expected).await;
    }

    async fn check_claims(&self, changes: &[(&str, &str)], profile: Profile, expected: Expected) {
        let claims = claims(changes);
        let token = self.sign(header(&[]), &claims);
        self.check(&claims, &token, profile, &self.issuer.jwk_set(), expected).await;
    }
}

// The header.

const NO_ALGORITHM: &[&str] = &[GONE, "null", "0", "true", r#"["EdDSA"]"#, r#"{"EdDSA":1}"#];
#[rustfmt::skip]
const OTHER_ALGORITHMS: &[&str] = &[
    "", "none", "None", "NONE", "nOnE", "none ", " none", r"none\u0000", r"no\u006ee", "eddsa", "EDDSA",
    "EdDSA ", " EdDSA", r"EdDSA\u0000", r"EdDSA\n", "ＥdDSA", "Еd25519", "EdDSA,none", "HS256", "HS384",
    "HS512", "HS1", "RS1", "ES256K", "ES512", "ESB256", "Ed448", "ML-DSA-44", "dir", "RSA-OAEP", "RSA1_5",
    "A128KW", "ECDH-ES", "A128GCM", "PBES2-HS256+A128KW",
];
const SAME_ALGORITHM: &[&str] = &["EdDSA", "Ed25519", r"Ed\u0044SA"];

#[tokio::test]
async fn alg_is_the_name_of_an_allowed_algorithm() {
    let lab = Lab::new().await;
    for profile in BOTH {
        for value in NO_ALGORITHM {
            lab.check_header(&[("alg", value)], profile, Refused(Kind::Malformed)).await;
        }
        for name in OTHER_ALGORITHMS {
            let value = format!("\"{name}\"");
            lab.check_header(&[("alg", &value)], profile, Refused(Kind::Algorithm)).await;
        }
        for name in SAME_ALGORITHM {
            let value = format!("\"{name}\"");
            lab.check_header(&[("alg", &value)], profile, Accepted).await;
        }
    }
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused_whatever_stands_in_its_place() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let good = lab.sign(header(&[]), claims(&[]));
    let good_signature = good.rsplit('.').next().unwrap();
    for name in ["none", "None", "NONE", "nOnE"] {
        let alg = format!("\"{name}\"");
        for header in [header(&[("alg", &alg)]), header(&[("alg", &alg), ("kid", GONE)])] {
            let message = format!("{}.{}", base64url(header), base64url(claims(&[])));
            for (signature, kind) in
                [("", Kind::Malformed), ("AA", Kind::Algorithm), (good_signature, Kind::Algorithm)]
            {
                let token = format!("{message}.{signature}");
                lab.check(&token, &token, Profile::Usual, &keys, Refused(kind)).await;
            }
            lab.check(&message, &message, Profile::Usual, &keys, Refused(Kind::Malformed)).await;
        }
    }
    // The good header, and nothing to back it.
    let message = good.rsplit_once('.').unwrap().0;
    for (signature, kind) in [("", Kind::Malformed), ("AA", Kind::Signature), ("AAAA", Kind::Signature)] {
        let token = format!("{message}.{signature}");
        lab.check(&token, &token, Profile::Rfc9068, &keys, Refused(kind)).await;
    }
}

/// RFC 2104.
fn hmac<D: Digest>(block: usize, key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut padded = if key.len() > block { D::digest(key).to_vec() } else { key.to_vec() };
    padded.resize(block, 0);
    let pad = |with: u8| padded.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = D::new().chain_update(pad(0x36)).chain_update(message).finalize();
    D::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..128 => vec![tag, u8::try_from(length).unwrap()],
        _ => vec![tag, 0x82, u8::try_from(length >> 8).unwrap(), u8::try_from(length & 0xff).unwrap()],
    };
    [head, content.to_vec()].concat()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Everything that is public and that somebody could take for a secret.
fn public_texts(set: &str) -> Vec<Vec<u8>> {
    let document: Value = serde_json::from_str(set).unwrap();
    let mut texts = vec![Vec::new(), vec![0], vec![0; 32], set.into(), document["keys"].to_string().into()];
    for key in document["keys"].as_array().unwrap() {
        texts.push(key.to_string().into());
        for name in ["n", "e", "x", "y", "kid"] {
            let Some(text) = key[name].as_str() else { continue };
            texts.push(text.into());
            texts.extend(URL_SAFE_NO_PAD.decode(text));
        }
    }
    let part = |name: &str| URL_SAFE_NO_PAD.decode(document["keys"][0][name].as_str().unwrap()).unwrap();
    let integer = |bytes: Vec<u8>| der(2, &if bytes[0] < 128 { bytes } else { [vec![0], bytes].concat() });
    let pkcs1 = der(0x30, &[integer(part("n")), integer(part("e"))].concat());
    // RFC 8017 §A.1: rsaEncryption, without parameters.
    let oid = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    let spki = der(0x30, &[oid.to_vec(), der(3, &[vec![0], pkcs1.clone()].concat())].concat());
    for text in [pem("PUBLIC KEY", &spki), pem("RSA PUBLIC KEY", &pkcs1)] {
        texts.extend([
            text.trim_end().into(),
            format!(" {text}").into(),
            text.replace('\n', "\r\n").into(),
            text.into(),
        ]);
    }
    texts.extend([spki, pkcs1]);
    texts
}

#[tokio::test]
async fn a_mac_made_with_something_public_is_refused() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let texts = public_texts(&keys);
    assert!(texts.len() > 30);
    for secret in texts {
        for alg in ["HS256", "HS384", "HS512"] {
            for kid in ["\"rsa-1\"", "\"ed25519-1\"", "\"unknown\"", GONE] {
                let header = header(&[("alg", &format!("\"{alg}\"")), ("kid", kid)]);
                let message = format!("{}.{}", base64url(&header), base64url(claims(&[])));
                let mac = match alg {
                    "HS256" => hmac::<Sha256>(64, &secret, message.as_bytes()),
                    "HS384" => hmac::<Sha384>(128, &secret, message.as_bytes()),
                    _ => hmac::<Sha512>(128, &secret, message.as_bytes()),
                };
                let token = format!("{message}.{}", base64url(mac));
                lab.check(&header, &token, Profile::Usual, &keys, Refused(Kind::Algorithm)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_shared_secret_verifies_whole_macs_of_its_own_algorithm_only() {
    let lab = Lab::new().await;
    let secret = lab.issuer.hmac_secret();
    let names = [("HS256", Algorithm::Hs256), ("HS384", Algorithm::Hs384), ("HS512", Algorithm::Hs512)];
    for (own, algorithm) in names {
        let builder = || lab.builder(Profile::Usual).hmac_secret(secret);
        let verifier = builder().algorithms([algorithm]).build().unwrap();
        for (other, signed) in names {
            let header = header(&[("alg", &format!("\"{other}\"")), ("kid", GONE)]);
            let token = lab.issuer.sign(signed, header.as_bytes(), claims(&[]).as_bytes());
            let verdict = present(&verifier, &lab.clock, &token).await.map(drop);
            let refused = Err((StatusCode::UNAUTHORIZED, Some(Kind::Algorithm)));
            assert_eq!(verdict, if own == other { Ok(()) } else { refused }, "{own} {other}");
        }
        let header = header(&[("alg", &format!("\"{own}\"")), ("kid", GONE)]);
        let token = lab.issuer.sign(algorithm, header.as_bytes(), claims(&[]).as_bytes());
        let (message, mac) = token.rsplit_once('.').unwrap();
        let mac = URL_SAFE_NO_PAD.decode(mac).unwrap();
        let mut flipped = mac.clone();
        flipped[0] ^= 1;
        let shorter = (1..mac.len()).map(|length| mac[..length].to_vec());
        for mac in shorter.chain([[&*mac, &[0]].concat(), mac.repeat(2), flipped]) {
            let token = format!("{message}.{}", base64url(mac));
            let verdict = present(&verifier, &lab.clock, &token).await.map(drop);
            assert_eq!(verdict, Err((StatusCode::UNAUTHORIZED, Some(Kind::Signature))), "{own}");
        }
        // A token for a public key, to a verifier with a secret.
        let token = lab.sign(self::header(&[]), claims(&[]));
        let verdict = present(&verifier, &lab.clock, &token).await.map(drop);
        assert_eq!(verdict, Err((StatusCode::UNAUTHORIZED, Some(Kind::Algorithm))));
    }
}

#[test]
fn a_secret_that_is_too_short_or_public_builds_no_verifier() {
    let build = |secret: &[u8], algorithm| {
        let builder = JwtVerifier::builder(ISSUER, AUDIENCE).hmac_secret(secret).algorithms([algorithm]);
        builder.build().map(drop).map_err(|error| error.kind())
    };
    let pem = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAUNHyyRhbd5XkvBKAUTtizPPPZ5IEW+cvl/rImLceJDE=\n";
    for (algorithm, length) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        for short in [0, 1, length - 1] {
            assert_eq!(
                build(&vec![7; short], algorithm),
                Err(BuildErrorKind::WeakSecret),
                "{algorithm} {short}"
            );
        }
        assert_eq!(build(&vec![7; length], algorithm), Ok(()));
        assert_eq!(build(pem, algorithm), Err(BuildErrorKind::WeakSecret));
        assert_eq!(build(&br#"{"kty":"RSA"}"#.repeat(8), algorithm), Err(BuildErrorKind::WeakSecret));
    }
}

/// Members that change how a token is read.
const READ_OTHERWISE: &[(&str, &str)] = &[
    ("crit", "[]"),
    ("crit", "null"),
    ("crit", "0"),
    ("crit", "{}"),
    ("crit", r#""exp""#),
    ("crit", "[1]"),
    ("crit", r#"[""]"#),
    ("crit", r#"["exp"]"#),
    ("crit", r#"["b64"]"#),
    ("crit", r#"["alg"]"#),
    ("crit", r#"["kid","typ"]"#),
    ("crit", r#"["crit"]"#),
    ("crit", r#"["absent"]"#),
    (r"cr\u0069t", r#"["exp"]"#),
    ("b64", "true"),
    ("b64", "false"),
    ("b64", "null"),
    ("b64", r#""false""#),
    ("zip", r#""DEF""#),
    ("zip", r#""""#),
    ("zip", "null"),
    ("enc", r#""A128GCM""#),
    ("enc", "null"),
    ("cty", r#""JWT""#),
    ("cty", r#""jwt""#),
    ("cty", r#""application/jwt""#),
    ("cty", r#""json""#),
    ("cty", "null"),
];

/// Members that mean nothing here, of every type; among them keys, which are never used.
const PRIVATE_MEMBERS: &[(&str, &str)] = &[
    ("x", "null"),
    ("x", "true"),
    ("x", "false"),
    ("x", "0"),
    ("x", "-1.5e300"),
    ("x", "18446744073709551615"),
    ("x", "123456789012345678901234567890"),
    ("x", r#""text""#),
    ("x", r#""\ud83d\ude00\u0000""#),
    ("x", "[]"),
    ("x", "{}"),
    ("x", r#"[1,[2,{"y":[null]}],"z"]"#),
    ("x", r#"{"crit":["a"],"b64":false}"#),
    ("", "1"),
    ("CRIT", r#"["exp"]"#),
    ("crit ", r#"["exp"]"#),
    ("jku", r#""http://127.0.0.1:9/jwks.json""#),
    ("jku", "7"),
    ("x5u", r#""http://127.0.0.1:9/cert""#),
    ("x5c", r#"["MIIB"]"#),
    ("x5c", "{}"),
    ("x5t", r#""AAAA""#),
    ("x5t#S256", "[]"),
    ("jwk", r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#),
    ("jwk", "null"),
    ("apu", r#""AA""#),
    ("epk", "{}"),
    ("p2c", "2147483647"),
    ("nonce", r#""n""#),
    ("iss", r#""https://evil.example.com""#),
    ("exp", "0"),
];

#[tokio::test]
async fn a_header_member_that_changes_the_reading_is_refused_and_a_private_one_is_not() {
    let lab = Lab::new().await;
    for profile in BOTH {
        for change in READ_OTHERWISE {
            lab.check_header(&[*change], profile, Refused(Kind::Malformed)).await;
        }
        for change in PRIVATE_MEMBERS {
            lab.check_header(&[*change], profile, Accepted).await;
        }
    }
}

#[rustfmt::skip]
const ACCESS_TOKEN_TYPES: &[&str] = &[
    "at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT", "Application/at+JWT",
    r"at\u002bjwt",
];
const USUAL_TYPES: &[&str] = &["JWT", "jwt", "Jwt", "application/jwt", "Application/JWT"];
#[rustfmt::skip]
const OTHER_TYPES: &[&str] = &[
    "", " ", "at+jwt ", " at+jwt", r"at+jwt\u0000", r"at+jwt\t", "at jwt", "at-jwt", "atjwt",
    "at+jwt;charset=utf-8", "at+jwt,jwt", "application/application/at+jwt", "application/", "text/at+jwt",
    "/at+jwt", "ａt+jwt", "aт+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "kb+jwt", "rt+jwt",
    "vc+sd-jwt", "oauth-authz-req+jwt", "client-authentication+jwt", "token-introspection+jwt",
    "entity-statement+jwt", "id_token", "Refresh", "Bearer", "JOSE", "JWE", "JWT ", "JWT2",
];

#[tokio::test]
async fn typ_is_that_of_an_access_token() {
    let lab = Lab::new().await;
    let text = |name: &str| format!("\"{name}\"");
    for profile in BOTH {
        for name in ACCESS_TOKEN_TYPES {
            lab.check_header(&[("typ", &text(name))], profile, Accepted).await;
        }
        for name in OTHER_TYPES {
            lab.check_header(&[("typ", &text(name))], profile, Refused(Kind::Claim)).await;
        }
        for value in ["null", "1", "true", r#"["at+jwt"]"#, "{}"] {
            lab.check_header(&[("typ", value)], profile, Refused(Kind::Malformed)).await;
        }
    }
    for name in USUAL_TYPES {
        lab.check_header(&[("typ", &text(name))], Profile::Usual, Accepted).await;
        lab.check_header(&[("typ", &text(name))], Profile::Rfc9068, Refused(Kind::Claim)).await;
    }
    lab.check_header(&[("typ", GONE)], Profile::Usual, Accepted).await;
    lab.check_header(&[("typ", GONE)], Profile::Rfc9068, Refused(Kind::Claim)).await;
}

#[rustfmt::skip]
const NO_KEY_IDS: &[&str] = &[
    "1", "0", "null", "true", r#"["ed25519-1"]"#, r#"{"ed25519-1":1}"#, r#""""#, r#""ed25519-1\u0000""#,
    r#""a\r\nSet-Cookie: x=1""#, r#""\u001b[31m""#, r#""\u007f""#, r#""\u0085""#, r#""\t""#,
];
#[rustfmt::skip]
const UNKNOWN_KEY_IDS: &[&str] = &[
    "../../../etc/passwd", "/dev/null", "' OR 1=1 --", "http://127.0.0.1:9/jwks", "file:///etc/passwd", "*",
    "%", "0", "null", "undefined", "__proto__", "constructor", "_default", "${jndi:ldap://127.0.0.1:9/x}",
    "; rm -rf /", " ", "ed25519-1 ", " ed25519-1", "ED25519-1", "ed25519-1%00", "ed25519", "ed25519-",
    "ed25519-11", "еd25519-1", r"ed25519-1\u200b", r"ed25519\u00ad-1", "<script>", r#"\""#, r"\\", "😀",
];

#[tokio::test]
async fn kid_is_a_text_that_is_compared_and_nothing_else() {
    let lab = Lab::new().await;
    for profile in BOTH {
        for value in NO_KEY_IDS {
            lab.check_header(&[("kid", value)], profile, Refused(Kind::Malformed)).await;
        }
        for id in UNKNOWN_KEY_IDS {
            lab.check_header(&[("kid", &format!("\"{id}\""))], profile, Refused(Kind::KeyNotFound)).await;
        }
        // The keys of other algorithms.
        for id in ["rsa-1", "p256-1", "p384-1"] {
            lab.check_header(&[("kid", &format!("\"{id}\""))], profile, Refused(Kind::KeyNotFound)).await;
        }
        for (length, kind) in [(256, Kind::KeyNotFound), (257, Kind::Malformed), (8_000, Kind::Malformed)] {
            let id = format!("\"{}\"", "k".repeat(length));
            lab.check_header(&[("kid", &id)], profile, Refused(kind)).await;
        }
        for value in [GONE, r#""ed25519-1""#, r#""\u0065d25519-1""#] {
            lab.check_header(&[("kid", value)], profile, Accepted).await;
        }
    }
}

#[tokio::test]
async fn a_key_in_the_header_is_never_used() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let strangers: Value = serde_json::from_str(&lab.stranger.jwk_set()).unwrap();
    let id = lab.stranger.key_id(Algorithm::EdDsa).unwrap();
    let own = strangers["keys"].as_array().unwrap().iter().find(|key| key["kid"] == *id).unwrap();
    let (known, unknown) = (("kid", r#""ed25519-1""#), ("kid", &*format!("\"{id}\"")));
    let hints = [("jwk", own.to_string()), ("jku", "\"http://127.0.0.1:9/jwks\"".to_owned())];
    for hint in hints.iter().map(|(name, value)| (*name, &**value)).chain([("x", "1")]) {
        for (kid, kind) in
            [(known, Kind::Signature), (unknown, Kind::KeyNotFound), (("kid", GONE), Kind::Signature)]
        {
            let header = header(&[hint, kid]);
            let token = lab.stranger.sign(Algorithm::EdDsa, header.as_bytes(), claims(&[]).as_bytes());
            lab.check(&header, &token, Profile::Rfc9068, &keys, Refused(kind)).await;
        }
    }
}

// Both objects, as text.

/// Spoils the text of an object, so that it is no JSON object or not only that, or one that can be read in two ways.
fn spoiled(good: &str) -> Vec<(&'static str, Vec<u8>)> {
    let inner = good.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    let with = |member: &str| format!("{{{inner},{member}}}").into_bytes();
    let utf16 = |unit: fn(u16) -> [u8; 2]| good.encode_utf16().flat_map(unit).collect::<Vec<_>>();
    let bytes = |member: &[u8]| [b"{", inner.as_bytes(), b",\"x\":\"", member, b"\"}"].concat();
    let mut all = vec![
        ("nothing but a space", b" ".to_vec()),
        ("an array", format!("[{good}]").into()),
        ("a string", serde_json::to_string(good).unwrap().into()),
        ("a number", b"1767225900".to_vec()),
        ("null", b"null".to_vec()),
        ("true", b"true".to_vec()),
        ("no bracket at the end", good.trim_end_matches('}').into()),
        ("no bracket at the start", good.trim_start_matches('{').into()),
        ("a comma at the end", format!("{{{inner},}}").into()),
        ("a comma at the start", format!("{{,{inner}}}").into()),
        ("two commas", with(",\"x\":1")),
        ("a second object", format!("{good}{good}").into()),
        ("a second line", format!("{good}\n{good}").into()),
        ("a letter after it", format!("{good}x").into()),
        ("a NUL after it", format!("{good}\0").into()),
        ("a vertical tab after it", format!("{good}\u{b}").into()),
        ("a no-break space before it", format!("\u{a0}{good}").into()),
        ("a byte order mark", format!("\u{feff}{good}").into()),
        ("UTF-16, little endian", utf16(u16::to_le_bytes)),
        ("UTF-16, big endian", utf16(u16::to_be_bytes)),
        ("a line comment", format!("//\n{good}").into()),
        ("a comment", format!("/**/{good}").into()),
        ("a comment within", with("/**/\"x\":1")),
        ("an anti-hijacking prefix", format!(")]}}'\n{good}").into()),
        ("single quotes", good.replace('"', "'").into()),
        ("bytes that are no UTF-8", bytes(&[0xff])),
        ("an overlong NUL", bytes(&[0xc0, 0x80])),
        ("an overlong slash", bytes(&[0xe0, 0x80, 0xaf])),
        ("a surrogate in UTF-8", bytes(&[0xed, 0xa0, 0x80])),
        ("half of a character", bytes(&[0xc3])),
        ("beyond Unicode", bytes(&[0xf4, 0x90, 0x80, 0x80])),
        ("a raw NUL", bytes(b"\0")),
        ("a raw tab", bytes(b"\t")),
        ("a raw line feed", bytes(b"\n")),
    ];
    all.extend(SPOILED_MEMBERS.iter().map(|member| (*member, with(member))));
    all.extend([64, 65, 1_000, 3_000].map(|depth| ("too deep an array", with(&nested("[", "]", depth)))));
    all.extend([64, 1_000].map(|depth| ("too deep an object", with(&nested("{\"y\":", "}", depth)))));
    all
}

/// A member nested so deep that it is at this level, counted without the outermost object.
fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("\"x\":{}1{}", open.repeat(depth), close.repeat(depth))
}

#[rustfmt::skip]
const SPOILED_MEMBERS: &[&str] = &[
    "x:1", "'x':1", r#""x" 1"#, r#""x":"#, r#""x""#, r#"1:1"#, r#""x":NaN"#, r#""x":Infinity"#,
    r#""x":-Infinity"#, r#""x":undefined"#, r#""x":True"#, r#""x":nul"#, r#""x":+1"#, r#""x":01"#,
    r#""x":-01"#, r#""x":.5"#, r#""x":1."#, r#""x":1e"#, r#""x":1e+"#, r#""x":-"#, r#""x":--1"#,
    r#""x":0x10"#, r#""x":1_000"#, r#""x":1e400"#, r#""x":-1e400"#, r#""x":[1,]"#, r#""x":[,1]"#,
    r#""x":[1"#, r#""x":{"y":1,}"#, r#""x":"\x41""#, r#""x":"\u12""#, r#""x":"\u12G4""#, r#""x":"\u+123""#,
    r#""x":"\ud800""#, r#""x":"\udc00""#, r#""x":"\ud800\u0041""#, r#""x":"\ud800\ud800""#,
    r#""x":"\udc00\ud800""#, r#""\ud800":1"#, r#""x":"\"#, r#""x":"y"#, r#""x":1,"x":1"#, r#""x":1,"x":2"#,
    r#""x":1,"\u0078":2"#, r#""x":1,"y":2,"x":3"#, r#""x":{"y":1,"y":1}"#, r#""x":[{"y":1,"\u0079":2}]"#,
    r#""x":[[[{"a":{"b":1,"b":2}}]]]"#, r#""":1,"":2"#,
    // Names with a meaning to the JSON library, in some builds of it.
    r#""$serde_json::private::Number":"1""#, r#""x":[{"$serde_json::private::RawValue":"1"}]"#,
];

/// The same object in other words.
fn respelled(good: &str) -> Vec<(&'static str, Vec<u8>)> {
    let inner = good.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    let with = |member: &str| format!("{{{inner},{member}}}").into_bytes();
    vec![
        ("as it is", good.into()),
        ("white space around it", format!(" \t\r\n{good}\n").into()),
        ("white space within", format!("{{ {} }}", inner.replace(',', " ,\n\t")).into()),
        ("the same name on two levels", with(r#""x":{"x":{"x":[{"x":1}]}},"y":{"x":2}"#)),
        ("names that differ in case", with(r#""x":1,"X":2"#)),
        ("names that differ in normal form", with("\"\u{e9}\":1,\"e\u{301}\":2")),
        ("a pair of surrogates", with(r#""x":"\ud83d\ude00""#)),
        ("every escape", with(r#""x":"\"\\\/\b\f\n\r\t\u0000""#)),
        ("as deep as can be", with(&nested("[", "]", 63))),
        ("objects as deep as can be", with(&nested("{\"y\":", "}", 63))),
        ("a large number", with(r#""x":9.9e307"#)),
        ("a long number", with(&format!("\"x\":0.{}", "1".repeat(500)))),
        ("a tiny number", with(r#""x":1e-999"#)),
    ]
}

#[tokio::test]
async fn header_and_claims_are_one_object_each_that_can_be_read_in_one_way() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let (header, claims) = (header(&[]), claims(&[]));
    for profile in BOTH {
        for (name, text) in spoiled(&header) {
            lab.check(name, &lab.sign(text, &claims), profile, &keys, Refused(Kind::Malformed)).await;
        }
        for (name, text) in spoiled(&claims) {
            lab.check(name, &lab.sign(&header, text), profile, &keys, Refused(Kind::Malformed)).await;
        }
        for (name, text) in respelled(&header) {
            lab.check(name, &lab.sign(text, &claims), profile, &keys, Accepted).await;
        }
        for (name, text) in respelled(&claims) {
            lab.check(name, &lab.sign(&header, text), profile, &keys, Accepted).await;
        }
    }
}

#[tokio::test]
async fn a_member_that_is_there_twice_is_refused_even_if_both_say_the_same() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    for (members, is_header) in [(&HEADER[..], true), (&CLAIMS[..], false)] {
        for (name, value) in members {
            let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
            let rest = object(members, &[(name, GONE)]);
            let rest = rest.trim_start_matches('{').trim_end_matches('}');
            for (first, second) in [(*name, *name), (name, &escaped), (&escaped, name)] {
                for other in [value, "\"other\"", "null"] {
                    let text = format!("{{\"{first}\":{value},{rest},\"{second}\":{other}}}");
                    let token =
                        if is_header { lab.sign(&text, claims(&[])) } else { lab.sign(header(&[]), &text) };
                    lab.check(&text, &token, Profile::Usual, &keys, Refused(Kind::Malformed)).await;
                }
            }
        }
    }
    let doubled = claims(&[("scope", r#""read""#), (r"sc\u006fpe", r#""admin""#)]);
    lab.check(&doubled, &lab.sign(header(&[]), &doubled), Profile::Usual, &keys, Refused(Kind::Malformed))
        .await;
}

// The claims.

#[rustfmt::skip]
const NO_ISSUERS: &[&str] = &[
    GONE, "null", "0", "true", "{}", "[]", r#"["https://issuer.example.com"]"#,
    r#"["https://evil.example.com","https://issuer.example.com"]"#, r#"{"https://issuer.example.com":1}"#,
];
#[rustfmt::skip]
const OTHER_ISSUERS: &[&str] = &[
    "", " ", "*", "https://evil.example.com", "https://issuer.example.com/", "https://issuer.example.com//",
    "https://issuer.example.com.evil.example", "https://issuer.example.comevil",
    "https://issuer.example.com:443", "https://issuer.example.com?x", "https://issuer.example.com#",
    "https://issuer.example.com/.", "//issuer.example.com", "https://issuer.example.com/..",
    "https://issuer.example.com/path", "http://issuer.example.com", "issuer.example.com",
    "HTTPS://issuer.example.com", "https://ISSUER.example.com", "https://user@issuer.example.com",
    "https://issuer.example", "https://issuer.example.com.", " https://issuer.example.com",
    "https://issuer.example.com ", "https://issuer.example.co", r"https://issuer.example.com\u0000",
    r"https://issuer.example.com\n", r"https://issuer.example.com\u200b", "https://іssuer.example.com",
    "https%3A%2F%2Fissuer.example.com", "https://issuer%2Eexample.com",
    "https://evil.example.com/https://issuer.example.com",
    "https://evil.example.com#https://issuer.example.com",
];
#[rustfmt::skip]
const NO_AUDIENCES: &[&str] = &[
    GONE, "null", "0", "true", "{}", "[]", r#""""#, r#"[""]"#, r#"{"https://api.example.com/mcp":1}"#,
    r#"[["https://api.example.com/mcp"]]"#, r#"[{"aud":"https://api.example.com/mcp"}]"#,
    r#"["https://api.example.com/mcp",1]"#, r#"["https://api.example.com/mcp",null]"#,
    r#"[false,"https://api.example.com/mcp"]"#, r#"["https://api.example.com/mcp",["x"]]"#,
];
#[rustfmt::skip]
const OTHER_AUDIENCES: &[&str] = &[
    " ", "*", "https://api.example.com", "https://api.example.com/", "https://api.example.com/mcp/", "/mcp",
    "https://api.example.com/mcp2", "https://api.example.com/mc", "https://api.example.com/MCP",
    "HTTPS://api.example.com/mcp", "https://api.example.com/mcp?x", "https://api.example.com/mcp#",
    "https://api.example.com:443/mcp", "api.example.com/mcp", "http://api.example.com/mcp",
    "https://api.example.com/mcp https://other.example.com", "cli", "https://issuer.example.com",
    "https://api.example.com/mcp,https://other.example.com", " https://api.example.com/mcp",
    r"https://api.example.com/mcp\u0000", "https://api.example.com/mcp ", "https://api.example.com/%6dcp",
    "https://api.example.com/./mcp", "https://аpi.example.com/mcp", r#"[\"https://api.example.com/mcp\"]"#,
];
#[rustfmt::skip]
const OUR_AUDIENCES: &[&str] = &[
    r#""https://api.example.com/mcp""#, r#"["https://api.example.com/mcp"]"#,
    r#""https:\/\/api.example.com\/mcp""#, r#"["https://other.example.com","https://api.example.com/mcp"]"#,
    r#"["*","x","https://api.example.com/mcp","y"]"#,
    r#"["https://api.example.com/mcp","https://api.example.com/mcp"]"#,
];

#[tokio::test]
async fn issuer_and_audience_are_compared_byte_for_byte() {
    let lab = Lab::new().await;
    for profile in BOTH {
        for value in NO_ISSUERS {
            lab.check_claims(&[("iss", value)], profile, Refused(Kind::Issuer)).await;
        }
        for text in OTHER_ISSUERS {
            lab.check_claims(&[("iss", &format!("\"{text}\""))], profile, Refused(Kind::Issuer)).await;
        }
        lab.check_claims(&[("iss", r#""https:\/\/issuer.example\u002ecom""#)], profile, Accepted).await;
        for value in NO_AUDIENCES {
            lab.check_claims(&[("aud", value)], profile, Refused(Kind::Audience)).await;
        }
        for text in OTHER_AUDIENCES {
            for value in [format!("\"{text}\""), format!("[\"{text}\"]"), format!("[\"x\",\"{text}\"]")] {
                lab.check_claims(&[("aud", &value)], profile, Refused(Kind::Audience)).await;
            }
        }
        for value in OUR_AUDIENCES {
            lab.check_claims(&[("aud", value)], profile, Accepted).await;
        }
    }
}

/// What is no date, for any of the three.
#[rustfmt::skip]
const NO_DATES: &[&str] = &[
    "null", "true", "false", "[]", "{}", r#""""#, r#""1767225900""#, r#""2026-01-01T00:05:00Z""#,
    "[1767225900]", r#"{"$date":1767225900}"#, r#""Infinity""#, r#""NaN""#, "-1", "-0.5", "-1767225900",
    "-9223372036854775808", "253402300800", "253402300799.5", "1767225900000", "9223372036854775807",
    "18446744073709551615", "18446744073709551616", "1e19", "1e300", "9.9e307", "-1e300",
];
const TOO_LATE: &[&str] =
    &["0", "-0", "0.0", "-0.0", "1e-300", "1", "1000000000", "1767225539", "1767225540", "1767225540.0"];
#[rustfmt::skip]
const IN_TIME: &[&str] = &[
    "1767225541", "1767225540.5", "1767225600", "1767225600.5", "1767225900.0", "1767225900.123456789",
    "1.7672259e9", "17672259E2", "1.7672259e+0009", "176722590000e-2", "4102444800", "253402300799",
    "253402300799.0",
];

#[tokio::test]
async fn a_date_is_a_number_from_1970_to_9999_and_exp_is_ahead() {
    let lab = Lab::new().await;
    for profile in BOTH {
        for name in ["exp", "nbf", "iat"] {
            for value in NO_DATES {
                lab.check_claims(&[(name, value)], profile, Refused(Kind::Claim)).await;
            }
            for value in ["1e400", "-1e400", "NaN", "01767225900", "1767225900s"] {
                lab.check_claims(&[(name, value)], profile, Refused(Kind::Malformed)).await;
            }
        }
        lab.check_claims(&[("exp", GONE)], profile, Refused(Kind::Claim)).await;
        for value in TOO_LATE {
            lab.check_claims(&[("exp", value)], profile, Refused(Kind::Expired)).await;
            lab.check_claims(&[("nbf", value)], profile, Accepted).await;
            lab.check_claims(&[("iat", value)], profile, Accepted).await;
        }
        for value in IN_TIME {
            lab.check_claims(&[("exp", value)], profile, Accepted).await;
        }
    }
}

/// Claim, seconds from now, leeway, and whether that is good. The token ends in 300 seconds unless it says otherwise.
const BOUNDARIES: &[(&str, f64, u64, Expected)] = &[
    ("exp", -1.0, 0, Refused(Kind::Expired)),
    ("exp", -0.000_001, 0, Refused(Kind::Expired)),
    ("exp", 0.0, 0, Refused(Kind::Expired)),
    ("exp", 0.000_001, 0, Accepted),
    ("exp", 0.5, 0, Accepted),
    ("exp", 1.0, 0, Accepted),
    ("exp", -61.0, 60, Refused(Kind::Expired)),
    ("exp", -60.5, 60, Refused(Kind::Expired)),
    ("exp", -60.0, 60, Refused(Kind::Expired)),
    ("exp", -59.5, 60, Accepted),
    ("exp", -59.0, 60, Accepted),
    ("exp", -300.0, 300, Refused(Kind::Expired)),
    ("exp", -299.0, 300, Accepted),
    ("nbf", -1.0, 0, Accepted),
    ("nbf", 0.0, 0, Accepted),
    ("nbf", 0.5, 0, Refused(Kind::NotYetValid)),
    ("nbf", 1.0, 0, Refused(Kind::NotYetValid)),
    ("nbf", 59.0, 60, Accepted),
    ("nbf", 60.0, 60, Accepted),
    ("nbf", 60.5, 60, Refused(Kind::NotYetValid)),
    ("nbf", 61.0, 60, Refused(Kind::NotYetValid)),
    ("nbf", 299.0, 300, Accepted),
    ("nbf", 300.0, 300, Refused(Kind::Claim)),
    ("nbf", 301.0, 300, Refused(Kind::NotYetValid)),
    ("iat", 0.0, 0, Accepted),
    ("iat", 0.5, 0, Refused(Kind::NotYetValid)),
    ("iat", 5.0, 60, Accepted),
    ("iat", 60.0, 60, Accepted),
    ("iat", 61.0, 60, Refused(Kind::NotYetValid)),
    ("iat", 300.0, 300, Accepted),
];

#[tokio::test]
async fn the_leeway_counts_to_the_instant() {
    let lab = Lab::new().await;
    for (name, offset, leeway, expected) in BOUNDARIES {
        let value = format!("{:.6}", f64::from(u32::try_from(NOW).unwrap()) + offset);
        let token = lab.sign(header(&[]), claims(&[(name, &value)]));
        let builder = lab.builder(Profile::Rfc9068).jwk_set(lab.issuer.jwk_set());
        let verifier = builder.leeway(Duration::from_secs(*leeway)).build().unwrap();
        let found = match present(&verifier, &lab.clock, &token).await {
            Ok(_) => Accepted,
            Err((_, kind)) => Refused(kind.unwrap()),
        };
        assert_eq!(found, *expected, "{name} {offset} {leeway}");
    }
    let builder = lab.builder(Profile::Usual).jwk_set(lab.issuer.jwk_set());
    let error = builder.leeway(Duration::from_secs(301)).build().unwrap_err();
    assert_eq!(error.kind(), BuildErrorKind::OutOfRange);
}

#[tokio::test]
async fn a_token_begins_before_it_ends_and_is_not_older_than_allowed() {
    let lab = Lab::new().await;
    for (start, end, expected) in [
        ("1767225630", "1767225630", Refused(Kind::Claim)),
        ("1767225631", "1767225630", Refused(Kind::Claim)),
        ("1767225629.5", "1767225630", Accepted),
        // Both within the leeway, and no time between them.
        ("1767225590", "1767225590", Refused(Kind::Claim)),
        ("1767225589", "1767225590", Accepted),
    ] {
        lab.check_claims(&[("nbf", start), ("exp", end)], Profile::Rfc9068, expected).await;
    }
    let builder = lab.builder(Profile::Usual).jwk_set(lab.issuer.jwk_set());
    let verifier = builder.max_token_age(Duration::from_secs(600)).leeway(Duration::ZERO).build().unwrap();
    for (issued, expected) in [
        (GONE, Err(Kind::Claim)),
        ("1767225000", Err(Kind::Expired)),
        ("1767225000.5", Ok(())),
        ("1767225001", Ok(())),
        ("1767225600", Ok(())),
        ("1767225601", Err(Kind::NotYetValid)),
    ] {
        let token = lab.sign(header(&[]), claims(&[("iat", issued)]));
        let verdict = present(&verifier, &lab.clock, &token).await;
        assert_eq!(verdict.map(drop).map_err(|(_, kind)| kind.unwrap()), expected, "{issued}");
    }
}

#[tokio::test]
async fn a_wall_clock_anywhere_else_makes_no_token_good_and_nothing_panic() {
    let lab = Lab::new().await;
    let day = Duration::from_secs(24 * 60 * 60);
    let token = lab.sign(header(&[]), claims(&[]));
    let verifier = lab.configured(Profile::Usual, &lab.issuer.jwk_set());
    for (now, kind) in [
        (SystemTime::UNIX_EPOCH - day, Kind::NotYetValid),
        (SystemTime::UNIX_EPOCH - Duration::from_nanos(1), Kind::NotYetValid),
        (SystemTime::UNIX_EPOCH, Kind::NotYetValid),
        (SystemTime::UNIX_EPOCH + 365 * 100 * day, Kind::Expired),
        (SystemTime::UNIX_EPOCH + 365 * 9_000 * day, Kind::Expired),
    ] {
        lab.clock.set_now(now);
        let verdict = present(&verifier, &lab.clock, &token).await.map(drop);
        assert_eq!(verdict, Err((StatusCode::UNAUTHORIZED, Some(kind))), "{now:?}");
    }
}

const NO_TEXTS: &[&str] = &["null", "0", "1", "true", "[]", "{}", r#"["alice"]"#, r#"{"a":1}"#, r#""""#];

#[tokio::test]
async fn who_a_token_is_about_is_a_text_with_something_in_it() {
    let lab = Lab::new().await;
    for profile in BOTH {
        for name in ["sub", "client_id", "azp", "jti"] {
            for value in NO_TEXTS {
                lab.check_claims(&[(name, value)], profile, Refused(Kind::Claim)).await;
            }
            for value in [r#""a""#, r#"" ""#, r#""0""#, r#""null""#, r#""é\u0000\ud83d\ude00""#] {
                lab.check_claims(&[(name, value)], profile, Accepted).await;
            }
        }
    }
    for name in ["sub", "client_id", "jti", "iat"] {
        lab.check_claims(&[(name, GONE)], Profile::Usual, Accepted).await;
        lab.check_claims(&[(name, GONE)], Profile::Rfc9068, Refused(Kind::Claim)).await;
    }
}

/// Names that look like the one that is needed.
fn lookalikes(name: &str) -> Vec<String> {
    let wide = name.chars().map(|letter| char::from_u32(u32::from(letter) + 0xfee0).unwrap());
    vec![
        name.to_uppercase(),
        name[..1].to_uppercase() + &name[1..],
        format!("{name} "),
        format!(" {name}"),
        format!("{name}\\u0000"),
        format!("{name}\\n"),
        format!("{name}\u{200b}"),
        format!("{name}s"),
        format!("https://example.com/{name}"),
        wide.collect(),
    ]
}

#[tokio::test]
async fn a_claim_of_another_name_is_another_claim() {
    let lab = Lab::new().await;
    for (name, kind) in [
        ("iss", Kind::Issuer),
        ("aud", Kind::Audience),
        ("exp", Kind::Claim),
        ("sub", Kind::Claim),
        ("client_id", Kind::Claim),
        ("iat", Kind::Claim),
        ("jti", Kind::Claim),
    ] {
        let value = CLAIMS.iter().find(|(own, _)| *own == name).unwrap().1;
        for other in lookalikes(name) {
            // It replaces nothing, and next to the right one it disturbs nothing.
            lab.check_claims(&[(name, GONE), (&other, value)], Profile::Rfc9068, Refused(kind)).await;
            lab.check_claims(&[(&other, "null")], Profile::Rfc9068, Accepted).await;
        }
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        lab.check_claims(&[(name, GONE), (&escaped, value)], Profile::Rfc9068, Accepted).await;
        let inner = format!("{{\"{name}\":{value}}}");
        lab.check_claims(&[(name, GONE), ("claims", &inner)], Profile::Rfc9068, Refused(kind)).await;
    }
}

/// Claims of tokens that are something else, or that a bearer alone must not use.
const OF_OTHER_CLASSES: &[(&str, &str)] = &[
    ("cnf", r#"{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}"#),
    ("cnf", r#"{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}"#),
    ("cnf", "{}"),
    ("cnf", "null"),
    ("cnf", r#""x""#),
    (r"c\u006ef", "{}"),
    ("events", r#"{"http://schemas.openid.net/event/backchannel-logout":{}}"#),
    ("events", "{}"),
    ("events", "null"),
    ("at_hash", r#""MTIzNDU2Nzg5MDEyMzQ1Ng""#),
    ("c_hash", r#""x""#),
    ("s_hash", "null"),
    ("token_use", r#""id""#),
    ("token_use", r#""refresh""#),
    ("token_use", r#""Access""#),
    ("token_use", r#""""#),
    ("token_use", "null"),
    ("token_use", "1"),
    ("typ", r#""ID""#),
    ("typ", r#""id_token""#),
    ("typ", r#""Refresh""#),
    ("typ", r#""refresh_token""#),
    ("typ", r#""Offline""#),
    ("typ", r#""Logout""#),
    ("typ", r#""logout+jwt""#),
    ("typ", r#""application/logout+jwt""#),
    ("typ", r#""DPoP""#),
    ("typ", r#""dpop+jwt""#),
    ("typ", r#""secevent+jwt""#),
    ("typ", r#""Serialized-ID""#),
];
const OF_ACCESS_TOKENS: &[(&str, &str)] = &[
    ("token_use", r#""access""#),
    ("typ", r#""Bearer""#),
    ("typ", r#""JWT""#),
    ("typ", r#""at+jwt""#),
    ("typ", r#""application/at+jwt""#),
    // As a claim, `typ` is not registered, and may be anything.
    ("typ", r#""""#),
    ("typ", "null"),
    ("typ", "1"),
    ("typ", r#"["ID"]"#),
    ("nonce", r#""n""#),
    ("auth_time", "1767225000"),
    ("acr", r#""1""#),
    ("amr", r#"["pwd"]"#),
    ("act", r#"{"sub":"admin"}"#),
    ("email", r#""alice@example.com""#),
    ("realm_access", r#"{"roles":["admin"]}"#),
    ("CNF", "{}"),
];

#[tokio::test]
async fn a_token_of_another_class_is_refused() {
    let lab = Lab::new().await;
    for profile in BOTH {
        for change in OF_OTHER_CLASSES {
            lab.check_claims(&[*change], profile, Refused(Kind::Claim)).await;
        }
        for change in OF_ACCESS_TOKENS {
            lab.check_claims(&[*change], profile, Accepted).await;
        }
    }
}

/// Changes of the claims, and the scopes that come of them.
type Scopes = (&'static [(&'static str, &'static str)], &'static str);

const SCOPES: &[Scopes] = &[
    (&[], ""),
    (&[("scope", r#""""#)], ""),
    (&[("scope", r#""  ""#)], ""),
    (&[("scope", "[]")], ""),
    (&[("scope", r#""read""#)], "read"),
    (&[("scope", r#""write  read write""#)], "write read"),
    (&[("scope", r#"["read","write"]"#)], "read write"),
    (&[("scp", r#""read write""#)], "read write"),
    (&[("scp", r#"["read","write"]"#)], "read write"),
    (&[("scope", r#""a""#), ("scp", r#"["b"]"#)], "a"),
    (&[("scope", r#""""#), ("scp", r#"["b"]"#)], ""),
    (&[("scope", r#""readonly READ read,write xread read2""#)], "readonly READ read,write xread read2"),
    (&[("scope", r#""read\twrite""#)], ""),
    (&[("scope", r#""read\u00a0write x""#)], "x"),
    (&[("scope", r#"["read write"]"#)], ""),
    (&[("Scope", r#""read""#), ("scopes", r#"["read"]"#), ("roles", r#"["read"]"#)], ""),
];

#[tokio::test]
async fn scopes_are_what_stands_there_and_nothing_like_it() {
    let lab = Lab::new().await;
    let verifier = lab.configured(Profile::Rfc9068, &lab.issuer.jwk_set());
    for (changes, expected) in SCOPES {
        let token = lab.sign(header(&[]), claims(changes));
        let token = present(&verifier, &lab.clock, &token).await.unwrap();
        assert_eq!(token.scopes().as_str(), *expected, "{changes:?}");
    }
    for name in ["scope", "scp"] {
        for value in
            ["null", "1", "true", "{}", r#"{"read":true}"#, "[1]", "[null]", r#"["read",1]"#, r#"[["read"]]"#]
        {
            lab.check_claims(&[(name, value)], Profile::Usual, Refused(Kind::Claim)).await;
        }
    }
}

#[tokio::test]
async fn nobody_is_made_up_for_a_token_that_names_nobody() {
    let lab = Lab::new().await;
    let verifier = lab.configured(Profile::Usual, &lab.issuer.jwk_set());
    for (changes, subject, client) in [
        (&[("sub", GONE), ("client_id", GONE)][..], None, None),
        (&[("sub", GONE)], None, Some("cli")),
        (&[("client_id", GONE)], Some("alice"), None),
        (&[("client_id", GONE), ("azp", r#""party""#)], Some("alice"), Some("party")),
        (&[("azp", r#""party""#)], Some("alice"), Some("cli")),
    ] {
        let token = lab.sign(header(&[]), claims(changes));
        let token = present(&verifier, &lab.clock, &token).await.unwrap();
        assert_eq!((token.subject(), token.client()), (subject, client), "{changes:?}");
        assert_eq!(token.principal().is_none(), subject.is_none() && client.is_none());
    }
}

// The compact form.

/// A good token in its parts, and the same with spare bits that are not zero.
struct Parts {
    header: String,
    payload: String,
    signature: String,
}

impl Parts {
    fn of(token: &str) -> Self {
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        Self { header: header.to_owned(), payload: payload.to_owned(), signature: signature.to_owned() }
    }

    /// Texts that are no compact form, although each could be sent.
    fn broken(&self) -> Vec<String> {
        let Self { header: h, payload: p, signature: s } = self;
        let good = format!("{h}.{p}.{s}");
        let mut all = vec![h.clone(), format!("{h}.{p}"), format!("{h}.{p}."), format!("{h}.{p}..")];
        all.extend([
            format!(".{h}.{p}.{s}"),
            format!("{h}.{p}.{s}."),
            format!("{h}.{p}.{s}.{s}"),
            format!("{h}..{s}"),
        ]);
        all.extend([format!(".{p}.{s}"), format!("..{s}"), format!("{h}.."), format!("{h}.{p}.{s}.x.y")]);
        all.extend(
            [".", "..", "...", "....", ".....", "a", "a.b.c", "token", "null", "undefined"]
                .map(str::to_owned),
        );
        all.extend([format!("{p}.{h}.{s}"), format!("{h}.{s}.{p}"), format!("{s}.{p}.{h}")]);
        all.extend(["=", "==", "===", "."].map(|end| format!("{good}{end}")));
        all.extend([format!("{h}=.{p}.{s}"), format!("{h}.{p}=.{s}"), format!("{h}==.{p}==.{s}==")]);
        // The alphabet of base64, and characters of neither.
        for mark in [
            "+", "/", "~", "%", "\"", "'", ":", ";", "$", "!", "&", "@", "\\", "|", "`", "^", "é", "。",
            "\u{200b}",
        ] {
            let middle = s.len() / 2;
            all.push(format!("{h}.{p}.{}{mark}{}", &s[..middle], &s[middle + 1..]));
            all.push(format!("{h}{mark}.{p}.{s}"));
            all.push(format!("{h}.{mark}{p}.{s}"));
        }
        for (open, close) in
            [("\"", "\""), ("'", "'"), ("<", ">"), ("[", "]"), ("{", "}"), ("(", ")"), ("`", "`")]
        {
            all.push(format!("{open}{good}{close}"));
        }
        all.extend(
            ["token=", "access_token=", "Bearer:", "jwt:", "JWT", "eyJ"]
                .map(|start| format!("{start}{good}")),
        );
        all.extend([
            good.replace('.', "%2E"),
            good.replace('.', ":"),
            good.replace('.', "。"),
            good.replace('.', ".."),
        ]);
        all.push(format!("{h}.{h}.{p}.{s}.{s}"));
        all
    }

    /// A list, or a token with something behind it.
    fn several(&self) -> Vec<String> {
        let Self { header: h, payload: p, signature: s } = self;
        let good = format!("{h}.{p}.{s}");
        let mut all: Vec<_> =
            [",", ", ", " ", "\t", " x", "\tx"].map(|mark| format!("{good}{mark}{good}")).to_vec();
        all.extend([
            format!("{h} .{p}.{s}"),
            format!("{h}. {p}.{s}"),
            format!("{h}.{p}.\t{s}"),
            String::new(),
        ]);
        all.extend([
            format!("{good},"),
            format!(",{good}"),
            format!("{good} realm=\"x\""),
            format!("{good},realm=x"),
        ]);
        let flattened = json!({ "protected": h, "payload": p, "signature": s });
        let general = json!({ "payload": p, "signatures": [{ "protected": h, "signature": s }] });
        all.extend([flattened.to_string(), general.to_string()]);
        all
    }
}

#[tokio::test]
async fn only_the_compact_form_is_a_token() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let good = lab.sign(header(&[]), claims(&[]));
    let parts = Parts::of(&good);
    for token in parts.broken() {
        lab.check(&token, &token, Profile::Usual, &keys, Refused(Kind::Malformed)).await;
    }
    let repeated = format!("{0}.{0}.{1}", parts.header, parts.signature);
    lab.check("the header as claims", &repeated, Profile::Usual, &keys, Refused(Kind::Issuer)).await;
    for token in parts.several() {
        lab.check(&token, &token, Profile::Usual, &keys, BadRequest).await;
    }
    for token in [good.clone(), format!("  {good}"), format!("{good}  "), format!("{good}\t")] {
        lab.check(&token, &token, Profile::Usual, &keys, Accepted).await;
    }
    for token in
        [format!("{good}\0"), format!("\n{good}"), format!("{good}\r\n"), good.replacen('.', ".\0", 1)]
    {
        assert!(HeaderValue::from_bytes(token.as_bytes()).is_err());
        assert!(BearerToken::new(&token).is_err());
    }
}

/// Base64url of the same bytes with one spare bit set, if there are spare bits.
fn twin(text: &str) -> Option<String> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = text.split_at(text.len() - 1);
    let index = ALPHABET.find(last).unwrap();
    (!text.len().is_multiple_of(4)).then(|| format!("{start}{}", &ALPHABET[index + 1..index + 2]))
}

#[tokio::test]
async fn every_part_has_one_spelling() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let mut twins = [0; 3];
    // Of three lengths one has no spare bits.
    for pad in ["", " ", "  "] {
        let token = lab.sign(header(&[]) + pad, claims(&[]) + pad);
        let Parts { header, payload, signature } = Parts::of(&token);
        for (place, part) in [&header, &payload, &signature].into_iter().enumerate() {
            let Some(twin) = twin(part) else { continue };
            twins[place] += 1;
            let mut parts = [&*header, &*payload, &*signature];
            parts[place] = &twin;
            let token = parts.join(".");
            lab.judge(&token, &token, Profile::Usual, &keys, Refused(Kind::Malformed)).await;
        }
        // One character more than any number of bytes has.
        let lengths = [&header, &payload, &signature].map(|part| "A".repeat((5 - part.len() % 4) % 4));
        for token in [
            format!("{header}{}.{payload}.{signature}", lengths[0]),
            format!("{header}.{payload}{}.{signature}", lengths[1]),
            format!("{header}.{payload}.{signature}{}", lengths[2]),
        ] {
            if token.split('.').any(|part| part.len() % 4 == 1) {
                lab.judge(&token, &token, Profile::Usual, &keys, Refused(Kind::Malformed)).await;
            }
        }
    }
    assert_eq!(twins, [2, 2, 3]);
}

#[tokio::test]
async fn for_a_signature_that_is_not_base64url_no_key_is_fetched() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let good = lab.sign(header(&[]), claims(&[]));
    let (message, signature) = good.rsplit_once('.').unwrap();
    for signature in [twin(signature).unwrap(), format!("{signature}AAA"), "A".repeat(2_000)] {
        let token = format!("{message}.{signature}");
        lab.check(&token, &token, Profile::Usual, &keys, Refused(Kind::Malformed)).await;
    }
}

#[tokio::test]
async fn a_token_has_at_most_sixteen_kibibytes() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let sized = |header_pad: usize, payload_pad: usize| {
        lab.sign(header(&[]) + &" ".repeat(header_pad), claims(&[]) + &" ".repeat(payload_pad))
    };
    let mut found = [false; 2];
    let base = 16_384 * 3 / 4 - claims(&[]).len() - header(&[]).len() - 66;
    for header_pad in 0..4 {
        for payload_pad in base - 4..base + 4 {
            let token = sized(header_pad, payload_pad);
            let expected = if token.len() > 16_384 { BadRequest } else { Accepted };
            found[0] |= token.len() == 16_384;
            found[1] |= token.len() == 16_385;
            lab.check(&token.len().to_string(), &token, Profile::Usual, &keys, expected).await;
        }
    }
    assert_eq!(found, [true; 2], "both sides of the limit");
    let long = sized(0, 100_000);
    lab.check("long", &long, Profile::Usual, &keys, BadRequest).await;
    assert!(BearerToken::new(&long).is_err());
}

#[tokio::test]
async fn a_long_header_is_as_good_as_a_short_one() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let own = header(&[]);
    for (length, expected) in
        [(383, Accepted), (384, Accepted), (385, Accepted), (4_097, Accepted), (11_000, Accepted)]
    {
        let header = format!("{own}{}", " ".repeat(length - own.len()));
        lab.check(&length.to_string(), &lab.sign(header, claims(&[])), Profile::Usual, &keys, expected).await;
    }
}

#[tokio::test]
async fn the_deepest_object_is_read_on_a_small_stack() {
    let lab = Lab::new().await;
    let verifier = lab.configured(Profile::Usual, &lab.issuer.jwk_set());
    let deep = |text: &str, depth| {
        let inner = text.strip_suffix('}').unwrap();
        format!("{inner},{}}}", nested("{\"y\":[", "]}", depth))
    };
    let tokens = [
        (lab.sign(deep(&header(&[]), 1_000), claims(&[])), Kind::Malformed),
        (lab.sign(header(&[]), deep(&claims(&[]), 1_000)), Kind::Malformed),
        // Nearly as deep as can be, and refused only after both have been read.
        (lab.sign(deep(&header(&[]), 31), deep(&claims(&[("cnf", "{}")]), 31)), Kind::Claim),
    ];
    let now = lab.clock;
    let judge = move || {
        for (token, expected) in tokens {
            let token = BearerToken::new(&token).unwrap();
            let verdict = verifier.verify_now(&token, tower_bearer::clock::Clock::now(&now)).unwrap();
            assert_eq!(verdict.unwrap_err().kind(), expected);
        }
    };
    let small = std::thread::Builder::new().stack_size(64 * 1024);
    small.spawn(judge).unwrap().join().unwrap();
}

// Signatures and keys.

const RSA: [Algorithm; 6] = [
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
];

/// The header of a token for an algorithm and the key that is for it.
fn header_for(issuer: &TestIssuer, algorithm: Algorithm) -> String {
    let id = issuer.key_id(algorithm).unwrap();
    header(&[("alg", &format!("\"{algorithm}\"")), ("kid", &format!("\"{id}\""))])
}

fn with_signature(message: &str, signature: impl AsRef<[u8]>) -> String {
    format!("{message}.{}", base64url(signature))
}

#[tokio::test]
async fn a_signature_is_that_of_the_key_and_of_the_algorithm_in_the_header() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    for algorithm in Algorithm::ASYMMETRIC {
        let header = header_for(&lab.issuer, algorithm);
        let payload = claims(&[]);
        let good = lab.issuer.sign(algorithm, header.as_bytes(), payload.as_bytes());
        lab.check(&header, &good, Profile::Rfc9068, &keys, Accepted).await;
        let foreign = lab.stranger.sign(algorithm, header.as_bytes(), payload.as_bytes());
        lab.check(&header, &foreign, Profile::Rfc9068, &keys, Refused(Kind::Signature)).await;
        let own = header_for(&lab.stranger, algorithm);
        let foreign = lab.stranger.sign(algorithm, own.as_bytes(), payload.as_bytes());
        lab.check(&own, &foreign, Profile::Rfc9068, &keys, Refused(Kind::KeyNotFound)).await;
        // What another algorithm made of the same bytes, with the key that is for that one.
        for other in Algorithm::ASYMMETRIC.into_iter().filter(|other| *other != algorithm) {
            let token = lab.issuer.sign(other, header.as_bytes(), payload.as_bytes());
            lab.check(&header, &token, Profile::Rfc9068, &keys, Refused(Kind::Signature)).await;
        }
        // The header of one key, the algorithm of another.
        let id = if RSA.contains(&algorithm) { "p256-1" } else { "rsa-1" };
        let header = self::header(&[("alg", &format!("\"{algorithm}\"")), ("kid", &format!("\"{id}\""))]);
        let token = lab.issuer.sign(algorithm, header.as_bytes(), payload.as_bytes());
        lab.check(&header, &token, Profile::Rfc9068, &keys, Refused(Kind::KeyNotFound)).await;
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_allowed_is_refused_though_the_key_could_verify_it() {
    let lab = Lab::new().await;
    for allowed in Algorithm::ASYMMETRIC {
        let builder = lab.builder(Profile::Usual).jwk_set(lab.issuer.jwk_set());
        let verifier = builder.algorithms([allowed]).build().unwrap();
        for algorithm in Algorithm::ASYMMETRIC {
            let header = header_for(&lab.issuer, algorithm);
            let token = lab.issuer.sign(algorithm, header.as_bytes(), claims(&[]).as_bytes());
            let verdict = present(&verifier, &lab.clock, &token).await.map(drop);
            let refused = Err((StatusCode::UNAUTHORIZED, Some(Kind::Algorithm)));
            assert_eq!(verdict, if algorithm == allowed { Ok(()) } else { refused }, "{allowed} {algorithm}");
        }
    }
}

#[tokio::test]
async fn a_token_with_any_character_changed_is_refused() {
    let lab = Lab::new().await;
    let verifier = lab.configured(Profile::Usual, &lab.issuer.jwk_set());
    let good = lab.sign(header(&[]), claims(&[]));
    assert!(present(&verifier, &lab.clock, &good).await.is_ok());
    for at in 0..good.len() {
        for other in ["A", "B", "-", "z", "."] {
            let token = format!("{}{other}{}", &good[..at], &good[at + 1..]);
            let verdict = present(&verifier, &lab.clock, &token).await;
            assert_eq!(verdict.is_ok(), token == good, "{at} {other}");
        }
        let (shorter, longer) = (&good[..at], format!("{}A{}", &good[..at], &good[at..]));
        assert!(present(&verifier, &lab.clock, shorter).await.is_err(), "{at}");
        assert!(present(&verifier, &lab.clock, &longer).await.is_err(), "{at}");
    }
    // Parts of two good tokens.
    let [one, two] =
        [good, lab.sign(header(&[("x", "1")]), claims(&[("sub", "\"bob\"")]))].map(|token| Parts::of(&token));
    for token in [
        format!("{}.{}.{}", one.header, one.payload, two.signature),
        format!("{}.{}.{}", one.header, two.payload, one.signature),
        format!("{}.{}.{}", two.header, one.payload, one.signature),
        format!("{}.{}.{}", two.header, two.payload, one.signature),
    ] {
        let verdict = present(&verifier, &lab.clock, &token).await.map(drop);
        assert_eq!(verdict, Err((StatusCode::UNAUTHORIZED, Some(Kind::Signature))));
    }
}

/// SEC 2: the order of P-256 and of P-384.
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P384_ORDER: &str =
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// The number and its neighbour, big-endian.
fn plus(number: &[u8], add: i8) -> Vec<u8> {
    let mut sum = number.to_vec();
    let last = sum.last_mut().unwrap();
    *last = last.checked_add_signed(add).unwrap();
    sum
}

#[tokio::test]
async fn an_ecdsa_signature_that_anybody_can_write_down_is_refused() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    for (algorithm, order) in [(Algorithm::Es256, hex(P256_ORDER)), (Algorithm::Es384, hex(P384_ORDER))] {
        let header = header_for(&lab.issuer, algorithm);
        let good = lab.issuer.sign(algorithm, header.as_bytes(), claims(&[]).as_bytes());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let length = order.len();
        let (r, s) = signature.split_at(length);
        let small = |number: u8| [vec![0; length - 1], vec![number]].concat();
        let numbers = [
            small(0),
            small(1),
            small(2),
            plus(&order, -1),
            order.clone(),
            plus(&order, 1),
            vec![255; length],
        ];
        let mut forged: Vec<Vec<u8>> = Vec::new();
        for own in &numbers {
            forged.extend(numbers.iter().map(|other| [&**own, other].concat()));
            forged.extend([[&**own, s].concat(), [r, own].concat()]);
        }
        forged.extend([
            [s, r].concat(),
            [r, r].concat(),
            [s, s].concat(),
            r.to_vec(),
            signature[1..].to_vec(),
        ]);
        forged.extend([
            signature[..2 * length - 1].to_vec(),
            [&*signature, &[0]].concat(),
            [&[0], &*signature].concat(),
        ]);
        forged.extend([[&[0], r, &[0], s].concat(), vec![0], vec![0; 4 * length], signature.repeat(2)]);
        let integer = |number: &[u8]| der(2, &[&[0], number].concat());
        forged.push([vec![0x30, u8::try_from(2 * length + 6).unwrap()], integer(r), integer(s)].concat());
        for signature in forged {
            let token = with_signature(message, &signature);
            lab.check(&token, &token, Profile::Usual, &keys, Refused(Kind::Signature)).await;
        }
    }
}

/// RFC 8032 §5.1: the order of the base point, little-endian.
const ED25519_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[tokio::test]
async fn an_ed25519_signature_has_one_form() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let good = lab.sign(header(&[]), claims(&[]));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = signature.split_at(32);
    let mut carry = 0;
    let plus_order: Vec<u8> = (s.iter().zip(hex(ED25519_ORDER)))
        .map(|(own, order)| {
            carry += u16::from(*own) + u16::from(order);
            let byte = carry.to_le_bytes()[0];
            carry >>= 8;
            byte
        })
        .collect();
    let identity = [vec![1], vec![0; 31]].concat();
    let high_bit = |bytes: &[u8]| [&bytes[..31], &[bytes[31] | 0x80]].concat();
    for signature in [
        [r, &plus_order].concat(),
        [r, &high_bit(s)].concat(),
        [&high_bit(&identity), s].concat(),
        [identity.clone(), vec![0; 32]].concat(),
        [high_bit(&identity), vec![0; 32]].concat(),
        [&*identity, s].concat(),
        [r, &[0; 32]].concat(),
        [r, &hex(ED25519_ORDER)].concat(),
        [s, r].concat(),
        vec![0; 64],
        vec![255; 64],
        signature[..63].to_vec(),
        signature[1..].to_vec(),
        [&*signature, &[0]].concat(),
        [&[0], &*signature].concat(),
        signature.repeat(2),
        r.to_vec(),
    ] {
        let token = with_signature(message, &signature);
        lab.check(&token, &token, Profile::Usual, &keys, Refused(Kind::Signature)).await;
    }
}

#[tokio::test]
async fn an_rsa_signature_is_as_long_as_the_key() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let document: Value = serde_json::from_str(&keys).unwrap();
    let n = URL_SAFE_NO_PAD.decode(document["keys"][0]["n"].as_str().unwrap()).unwrap();
    for algorithm in RSA {
        let header = header_for(&lab.issuer, algorithm);
        let good = lab.issuer.sign(algorithm, header.as_bytes(), claims(&[]).as_bytes());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let one = [vec![0; n.len() - 1], vec![1]].concat();
        for signature in [
            vec![0; n.len()],
            one,
            plus(&n, -1),
            n.clone(),
            vec![255; n.len()],
            [&[0], &*signature].concat(),
            [&*signature, &[0]].concat(),
            signature[1..].to_vec(),
            signature[..n.len() - 1].to_vec(),
            signature.iter().rev().copied().collect(),
            signature.repeat(2),
            vec![0],
            vec![0; 1_024],
        ] {
            let token = with_signature(message, &signature);
            lab.check(&token, &token, Profile::Usual, &keys, Refused(Kind::Signature)).await;
        }
        let token = with_signature(message, [0; 1_025]);
        lab.judge("longer than any", &token, Profile::Usual, &keys, Refused(Kind::Malformed)).await;
    }
}

/// The number above the modulus that is the same modulo it, if it is as long.
fn raised(signature: &[u8], n: &[u8]) -> Option<Vec<u8>> {
    let mut carry = 0;
    let mut sum: Vec<u8> = (signature.iter().zip(n).rev())
        .map(|(own, other)| {
            carry = u16::from(*own) + u16::from(*other) + (carry >> 8);
            carry.to_le_bytes()[0]
        })
        .collect();
    sum.reverse();
    (carry < 256).then_some(sum)
}

#[tokio::test]
async fn an_rsa_signature_is_below_the_modulus() {
    let lab = Lab::new().await;
    let keys = lab.issuer.jwk_set();
    let n = URL_SAFE_NO_PAD.decode(key_of(&lab.issuer, "rsa-1")["n"].as_str().unwrap()).unwrap();
    for algorithm in RSA {
        let header = header_for(&lab.issuer, algorithm);
        // RFC 8017 §5.2.2: out of range. Else one token would have two spellings.
        let forged = (0..1_000).find_map(|id| {
            let claims = claims(&[("jti", &format!("\"t{id}\""))]);
            let good = lab.issuer.sign(algorithm, header.as_bytes(), claims.as_bytes());
            let (message, signature) = good.rsplit_once('.').unwrap();
            let signature = raised(&URL_SAFE_NO_PAD.decode(signature).unwrap(), &n)?;
            Some(with_signature(message, signature))
        });
        lab.check(&header, &forged.unwrap(), Profile::Usual, &keys, Refused(Kind::Signature)).await;
    }
}

/// The published keys, one of them changed. The key of another algorithm stays, so that the set is of use.
fn set_with(lab: &Lab, id: &str, change: impl FnOnce(&mut Map<String, Value>)) -> String {
    let mut document: Value = serde_json::from_str(&lab.issuer.jwk_set()).unwrap();
    let keys = document["keys"].as_array_mut().unwrap();
    change(keys.iter_mut().find(|key| key["kid"] == id).unwrap().as_object_mut().unwrap());
    document.to_string()
}

/// Members of a key as JSON text, [`GONE`] to take one out, and whether it may still be used.
type KeyChange = (&'static str, &'static str, &'static str, bool);

const KEY_CHANGES: &[KeyChange] = &[
    ("rsa-1", "use", r#""sig""#, true),
    ("rsa-1", "use", GONE, true),
    ("rsa-1", "use", r#""enc""#, false),
    ("rsa-1", "use", r#""SIG""#, false),
    ("rsa-1", "use", r#""""#, false),
    ("rsa-1", "use", "null", false),
    ("rsa-1", "use", "1", false),
    ("rsa-1", "use", r#"["sig"]"#, false),
    ("rsa-1", "key_ops", r#"["verify"]"#, true),
    ("rsa-1", "key_ops", r#"["sign"]"#, false),
    ("rsa-1", "key_ops", r#"["encrypt"]"#, false),
    ("rsa-1", "key_ops", r#"["Verify"]"#, false),
    ("rsa-1", "key_ops", "[]", false),
    ("rsa-1", "key_ops", r#""verify""#, false),
    ("rsa-1", "key_ops", "null", false),
    ("rsa-1", "alg", r#""RS256""#, true),
    ("rsa-1", "alg", r#""PS256""#, false),
    ("rsa-1", "alg", r#""RS384""#, false),
    ("rsa-1", "alg", r#""ES256""#, false),
    ("rsa-1", "alg", r#""EdDSA""#, false),
    ("rsa-1", "alg", r#""HS256""#, false),
    ("rsa-1", "alg", r#""RSA-OAEP""#, false),
    ("rsa-1", "alg", r#""none""#, false),
    ("rsa-1", "alg", r#""rs256""#, false),
    ("rsa-1", "alg", r#""""#, false),
    ("rsa-1", "alg", "null", false),
    ("rsa-1", "kty", r#""rsa""#, false),
    ("rsa-1", "kty", r#""EC""#, false),
    ("rsa-1", "kty", r#""oct""#, false),
    ("rsa-1", "kty", GONE, false),
    ("rsa-1", "kid", "5", false),
    ("rsa-1", "kid", "null", false),
    ("rsa-1", "kid", r#""RSA-1""#, false),
    ("rsa-1", "kid", GONE, false),
    ("rsa-1", "e", r#""AAEAAQ""#, true),
    ("rsa-1", "e", r#""AQAB=""#, false),
    ("rsa-1", "e", r#""AQ""#, false),
    ("rsa-1", "e", r#""Ag""#, false),
    ("rsa-1", "e", r#""AA""#, false),
    ("rsa-1", "e", r#""AQAA""#, false),
    ("rsa-1", "e", r#""""#, false),
    ("rsa-1", "e", r#""AQAAAAAAAAAB""#, false),
    ("rsa-1", "e", "65537", false),
    ("rsa-1", "e", GONE, false),
    ("rsa-1", "n", r#""""#, false),
    ("rsa-1", "n", r#""AAAA""#, false),
    ("rsa-1", "n", GONE, false),
    ("rsa-1", "d", r#""AQAB""#, true),
    ("rsa-1", "x5c", r#"["MIIB"]"#, true),
    ("rsa-1", "x5u", r#""http://127.0.0.1:9/""#, true),
    ("rsa-1", "ext", "true", true),
    ("p256-1", "crv", r#""P-384""#, false),
    ("p256-1", "crv", r#""p-256""#, false),
    ("p256-1", "crv", r#""P-521""#, false),
    ("p256-1", "crv", r#""secp256k1""#, false),
    ("p256-1", "crv", r#""Ed25519""#, false),
    ("p256-1", "crv", GONE, false),
    ("p256-1", "kty", r#""OKP""#, false),
    ("p256-1", "alg", r#""ES384""#, false),
    ("p256-1", "alg", r#""ES256""#, true),
    ("p256-1", "y", GONE, false),
    ("p256-1", "d", r#""AQAB""#, true),
    ("ed25519-1", "crv", r#""X25519""#, false),
    ("ed25519-1", "crv", r#""Ed448""#, false),
    ("ed25519-1", "crv", r#""ed25519""#, false),
    ("ed25519-1", "crv", r#""P-256""#, false),
    ("ed25519-1", "crv", GONE, false),
    ("ed25519-1", "kty", r#""EC""#, false),
    ("ed25519-1", "alg", r#""Ed25519""#, true),
    ("ed25519-1", "alg", r#""EdDSA""#, true),
    ("ed25519-1", "alg", r#""Ed448""#, false),
    ("ed25519-1", "x", r#""""#, false),
    ("ed25519-1", "x", GONE, false),
    ("ed25519-1", "d", r#""AQAB""#, true),
];

fn algorithm_of(id: &str) -> Algorithm {
    match id {
        "rsa-1" => Algorithm::Rs256,
        "p256-1" => Algorithm::Es256,
        "p384-1" => Algorithm::Es384,
        _ => Algorithm::EdDsa,
    }
}

impl Lab {
    /// Signs for the key of this id, whatever is published of it.
    async fn check_keys(&self, name: &str, keys: &str, id: &str, usable: bool) {
        let algorithm = algorithm_of(id);
        let header = header_for(&self.issuer, algorithm);
        let token = self.issuer.sign(algorithm, header.as_bytes(), claims(&[]).as_bytes());
        let expected = if usable { Accepted } else { Refused(Kind::KeyNotFound) };
        self.check(&format!("{id}: {name}"), &token, Profile::Rfc9068, keys, expected).await;
    }
}

#[tokio::test]
async fn what_a_key_says_of_itself_is_binding() {
    let lab = Lab::new().await;
    for (id, member, value, usable) in KEY_CHANGES {
        let keys = set_with(&lab, id, |key| {
            match *value {
                GONE => key.remove(*member),
                value => key.insert((*member).to_owned(), serde_json::from_str(value).unwrap()),
            };
        });
        lab.check_keys(&format!("{member} {value}"), &keys, id, *usable).await;
    }
}

/// Changes what a member decodes to.
fn recoded(lab: &Lab, id: &str, member: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    set_with(lab, id, |key| {
        let bytes = URL_SAFE_NO_PAD.decode(key[member].as_str().unwrap()).unwrap();
        key.insert(member.to_owned(), base64url(change(bytes)).into());
    })
}

/// Changes how a member is spelled.
fn respelled_member(lab: &Lab, id: &str, member: &str, change: impl FnOnce(&str) -> String) -> String {
    set_with(lab, id, |key| {
        let text = change(key[member].as_str().unwrap());
        key.insert(member.to_owned(), text.into());
    })
}

#[tokio::test]
async fn the_numbers_of_a_key_have_one_spelling_and_one_length() {
    let lab = Lab::new().await;
    for (id, member) in
        [("p256-1", "x"), ("p256-1", "y"), ("p384-1", "x"), ("p384-1", "y"), ("ed25519-1", "x")]
    {
        let shorter = recoded(&lab, id, member, |bytes| bytes[1..].to_vec());
        lab.check_keys("one byte less", &shorter, id, false).await;
        let shorter = recoded(&lab, id, member, |bytes| bytes[..bytes.len() - 1].to_vec());
        lab.check_keys("one byte less at the end", &shorter, id, false).await;
        let longer = recoded(&lab, id, member, |bytes| [&[0], &*bytes].concat());
        lab.check_keys("a zero in front", &longer, id, false).await;
        let longer = recoded(&lab, id, member, |bytes| [&*bytes, &[0]].concat());
        lab.check_keys("a zero behind", &longer, id, false).await;
        let doubled = recoded(&lab, id, member, |bytes| bytes.repeat(2));
        lab.check_keys("twice as long", &doubled, id, false).await;
    }
    for (id, member) in [("p256-1", "x"), ("p384-1", "y"), ("ed25519-1", "x"), ("rsa-1", "n"), ("rsa-1", "e")]
    {
        for mark in ["=", " ", "\n", "+", "/"] {
            let keys = respelled_member(&lab, id, member, |text| format!("{text}{mark}"));
            lab.check_keys(&format!("{member} with {mark:?}"), &keys, id, false).await;
        }
        let keys = respelled_member(&lab, id, member, |text| twin(text).unwrap_or_default());
        lab.check_keys(&format!("{member} with spare bits"), &keys, id, false).await;
    }
    let keys = recoded(&lab, "rsa-1", "n", |bytes| [&[0, 0], &*bytes].concat());
    lab.check_keys("zeros before the modulus", &keys, "rsa-1", true).await;
    let keys = recoded(&lab, "rsa-1", "n", |bytes| plus(&bytes, -1));
    lab.check_keys("an even modulus", &keys, "rsa-1", false).await;
    let keys = recoded(&lab, "rsa-1", "n", |bytes| bytes[128..].to_vec());
    lab.check_keys("half of the modulus", &keys, "rsa-1", false).await;
    let keys = recoded(&lab, "rsa-1", "n", |mut bytes| {
        bytes[0] = 0x7f;
        bytes
    });
    lab.check_keys("2047 bits", &keys, "rsa-1", false).await;
}

#[tokio::test]
async fn a_point_lies_on_its_curve_and_generates_a_large_group() {
    let lab = Lab::new().await;
    for id in ["p256-1", "p384-1"] {
        for member in ["x", "y"] {
            let keys = recoded(&lab, id, member, |bytes| bytes.iter().map(|byte| byte ^ 1).collect());
            lab.check_keys("off the curve", &keys, id, false).await;
            let keys = recoded(&lab, id, member, |bytes| vec![255; bytes.len()]);
            lab.check_keys("beyond the field", &keys, id, false).await;
        }
        let keys = set_with(&lab, id, |key| {
            let (x, y) = (key["x"].clone(), key["y"].clone());
            key.extend([("x".to_owned(), y), ("y".to_owned(), x)]);
        });
        lab.check_keys("coordinates exchanged", &keys, id, false).await;
        let keys = set_with(&lab, id, |key| {
            let zero = base64url(vec![0; URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap().len()]);
            key.extend([("x".to_owned(), zero.clone().into()), ("y".to_owned(), zero.into())]);
        });
        lab.check_keys("the origin", &keys, id, false).await;
    }
    // The points whose order divides eight, and the spellings of the first three that are not reduced.
    for text in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        for sign in [0, 0x80] {
            let mut point = hex(text);
            point[31] |= sign;
            let keys = recoded(&lab, "ed25519-1", "x", |_| point.clone());
            lab.check_keys(text, &keys, "ed25519-1", false).await;
            // With such a key, this would be the signature of one message in eight, or of every message.
            let (message, identity) = (lab.sign(header(&[]), claims(&[])), [vec![1], vec![0; 63]].concat());
            let forged = with_signature(message.rsplit_once('.').unwrap().0, identity);
            lab.check(text, &forged, Profile::Usual, &keys, Refused(Kind::KeyNotFound)).await;
        }
    }
}

/// The document with more entries.
fn extended(lab: &Lab, entries: impl IntoIterator<Item = Value>) -> String {
    let mut document: Value = serde_json::from_str(&lab.issuer.jwk_set()).unwrap();
    document["keys"].as_array_mut().unwrap().extend(entries);
    document.to_string()
}

fn key_of(issuer: &TestIssuer, id: &str) -> Value {
    let document: Value = serde_json::from_str(&issuer.jwk_set()).unwrap();
    document["keys"].as_array().unwrap().iter().find(|key| key["kid"] == id).unwrap().clone()
}

#[tokio::test]
async fn a_key_is_selected_only_if_it_is_the_only_one() {
    let lab = Lab::new().await;
    for id in ["rsa-1", "p256-1", "p384-1", "ed25519-1"] {
        let foreign = |kid: Value| {
            let mut key = key_of(&lab.stranger, &lab.stranger.key_id(algorithm_of(id)).unwrap());
            key["kid"] = kid;
            key
        };
        lab.check_keys("as published", &lab.issuer.jwk_set(), id, true).await;
        lab.check_keys("the same entry twice", &extended(&lab, [key_of(&lab.issuer, id)]), id, true).await;
        let mut noted = key_of(&lab.issuer, id);
        noted["note"] = "x".into();
        lab.check_keys("the same key in two entries", &extended(&lab, [noted]), id, false).await;
        lab.check_keys("another of this id", &extended(&lab, [foreign(id.into())]), id, false).await;
        lab.check_keys("another of another id", &extended(&lab, [foreign("other".into())]), id, true).await;
        let mut nameless = foreign("x".into());
        nameless.as_object_mut().unwrap().remove("kid");
        lab.check_keys("another without id", &extended(&lab, [nameless]), id, true).await;
        let mut encrypting = foreign(id.into());
        encrypting["use"] = "enc".into();
        lab.check_keys("one to encrypt, of this id", &extended(&lab, [encrypting]), id, true).await;
        for other in ["rsa-1", "p256-1", "p384-1", "ed25519-1"].into_iter().filter(|other| *other != id) {
            let mut key = key_of(&lab.issuer, other);
            key["kid"] = id.into();
            lab.check_keys(other, &extended(&lab, [key]), id, true).await;
        }
        // Without an id, every key of the kind is meant.
        let algorithm = algorithm_of(id);
        let header = header(&[("alg", &format!("\"{algorithm}\"")), ("kid", GONE)]);
        let token = lab.issuer.sign(algorithm, header.as_bytes(), claims(&[]).as_bytes());
        lab.check(&header, &token, Profile::Usual, &lab.issuer.jwk_set(), Accepted).await;
        let two = extended(&lab, [foreign("other".into())]);
        lab.check(&header, &token, Profile::Usual, &two, Refused(Kind::KeyNotFound)).await;
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_used_is_skipped() {
    let lab = Lab::new().await;
    let good = lab.issuer.jwk_set();
    for entry in [
        "null",
        "7",
        "true",
        r#""key""#,
        "[]",
        "{}",
        r#"{"kty":"AKP","kid":"pq","alg":"ML-DSA-44","pub":"AA"}"#,
        r#"{"kty":"OKP","crv":"X25519","kid":"x","x":"AA"}"#,
        r#"{"kty":"oct","kid":"o","k":"AAAA","alg":"HS256"}"#,
        r#"{"kty":5}"#,
        r#"{"kty":"RSA","kty":"EC"}"#,
        r#"{"kty":"RSA","n":[],"e":{}}"#,
        r#"{"a":{"a":1,"a":2}}"#,
    ] {
        for set in
            [good.replacen('[', &format!("[{entry},"), 1), good.replacen("]}", &format!(",{entry}]}}"), 1)]
        {
            assert_ne!(set, good);
            lab.check_keys(entry, &set, "rsa-1", true).await;
        }
    }
    // A secret in the set of an issuer is for nobody.
    let secret = lab.issuer.hmac_secret();
    let oct = json!({ "kty": "oct", "kid": "shared", "alg": "HS256", "k": base64url(secret) });
    let header = header(&[("alg", r#""HS256""#), ("kid", r#""shared""#)]);
    let token = lab.issuer.sign(Algorithm::Hs256, header.as_bytes(), claims(&[]).as_bytes());
    lab.check(&header, &token, Profile::Usual, &extended(&lab, [oct]), Refused(Kind::Algorithm)).await;
}

/// Documents that are no JWK set, or one without a key that can be used.
fn useless_sets(lab: &Lab) -> Vec<String> {
    let good = lab.issuer.jwk_set();
    let only = |mut key: Value, member: &str, value: &str| {
        key[member] = value.into();
        json!({ "keys": [key] }).to_string()
    };
    let tiny = (0..100).map(|id| json!({ "kty": "oct", "kid": format!("k{id}") }));
    let mut all: Vec<String> =
        ["", "{}", "[]", "null", "<html>", "{\"keys\":null}", "{\"keys\":{}}", "{\"keys\":[]}"]
            .map(str::to_owned)
            .to_vec();
    all.extend([r#"{"keys":"x"}"#, r#"{"keys":[null,7,[],{}]}"#, r#"{"KEYS":[]}"#].map(str::to_owned));
    all.extend([
        format!("{good}x"),
        format!("\u{feff}{good}"),
        good[..good.len() - 1].to_owned(),
        format!("[{good}]"),
    ]);
    all.extend([good.replacen('{', "{\"keys\":[],", 1), good.replace("\"keys\"", "\"Keys\"")]);
    all.extend([key_of(&lab.issuer, "rsa-1").to_string(), extended(lab, tiny)]);
    all.push(only(key_of(&lab.issuer, "rsa-1"), "e", "AQ"));
    all.push(only(key_of(&lab.issuer, "rsa-1"), "use", "enc"));
    all.push(only(key_of(&lab.issuer, "ed25519-1"), "x", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    all.push(only(key_of(&lab.issuer, "ed25519-1"), "x", "AA"));
    all.push(only(key_of(&lab.issuer, "p256-1"), "crv", "P-384"));
    all
}

#[tokio::test]
async fn a_set_of_no_use_builds_no_verifier_and_fetched_it_is_an_outage() {
    let lab = Lab::new().await;
    let token = lab.sign(header(&[]), claims(&[]));
    for set in useless_sets(&lab) {
        let error = lab.builder(Profile::Usual).jwk_set(&*set).build().unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::InvalidKey, "{set}");
        let (verifier, client) = lab.remote(Profile::Usual, &set);
        for _ in 0..2 {
            let verdict = present(&verifier, &lab.clock, &token).await.map(drop);
            let outage = Err((StatusCode::SERVICE_UNAVAILABLE, Some(Kind::Unavailable)));
            assert_eq!(verdict, outage, "{set}");
        }
        assert_eq!(client.requests.load(Ordering::Relaxed), 1, "{set}");
    }
    // One entry less, and it is within the limit.
    let tiny = (0..96).map(|id| json!({ "kty": "oct", "kid": format!("k{id}") }));
    lab.check_keys("a hundred entries", &extended(&lab, tiny), "rsa-1", true).await;
}

// What must be accepted.

/// Values that a claim without a meaning here can have.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (1_u64 << 53..).prop_map(Value::from),
        // Written and read back without loss by every reader.
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Claims with a meaning, which are not for any value.
const WITH_MEANING: [&str; 18] = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "sub",
    "client_id",
    "azp",
    "jti",
    "scope",
    "scp",
    "cnf",
    "events",
    "at_hash",
    "c_hash",
    "s_hash",
    "token_use",
    "typ",
];

#[test]
fn any_other_claims_are_accepted_and_come_out_as_they_went_in() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lab = runtime.block_on(Lab::new());
    let verifier = lab.configured(Profile::Usual, &lab.issuer.jwk_set());
    let name = prop_oneof![any::<String>(), "[a-z_]{1,12}", "https://[a-z]{1,8}/[a-z]{1,8}"];
    let name = name.prop_filter("a claim with a meaning", |name| !WITH_MEANING.contains(&&**name));
    let extra = proptest::collection::btree_map(name, json_value(), 0..8);
    let config = Config { cases: 512, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&extra, |extra| {
            let mut payload: Map<String, Value> = extra.into_iter().collect();
            let own = json!({ "iss": ISSUER, "aud": [AUDIENCE], "exp": NOW + 1 });
            payload.extend(own.as_object().unwrap().clone());
            let text = Value::Object(payload.clone()).to_string();
            if text.len() > 11_000 {
                return Ok(());
            }
            let token = lab.sign(header(&[]), &text);
            let token = runtime.block_on(present(&verifier, &lab.clock, &token)).unwrap();
            assert_eq!(*token.claims(), payload);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn large_numbers_keep_every_digit() {
    let lab = Lab::new().await;
    let verifier = lab.configured(Profile::Rfc9068, &lab.issuer.jwk_set());
    for number in [0, 1, 1 << 53, (1 << 53) + 1, u64::MAX >> 1, (u64::MAX >> 1) + 1, u64::MAX] {
        let token = lab.sign(header(&[]), claims(&[("x", &number.to_string())]));
        let token = present(&verifier, &lab.clock, &token).await.unwrap();
        assert_eq!(token.claim::<u64>("x"), Some(number));
    }
    for number in [-1, -(1 << 53) - 1, i64::MIN + 1, i64::MIN] {
        let token = lab.sign(header(&[]), claims(&[("x", &number.to_string())]));
        let token = present(&verifier, &lab.clock, &token).await.unwrap();
        assert_eq!(token.claim::<i64>("x"), Some(number));
    }
}
