//! Every provider by settings against the same provider in code: whom both ask, and which tokens both take.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]
#![allow(clippy::too_many_lines, reason = "tables")]

#[path = "common/keys.rs"]
mod keys;

use std::collections::BTreeSet;

use keys::{Reply, Script};
use serde_json::{Value, json};
use tower_bearer::settings::Settings;
use tower_bearer::testing::{TestClock, TestIssuer};
use tower_bearer::verifier::{BoxVerifier, IntrospectionVerifier, Verdict};
use tower_bearer::{Algorithm, BearerToken, JwtVerifier, TokenVerifier, providers};

const API: &str = "https://api.example.com";
const OTHER: &str = "https://other.example.com";
const THIRD: &str = "https://third.example.com";
const CLIENT: &str = "a1b2c3d4-0000-4000-8000-aabbccddeeff";
const API_CLIENT: &str = "api://a1b2c3d4-0000-4000-8000-aabbccddeeff";
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
/// Where issuers that are asked for their metadata have keys.
const KEYS: &str = "https://keys.example.com/jwks";
/// 2026-01-01T00:00:00Z, where the test clock begins.
const START: u64 = 1_767_225_600;
const PAGE: &str = include_str!("../docs/settings.md");

type Preset = fn(Script, TestClock) -> BoxVerifier;

/// The verifier of a builder.
macro_rules! preset {
    ($builder:expr) => {
        |script, clock| $builder.http_client(script).clock(clock).build().unwrap().boxed()
    };
}

/// A provider whose tokens are signed.
struct Signed {
    settings: Value,
    preset: Preset,
    /// Where the keys are, if the issuer is not asked.
    keys: Option<&'static str>,
    issuer: &'static str,
    /// All that it takes.
    audiences: &'static [&'static str],
}

fn signed(
    settings: Value,
    preset: Preset,
    keys: impl Into<Option<&'static str>>,
    issuer: &'static str,
    audiences: &'static [&'static str],
) -> Signed {
    Signed { settings, preset, keys: keys.into(), issuer, audiences }
}

fn all_signed() -> Vec<Signed> {
    let mut all = of_microsoft();
    all.extend(of_audiences());
    all.extend([
        signed(
            json!({
                "provider": "cognito", "user_pool": "eu-west-1_AbCdEfGhI", "client_id": CLIENT,
                "audience": [OTHER, THIRD],
            }),
            preset!(
                providers::cognito("eu-west-1_AbCdEfGhI", CLIENT).add_audience(OTHER).add_audience(THIRD)
            ),
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI/.well-known/jwks.json",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
            &[CLIENT, OTHER, THIRD],
        ),
        signed(
            json!({
                "provider": "clerk_jwt", "domain": "clerk.example.com", "client_id": CLIENT, "audience": OTHER,
            }),
            preset!(providers::clerk_jwt("clerk.example.com", CLIENT).add_audience(OTHER)),
            "https://clerk.example.com/.well-known/jwks.json",
            "https://clerk.example.com",
            &[CLIENT, OTHER],
        ),
        signed(
            json!({ "provider": "google_id_tokens", "client_id": CLIENT, "audience": OTHER }),
            preset!(providers::google_id_tokens(CLIENT).add_audience(OTHER)),
            None,
            "https://accounts.google.com",
            &[CLIENT, OTHER],
        ),
        signed(
            json!({
                "provider": "scalekit", "url": "https://acme.scalekit.com", "resource_id": "res_1",
                "audience": [OTHER],
            }),
            preset!(providers::scalekit("https://acme.scalekit.com", "res_1").add_audience(OTHER)),
            "https://acme.scalekit.com/keys",
            "https://acme.scalekit.com/resources/res_1",
            &["res_1", OTHER],
        ),
        signed(
            json!({ "provider": "supabase", "url": "https://acme.supabase.co", "audience": OTHER }),
            preset!(providers::supabase("https://acme.supabase.co").add_audience(OTHER)),
            "https://acme.supabase.co/auth/v1/.well-known/jwks.json",
            "https://acme.supabase.co/auth/v1",
            &["authenticated", OTHER],
        ),
    ]);
    all
}

/// Those that take an audience first.
fn of_audiences() -> Vec<Signed> {
    let two = &[API, OTHER];
    vec![
        signed(
            json!({ "provider": "jwt", "issuer": "https://idp.example.com", "audience": [API, OTHER] }),
            preset!(JwtVerifier::builder("https://idp.example.com", API).add_audience(OTHER)),
            None,
            "https://idp.example.com",
            two,
        ),
        signed(
            json!({ "provider": "auth0", "domain": "acme.eu.auth0.com", "audience": [API, OTHER] }),
            preset!(providers::auth0("acme.eu.auth0.com", API).add_audience(OTHER)),
            None,
            "https://acme.eu.auth0.com/",
            two,
        ),
        signed(
            json!({ "provider": "authkit", "domain": "acme.authkit.app", "audience": [API, OTHER] }),
            preset!(providers::authkit("acme.authkit.app", API).add_audience(OTHER)),
            "https://acme.authkit.app/oauth2/jwks",
            "https://acme.authkit.app",
            two,
        ),
        signed(
            json!({ "provider": "descope", "project_id": "P2abc", "audience": [API, OTHER] }),
            preset!(providers::descope("P2abc", API).add_audience(OTHER)),
            "https://api.descope.com/P2abc/.well-known/jwks.json",
            "https://api.descope.com/v1/apps/P2abc",
            two,
        ),
        signed(
            json!({
                "provider": "keycloak", "url": "https://id.example.com/auth", "realm": "acme",
                "audience": [API, OTHER, THIRD],
            }),
            preset!(
                providers::keycloak("https://id.example.com/auth", "acme", API)
                    .add_audience(OTHER)
                    .add_audience(THIRD)
            ),
            None,
            "https://id.example.com/auth/realms/acme",
            &[API, OTHER, THIRD],
        ),
        signed(
            json!({ "provider": "oci", "url": "https://idcs-1.identity.oraclecloud.com", "audience": [API, OTHER] }),
            preset!(providers::oci("https://idcs-1.identity.oraclecloud.com", API).add_audience(OTHER)),
            "https://idcs-1.identity.oraclecloud.com/admin/v1/SigningCert/jwk",
            "https://identity.oraclecloud.com/",
            two,
        ),
        signed(
            json!({ "provider": "okta", "domain": "acme.okta.com", "audience": [API, OTHER] }),
            preset!(providers::okta("acme.okta.com", "default", API).add_audience(OTHER)),
            None,
            "https://acme.okta.com/oauth2/default",
            two,
        ),
        signed(
            json!({
                "provider": "okta", "domain": "acme.okta.com", "audience": API,
                "authorization_server": "aus1",
            }),
            preset!(providers::okta("acme.okta.com", "aus1", API)),
            None,
            "https://acme.okta.com/oauth2/aus1",
            &[API],
        ),
    ]
}

fn of_microsoft() -> Vec<Signed> {
    let all = &[CLIENT, API_CLIENT, OTHER];
    vec![
        signed(
            json!({ "provider": "entra", "tenant_id": TENANT, "client_id": CLIENT, "audience": OTHER }),
            preset!(providers::entra(TENANT, CLIENT).add_audience(OTHER)),
            "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/discovery/v2.0/keys",
            "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
            all,
        ),
        signed(
            json!({ "provider": "entra_any_tenant", "client_id": CLIENT, "audience": OTHER }),
            preset!(providers::entra_any_tenant(CLIENT).add_audience(OTHER)),
            "https://login.microsoftonline.com/common/discovery/v2.0/keys",
            "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
            all,
        ),
        signed(
            json!({
                "provider": "entra_b2c", "tenant_name": "acme", "tenant_id": TENANT, "policy": "B2C_1_signin",
                "client_id": CLIENT, "audience": OTHER,
            }),
            preset!(providers::entra_b2c("acme", TENANT, "B2C_1_signin", CLIENT).add_audience(OTHER)),
            "https://acme.b2clogin.com/acme.onmicrosoft.com/B2C_1_signin/discovery/v2.0/keys",
            "https://acme.b2clogin.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0/",
            &[CLIENT, OTHER],
        ),
        signed(
            json!({ "provider": "entra_china", "tenant_id": TENANT, "client_id": CLIENT, "audience": OTHER }),
            preset!(providers::entra_china(TENANT, CLIENT).add_audience(OTHER)),
            "https://login.partner.microsoftonline.cn/72f988bf-86f1-41af-91ab-2d7cd011db47/discovery/v2.0/keys",
            "https://sts.chinacloudapi.cn/72f988bf-86f1-41af-91ab-2d7cd011db47/",
            all,
        ),
        signed(
            json!({
                "provider": "entra_external_id", "tenant_name": "acme", "tenant_id": TENANT,
                "client_id": CLIENT, "audience": OTHER,
            }),
            preset!(providers::entra_external_id("acme", TENANT, CLIENT).add_audience(OTHER)),
            "https://acme.ciamlogin.com/72f988bf-86f1-41af-91ab-2d7cd011db47/discovery/v2.0/keys",
            "https://72f988bf-86f1-41af-91ab-2d7cd011db47.ciamlogin.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
            all,
        ),
        signed(
            json!({
                "provider": "entra_us_government", "tenant_id": TENANT, "client_id": CLIENT, "audience": OTHER,
            }),
            preset!(providers::entra_us_government(TENANT, CLIENT).add_audience(OTHER)),
            "https://login.microsoftonline.us/72f988bf-86f1-41af-91ab-2d7cd011db47/discovery/v2.0/keys",
            "https://login.microsoftonline.us/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
            all,
        ),
    ]
}

/// A provider that is asked about tokens.
struct Asked {
    settings: Value,
    preset: Preset,
    endpoint: &'static str,
}

fn asked(settings: Value, preset: Preset, endpoint: &'static str) -> Asked {
    Asked { settings, preset, endpoint }
}

fn all_asked() -> Vec<Asked> {
    let with_client = |provider: &str, more: Value| {
        let mut settings =
            json!({ "provider": provider, "client_id": CLIENT, "client_secret": "of-the-api" });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        settings
    };
    let any = |provider: &str| json!({ "provider": provider, "insecure_allow_any_audience": true });
    vec![
        asked(
            with_client(
                "introspection",
                json!({
                    "issuer": "https://idp.example.com", "audience": [API, OTHER],
                    "introspection_url": "https://idp.example.com/introspect",
                }),
            ),
            preset!(
                IntrospectionVerifier::builder("https://idp.example.com", API)
                    .add_audience(OTHER)
                    .endpoint("https://idp.example.com/introspect")
                    .client_secret_basic(CLIENT, "of-the-api")
            ),
            "https://idp.example.com/introspect",
        ),
        asked(
            any("atlassian"),
            preset!(providers::atlassian().insecure_allow_any_audience()),
            "https://api.atlassian.com/me",
        ),
        asked(
            with_client("clerk", json!({ "domain": "clerk.example.com", "audience": OTHER })),
            preset!(providers::clerk("clerk.example.com", CLIENT, "of-the-api").add_audience(OTHER)),
            "https://clerk.example.com/oauth/token_info",
        ),
        asked(
            json!({ "provider": "discord", "client_id": CLIENT }),
            preset!(providers::discord(CLIENT)),
            "https://discord.com/api/oauth2/@me",
        ),
        asked(
            with_client("github", json!({})),
            preset!(providers::github(CLIENT, "of-the-api")),
            "https://api.github.com/applications/a1b2c3d4-0000-4000-8000-aabbccddeeff/token",
        ),
        asked(
            with_client("github", json!({ "url": "https://git.example.com/api/v3" })),
            preset!(providers::github(CLIENT, "of-the-api").api_url("https://git.example.com/api/v3")),
            "https://git.example.com/api/v3/applications/a1b2c3d4-0000-4000-8000-aabbccddeeff/token",
        ),
        asked(
            json!({ "provider": "gitlab", "client_id": CLIENT }),
            preset!(providers::gitlab("https://gitlab.com", CLIENT)),
            "https://gitlab.com/oauth/token/info",
        ),
        asked(
            json!({ "provider": "gitlab", "client_id": CLIENT, "url": "https://git.example.com" }),
            preset!(providers::gitlab("https://git.example.com", CLIENT)),
            "https://git.example.com/oauth/token/info",
        ),
        asked(
            json!({ "provider": "google", "client_id": CLIENT }),
            preset!(providers::google(CLIENT)),
            "https://oauth2.googleapis.com/tokeninfo",
        ),
        asked(
            any("hugging_face"),
            preset!(providers::hugging_face().insecure_allow_any_audience()),
            "https://huggingface.co/oauth/userinfo",
        ),
        asked(
            with_client("propelauth", json!({ "url": "https://auth.example.com", "audience": [API, OTHER] })),
            preset!(
                providers::propelauth("https://auth.example.com", API, CLIENT, "of-the-api")
                    .add_audience(OTHER)
            ),
            "https://auth.example.com/oauth/2.1/introspect",
        ),
        asked(
            with_client("salesforce", json!({ "domain": "acme.my.salesforce.com", "audience": OTHER })),
            preset!(
                providers::salesforce("acme.my.salesforce.com", CLIENT, "of-the-api").add_audience(OTHER)
            ),
            "https://acme.my.salesforce.com/services/oauth2/introspect",
        ),
        asked(
            json!({ "provider": "workos", "domain": "auth.example.com", "insecure_allow_any_audience": true }),
            preset!(providers::workos("auth.example.com").insecure_allow_any_audience()),
            "https://auth.example.com/oauth2/userinfo",
        ),
    ]
}

/// The same provider twice, each with an internet of its own.
struct Pair {
    by_settings: (Script, BoxVerifier),
    in_code: (Script, BoxVerifier),
}

impl Pair {
    fn new(settings: &Value, preset: Preset, documents: &[(String, String)]) -> Self {
        let script = || {
            let script = Script::new();
            documents.iter().for_each(|(url, text)| script.set(url, Reply::document(text.clone())));
            script
        };
        let (mine, theirs, clock) = (script(), script(), TestClock::new());
        let read: Settings = serde_json::from_value(settings.clone()).unwrap();
        let verifier = read.http_client(mine.clone()).clock(clock.clone()).verifier().unwrap();
        let in_code = (theirs.clone(), preset(theirs, clock));
        Self { by_settings: (mine, verifier.boxed()), in_code }
    }

    /// What both say of a token.
    async fn say(&self, token: &str, place: &str) -> String {
        let token = BearerToken::new(token).unwrap();
        let (mine, by_settings) = &self.by_settings;
        let (theirs, in_code) = &self.in_code;
        let said = outcome(&by_settings.verify(&token).await);
        assert_eq!(said, outcome(&in_code.verify(&token).await), "{place}");
        assert_eq!(requests(mine), requests(theirs), "{place}");
        said
    }
}

fn outcome(verdict: &Verdict) -> String {
    match verdict {
        Ok(token) => {
            let audiences: Vec<_> = token.audiences().collect();
            format!("good {:?} {:?} {:?} {audiences:?}", token.issuer(), token.subject(), token.client())
        }
        Err(error) => error.kind().as_str().to_owned(),
    }
}

/// What was asked: how, where, as whom, and what.
fn requests(script: &Script) -> Vec<String> {
    let line = |asked: keys::Asked| {
        let field = asked.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        format!("{} {} {field:?} {}", asked.method, asked.url, String::from_utf8_lossy(&asked.body))
    };
    script.asked().into_iter().map(line).collect()
}

/// A token that has whatever any of them expects.
fn mint(key: &TestIssuer, issuer: &str, audience: Option<&str>) -> String {
    let mut claims = json!({
        "iss": issuer, "sub": "alice", "iat": START - 60, "exp": START + 3_600,
        "azp": CLIENT, "appid": CLIENT, "cid": CLIENT, "client_id": CLIENT, "tid": TENANT,
        "scope": "read", "scp": "read", "role": "authenticated", "tok_type": "AT", "typ": "Bearer",
        "token_use": "access", "tfp": "B2C_1_signin",
    });
    if let Some(audience) = audience {
        claims["aud"] = audience.into();
    }
    let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": key.key_id(Algorithm::Rs256) });
    key.sign(Algorithm::Rs256, header.to_string().as_bytes(), claims.to_string().as_bytes())
}

#[tokio::test]
async fn a_signed_token_is_judged_by_settings_as_in_code() {
    let key = TestIssuer::with_clock(TestClock::new()).await.unwrap();
    let all = all_signed();
    let mut documents = vec![(KEYS.to_owned(), key.jwk_set())];
    for Signed { keys, issuer, .. } in &all {
        let metadata = json!({ "issuer": issuer, "jwks_uri": KEYS }).to_string();
        let slash = if issuer.ends_with('/') { "" } else { "/" };
        documents.push(match keys {
            Some(url) => ((*url).to_owned(), key.jwk_set()),
            None => (format!("{issuer}{slash}.well-known/openid-configuration"), metadata),
        });
    }
    let audiences = all.iter().flat_map(|signed| signed.audiences).copied().chain([API, "elsewhere"]);
    let audiences: BTreeSet<&str> = audiences.collect();
    for Signed { settings, preset, keys, issuer, audiences: own } in &all {
        let pair = Pair::new(settings, *preset, &documents);
        for audience in &audiences {
            let place = format!("{settings} for {audience}");
            let said = pair.say(&mint(&key, issuer, Some(audience)), &place).await;
            assert_eq!(said.starts_with("good"), own.contains(audience), "{place}: {said}");
        }
        for other in all.iter().map(|other| other.issuer).chain(["https://evil.example.com"]) {
            pair.say(&mint(&key, other, own.first().copied()), &format!("{settings} of {other}")).await;
        }
        pair.say(&mint(&key, issuer, None), &format!("{settings} for nobody")).await;
        let urls = pair.by_settings.0.urls();
        assert!(urls.iter().any(|url| url == keys.unwrap_or(KEYS)), "{settings}: {urls:?}");
    }
}

#[tokio::test]
async fn a_provider_is_asked_by_settings_as_in_code() {
    for Asked { settings, preset, endpoint } in all_asked() {
        let pair = Pair::new(&settings, preset, &[]);
        let mut all_said = BTreeSet::new();
        for (number, (audience, client)) in
            [(API, CLIENT), (OTHER, CLIENT), (CLIENT, CLIENT), ("", CLIENT), (OTHER, "other"), ("x", "other")]
                .into_iter()
                .enumerate()
        {
            // Of the form of GitHub's, which tells its own by that.
            let token = format!("gho_0123456789{number}");
            let answer = answer(&settings, audience, client).to_string();
            for script in [&pair.by_settings.0, &pair.in_code.0] {
                script.set(endpoint, Reply::document(answer.clone()));
            }
            let place = format!("{settings} for {audience} of {client}");
            all_said.insert(pair.say(&token, &place).await);
        }
        assert!(all_said.iter().any(|said| said.starts_with("good")), "{settings}: {all_said:?}");
        let urls = pair.by_settings.0.urls();
        assert!(urls.iter().any(|url| url.starts_with(endpoint)), "{settings}: {urls:?}");
    }
}

/// An answer that has whatever any of them expects.
fn answer(settings: &Value, audience: &str, client: &str) -> Value {
    let issuer = match settings["provider"].as_str() {
        Some("propelauth") => "https://auth.example.com/oauth/2.1",
        Some("clerk") => "https://clerk.example.com",
        Some("salesforce") => "https://acme.my.salesforce.com",
        Some("google") => "https://accounts.google.com",
        Some("workos") => "https://auth.example.com",
        _ => "https://idp.example.com",
    };
    let mut answer = json!({
        "active": true, "iss": issuer, "sub": "alice", "client_id": client, "scope": "read",
        "exp": START + 3_600, "expires_in": 3_600, "account_id": "alice",
        "azp": client, "resource_owner_id": 1, "expires": "2026-01-02T00:00:00Z", "scopes": ["read"],
        "application": { "id": client, "uid": client }, "app": { "client_id": client },
        "user": { "id": 1, "login": "alice" },
    });
    if !audience.is_empty() {
        answer["aud"] = audience.into();
    }
    answer
}

#[test]
fn no_provider_is_left_out() {
    let asked = all_asked().into_iter().map(|asked| asked.settings);
    let here = all_signed().into_iter().map(|signed| signed.settings).chain(asked);
    let here: BTreeSet<String> =
        here.map(|settings| settings["provider"].as_str().unwrap().to_owned()).collect();
    let rows = PAGE.lines().skip_while(|line| *line != "| provider | how | needs | takes besides |").skip(2);
    let listed: BTreeSet<String> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('`').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(here, listed);
}
