//! Every provider by name, against tokens and answers of the form that it documents, at its own addresses.

#![cfg(all(
    feature = "github",
    feature = "introspection",
    feature = "testing",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

#[path = "common/keys.rs"]
mod script;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use script::{App, Reply, Script};
use serde_json::{Value, json};
use tower_bearer::error::BuildErrorKind;
use tower_bearer::providers::{self, AUTH0_PERMISSIONS, KEYCLOAK_REALM_ROLES};
use tower_bearer::testing::{TestClock, TestIssuer};
use tower_bearer::verifier::{BoxVerifier, JwtVerifierBuilder, Verdict};
use tower_bearer::{Algorithm, BearerToken, BuildError, TokenVerifier};

const API: &str = "https://api.example.com";
/// 2026-01-01T00:00:00Z, where the test clock begins.
const START: u64 = 1_767_225_600;
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const OTHER_TENANT: &str = "5d929ae3-b37c-46aa-a3c8-c1558902f101";
const APPLICATION: &str = "6e74172b-be56-4843-9ff4-e66a39bb12e3";
const OTHER_APPLICATION: &str = "0f5ad2a5-8f3d-4ab6-b1d1-4ab3a3aa7f6e";
const FOR_ALL_TENANTS: &str = "2d4d11a2-f814-46a7-890a-274a72a7309e";
const CLIENT: &str = "a1b2c3d4-0000-4000-8000-aabbccddeeff";
/// Of the form of a token of GitHub, which tells its own by that. Other providers' have any.
const OPAQUE: &str = "gho_S3cr3tCanary0123456789abcdefghijklmnop";
/// Nothing of it may get into an address.
const HOSTILE: [&str; 11] =
    ["", " ", "a/b", "evil.com#", "../x", "{x}", "a b", "\u{e4}", "a?b", "a@b", "https://"];

/// What a good token says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Says {
    issuer: &'static str,
    subject: &'static str,
    client: Option<&'static str>,
    scopes: &'static str,
    audiences: &'static [&'static str],
}

impl Says {
    fn check(self, verdict: &Verdict, place: &str) {
        let token = verdict.as_ref().unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(token.issuer(), Some(self.issuer), "{place}");
        assert_eq!(token.subject(), Some(self.subject), "{place}");
        assert_eq!(token.client(), self.client, "{place}");
        assert_eq!(token.scopes().as_str(), self.scopes, "{place}");
        assert!(token.audiences().eq(self.audiences.iter().copied()), "{place}");
    }
}

/// A provider whose tokens are signed.
struct Signed {
    name: &'static str,
    preset: fn() -> JwtVerifierBuilder,
    /// Where the metadata are, if they are asked for, and the issuer that they name.
    metadata: Option<(&'static str, &'static str)>,
    keys: &'static str,
    /// The claims of a token that is as the provider documents it, without the dates.
    good: Value,
    says: Says,
    /// What makes another good token of it.
    variants: Vec<Value>,
    /// What makes a bad one of it, and why it is one. `null` leaves a claim out.
    bad: Vec<(&'static str, Value, &'static str)>,
    /// What is to be there, besides what every token needs.
    required: &'static [&'static str],
}

/// Members with some of them changed; `null` leaves one out.
fn merged(members: &Value, changes: &Value) -> Value {
    let mut members = members.clone();
    for (name, value) in changes.as_object().unwrap() {
        members[name] = value.clone();
    }
    members.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    members
}

/// Claims with their dates, unless they have some.
fn dated(claims: &Value) -> Value {
    match claims.get("iat") {
        Some(_) => claims.clone(),
        None => merged(claims, &json!({ "iat": START - 60, "exp": START + 3_600 })),
    }
}

/// Claims with some of them changed; `null` leaves one out.
fn changed(claims: &Value, changes: &Value) -> Value {
    merged(&dated(claims), changes)
}

/// Good, or the name of what is wrong.
fn outcome(verdict: &Verdict) -> &'static str {
    verdict.as_ref().map_or_else(|error| error.kind().as_str(), |_| "good")
}

/// The key of all providers, and the internet.
struct World {
    issuer: TestIssuer,
    script: Script,
    clock: TestClock,
    /// What the header of a token says about its type.
    typ: &'static str,
}

impl World {
    async fn new() -> Self {
        let clock = TestClock::new();
        let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
        Self { issuer, script: Script::new(), clock, typ: "JWT" }
    }

    /// One in which a provider is up.
    async fn of(provider: &Signed) -> Self {
        let typ = if provider.name == "clerk_jwt" { "at+jwt" } else { "JWT" };
        let world = Self { typ, ..Self::new().await };
        world.script.set(provider.keys, Reply::document(world.issuer.jwk_set()));
        if let Some((url, issuer)) = provider.metadata {
            let metadata = json!({ "issuer": issuer, "jwks_uri": provider.keys });
            world.script.set(url, Reply::document(metadata.to_string()));
        }
        world
    }

    fn mint(&self, claims: &Value) -> String {
        self.mint_with(Algorithm::Rs256, claims)
    }

    fn mint_with(&self, algorithm: Algorithm, claims: &Value) -> String {
        let mut header = json!({ "alg": algorithm.name(), "typ": self.typ });
        if let Some(id) = self.issuer.key_id(algorithm) {
            header["kid"] = id.into();
        }
        let payload = dated(claims).to_string();
        self.issuer.sign(algorithm, header.to_string().as_bytes(), payload.as_bytes())
    }

    fn set_up(&self, builder: JwtVerifierBuilder) -> impl TokenVerifier + Clone + 'static {
        builder.http_client(self.script.clone()).clock(self.clock.clone()).build().unwrap()
    }

    async fn verify(&self, builder: JwtVerifierBuilder, claims: &Value) -> Verdict {
        self.set_up(builder).verify(&BearerToken::new(&self.mint(claims)).unwrap()).await
    }
}

fn auth0() -> Signed {
    let good = json!({
        "iss": "https://acme.eu.auth0.com/",
        "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "aud": [API, "https://acme.eu.auth0.com/userinfo"],
        "azp": "my_client_id",
        "scope": "openid profile read:files",
        "permissions": ["write:files"],
    });
    Signed {
        name: "auth0",
        preset: || providers::auth0("acme.eu.auth0.com", API),
        metadata: Some((
            "https://acme.eu.auth0.com/.well-known/openid-configuration",
            "https://acme.eu.auth0.com/",
        )),
        keys: "https://acme.eu.auth0.com/.well-known/jwks.json",
        says: Says {
            issuer: "https://acme.eu.auth0.com/",
            subject: "auth0|5f7c8ec7c33c6c004bbafe82",
            client: Some("my_client_id"),
            scopes: "openid profile read:files",
            audiences: &[API, "https://acme.eu.auth0.com/userinfo"],
        },
        variants: vec![
            json!({ "aud": API }),
            // A machine.
            json!({ "aud": API, "sub": "my_client_id@clients", "gty": "client-credentials", "scope": null }),
        ],
        bad: vec![
            ("another tenant", json!({ "iss": "https://other.eu.auth0.com/" }), "issuer"),
            ("an ID token", json!({ "aud": "my_client_id", "azp": null, "nonce": "n" }), "audience"),
            ("an ID token with a hash", json!({ "at_hash": "x" }), "claim"),
            (
                "a token for userinfo alone",
                json!({ "aud": "https://acme.eu.auth0.com/userinfo" }),
                "audience",
            ),
        ],
        required: &["sub"],
        good,
    }
}

fn authkit() -> Signed {
    let good = json!({
        "iss": "https://acme.authkit.app",
        "sub": "user_01HXYZ",
        "aud": "https://api.example.com/mcp",
        "sid": "session_01HXYZ",
        "jti": "01HXYZ",
        "client_id": "client_01HXYZ",
        "scope": "openid email",
    });
    Signed {
        name: "authkit",
        preset: || providers::authkit("acme.authkit.app", "https://api.example.com/mcp"),
        metadata: None,
        keys: "https://acme.authkit.app/oauth2/jwks",
        says: Says {
            issuer: "https://acme.authkit.app",
            subject: "user_01HXYZ",
            client: Some("client_01HXYZ"),
            scopes: "openid email",
            audiences: &["https://api.example.com/mcp"],
        },
        variants: vec![json!({ "aud": ["client_01HXYZ", "https://api.example.com/mcp"] })],
        bad: vec![
            ("another environment", json!({ "iss": "https://other.authkit.app" }), "issuer"),
            (
                "a session token",
                json!({ "iss": "https://api.workos.com/user_management/client_01HXYZ" }),
                "issuer",
            ),
            ("an ID token", json!({ "aud": "client_01HXYZ" }), "audience"),
        ],
        required: &["sub"],
        good,
    }
}

fn clerk_jwt() -> Signed {
    let good = json!({
        "iss": "https://clerk.example.com",
        "sub": "user_2xhFjEI5X2qW",
        "client_id": "client_2xhFjEI5X2qW",
        "scope": "openid email profile",
        "jti": "oat_2xhFjEI5X2qW",
        "nbf": START - 70,
    });
    Signed {
        name: "clerk_jwt",
        preset: || providers::clerk_jwt("clerk.example.com", "client_2xhFjEI5X2qW"),
        metadata: None,
        keys: "https://clerk.example.com/.well-known/jwks.json",
        says: Says {
            issuer: "https://clerk.example.com",
            subject: "user_2xhFjEI5X2qW",
            client: Some("client_2xhFjEI5X2qW"),
            scopes: "openid email profile",
            audiences: &[],
        },
        variants: vec![
            json!({ "scope": null, "scp": ["openid", "email"] }),
            json!({ "aud": "client_2xhFjEI5X2qW" }),
        ],
        bad: vec![
            ("another instance", json!({ "iss": "https://other.clerk.accounts.dev" }), "issuer"),
            ("another application", json!({ "client_id": "client_other" }), "audience"),
            ("another resource", json!({ "aud": "https://other.example.com" }), "audience"),
            ("a session token", json!({ "client_id": null, "azp": "https://app.example.com" }), "audience"),
            ("no application", json!({ "aud": "client_2xhFjEI5X2qW", "client_id": null }), "claim"),
            (
                "a token of a machine",
                json!({ "aud": ["mch_1", "mch_2"], "client_id": null, "sub": "mch_3" }),
                "audience",
            ),
        ],
        required: &["sub"],
        good,
    }
}

fn cognito() -> Signed {
    let good = json!({
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["editors"],
        "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
        "client_id": "1example23456789",
        "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin files/read",
        "auth_time": START - 60,
        "jti": "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee",
        "username": "alice",
        "version": 2,
    });
    Signed {
        name: "cognito",
        preset: || providers::cognito("eu-central-1_AbCdEfGhI", "1example23456789"),
        metadata: None,
        keys: "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI/.well-known/jwks.json",
        says: Says {
            issuer: "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
            subject: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            client: Some("1example23456789"),
            scopes: "aws.cognito.signin.user.admin files/read",
            audiences: &[],
        },
        variants: vec![
            // A machine.
            json!({ "sub": "1example23456789", "username": null, "cognito:groups": null }),
            // The updated issuer.
            json!({ "iss": "https://issuer-cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI" }),
        ],
        bad: vec![
            (
                "another pool",
                json!({ "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Other" }),
                "issuer",
            ),
            (
                "another region",
                json!({ "iss": "https://cognito-idp.us-east-1.amazonaws.com/eu-central-1_AbCdEfGhI" }),
                "issuer",
            ),
            ("another client", json!({ "client_id": "2example23456789" }), "audience"),
            ("no client", json!({ "client_id": null }), "audience"),
            ("another resource", json!({ "aud": "https://other.example.com" }), "audience"),
            (
                "an ID token",
                json!({ "aud": "1example23456789", "client_id": null, "token_use": "id", "scope": null }),
                "claim",
            ),
            ("an ID token that also names us as its client", json!({ "token_use": "id" }), "claim"),
        ],
        required: &["sub", "token_use"],
        good,
    }
}

fn descope() -> Signed {
    let good = json!({
        "iss": "https://api.descope.com/v1/apps/P2abcDEFghi",
        "sub": "U2abcDEFghi",
        "aud": ["P2abcDEFghi", "https://api.example.com/mcp"],
        "azp": "TPA2abcDEFghi",
        "scope": "mcp:calendar.read",
        "permissions": ["files.read"],
        "amr": ["email"],
    });
    Signed {
        name: "descope",
        preset: || providers::descope("P2abcDEFghi", "https://api.example.com/mcp"),
        metadata: None,
        keys: "https://api.descope.com/P2abcDEFghi/.well-known/jwks.json",
        says: Says {
            issuer: "https://api.descope.com/v1/apps/P2abcDEFghi",
            subject: "U2abcDEFghi",
            client: Some("TPA2abcDEFghi"),
            scopes: "mcp:calendar.read",
            audiences: &["P2abcDEFghi", "https://api.example.com/mcp"],
        },
        variants: vec![json!({ "aud": "https://api.example.com/mcp" })],
        bad: vec![
            ("another project", json!({ "iss": "https://api.descope.com/v1/apps/P2other" }), "issuer"),
            (
                "a session token",
                json!({ "iss": "https://api.descope.com/P2abcDEFghi", "scope": null }),
                "issuer",
            ),
            ("a session token of old form", json!({ "iss": "P2abcDEFghi", "scope": null }), "issuer"),
            (
                "an MCP server of which nothing was said",
                json!({ "iss": "https://api.descope.com/v1/apps/agentic/P2abcDEFghi/M2abc" }),
                "issuer",
            ),
            ("a token for the project", json!({ "aud": "P2abcDEFghi" }), "audience"),
            ("an ID token", json!({ "aud": "TPA2abcDEFghi", "scope": null }), "audience"),
            ("a refresh token", json!({ "drn": "DSR" }), "claim"),
        ],
        required: &["scope", "sub"],
        good,
    }
}

/// What both versions of the tokens of Entra have.
fn entra_claims(issuer: &str, tenant: &str) -> Value {
    json!({
        "aud": APPLICATION,
        "iss": issuer,
        "aio": "AXQAi/8IAAAA",
        "azp": CLIENT,
        "azpacr": "0",
        "name": "Alice",
        "oid": "00000000-0000-0000-66f3-3332eca7ea81",
        "preferred_username": "alice@example.com",
        "scp": "files.read files.write",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": tenant,
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    })
}

/// What makes a token of version 1.0 of one of version 2.0.
fn version_1(issuer: &str) -> Value {
    json!({
        "iss": issuer,
        "aud": format!("api://{APPLICATION}"),
        "azp": null,
        "azpacr": null,
        "appid": CLIENT,
        "appidacr": "0",
        "ver": "1.0",
    })
}

/// What is wrong with tokens in the same way in each of Microsoft's clouds.
fn bad_for_entra() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("another application", json!({ "aud": OTHER_APPLICATION }), "audience"),
        ("the graph of Microsoft", json!({ "aud": "https://graph.microsoft.com" }), "audience"),
        ("an ID token", json!({ "azp": null, "azpacr": null, "scp": null, "nonce": "n" }), "claim"),
        ("an ID token with roles", json!({ "azp": null, "scp": null, "roles": ["admin"] }), "claim"),
        (
            "a token of an application to which nothing was given",
            json!({ "scp": null, "idtyp": "app" }),
            "claim",
        ),
    ]
}

const ENTRA: Says = Says {
    issuer: "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
    subject: "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
    client: Some(CLIENT),
    scopes: "files.read files.write",
    audiences: &[APPLICATION],
};

fn entra() -> Signed {
    let mut bad = bad_for_entra();
    bad.extend([
        (
            "another tenant",
            json!({ "iss": format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0") }),
            "issuer",
        ),
        (
            "another tenant, version 1.0",
            json!({ "iss": format!("https://sts.windows.net/{OTHER_TENANT}/") }),
            "issuer",
        ),
        ("no slash", json!({ "iss": format!("https://sts.windows.net/{TENANT}") }), "issuer"),
    ]);
    Signed {
        name: "entra",
        preset: || providers::entra(TENANT, APPLICATION),
        metadata: None,
        keys: "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/discovery/v2.0/keys",
        good: entra_claims(ENTRA.issuer, TENANT),
        says: ENTRA,
        variants: vec![
            json!({ "aud": format!("api://{APPLICATION}") }),
            version_1(&format!("https://sts.windows.net/{TENANT}/")),
            json!({ "scp": null, "roles": ["files.read.all"], "idtyp": "app", "sub": "service" }),
        ],
        bad,
        required: &["azp", "scp", "sub"],
    }
}

fn entra_us_government() -> Signed {
    let issuer = "https://login.microsoftonline.us/a0b1c2d3-0000-4000-8000-000000000001/v2.0";
    let mut bad = bad_for_entra();
    bad.extend([("the global cloud", json!({ "iss": ENTRA.issuer }), "issuer")]);
    Signed {
        name: "entra_us_government",
        preset: || providers::entra_us_government("a0b1c2d3-0000-4000-8000-000000000001", APPLICATION),
        metadata: None,
        keys: "https://login.microsoftonline.us/a0b1c2d3-0000-4000-8000-000000000001/discovery/v2.0/keys",
        good: entra_claims(issuer, "a0b1c2d3-0000-4000-8000-000000000001"),
        says: Says { issuer, ..ENTRA },
        variants: vec![version_1("https://sts.windows.net/a0b1c2d3-0000-4000-8000-000000000001/")],
        bad,
        required: &["azp", "scp", "sub"],
    }
}

fn entra_china() -> Signed {
    let issuer = "https://login.partner.microsoftonline.cn/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    let mut bad = bad_for_entra();
    bad.extend([("the global cloud", json!({ "iss": ENTRA.issuer }), "issuer")]);
    Signed {
        name: "entra_china",
        preset: || providers::entra_china(TENANT, APPLICATION),
        metadata: None,
        keys: "https://login.partner.microsoftonline.cn/72f988bf-86f1-41af-91ab-2d7cd011db47/discovery/v2.0/keys",
        good: entra_claims(issuer, TENANT),
        says: Says { issuer, ..ENTRA },
        variants: vec![version_1(&format!("https://sts.chinacloudapi.cn/{TENANT}/"))],
        bad,
        required: &["azp", "scp", "sub"],
    }
}

fn entra_any_tenant() -> Signed {
    let other = format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0");
    // Another application than that of `entra`, so that the two are told apart.
    let good = changed(&entra_claims(ENTRA.issuer, TENANT), &json!({ "aud": FOR_ALL_TENANTS }));
    Signed {
        name: "entra_any_tenant",
        preset: || providers::entra_any_tenant(FOR_ALL_TENANTS),
        metadata: None,
        keys: "https://login.microsoftonline.com/common/discovery/v2.0/keys",
        says: Says { audiences: &[FOR_ALL_TENANTS], ..ENTRA },
        variants: vec![
            json!({ "iss": format!("https://sts.windows.net/{TENANT}/"), "azp": null, "appid": CLIENT, "ver": "1.0" }),
            json!({ "aud": format!("api://{FOR_ALL_TENANTS}") }),
        ],
        bad: vec![
            ("a tenant that it does not name", json!({ "iss": other }), "issuer"),
            ("a tenant that is named by nobody", json!({ "tid": OTHER_TENANT }), "issuer"),
            ("no tenant", json!({ "tid": null }), "issuer"),
            (
                "a path",
                json!({ "iss": "https://login.microsoftonline.com/a/b/v2.0", "tid": "a/b" }),
                "issuer",
            ),
            ("all tenants", json!({ "iss": "https://login.microsoftonline.com/common/v2.0" }), "issuer"),
            ("another application", json!({ "aud": APPLICATION }), "audience"),
            ("an ID token", json!({ "azp": null, "scp": null }), "claim"),
            ("nothing was given", json!({ "scp": null }), "claim"),
        ],
        required: &["azp", "scp", "sub"],
        good,
    }
}

fn entra_b2c() -> Signed {
    let issuer = "https://contoso.b2clogin.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0/";
    let good = json!({
        "iss": issuer,
        "aud": APPLICATION,
        "oid": "1558f87f-452b-4757-bcd1-883000000000",
        "sub": "1558f87f-452b-4757-bcd1-883000000000",
        "name": "David",
        "tfp": "B2C_1_signupsignin1",
        "nonce": "anyRandomValue",
        "scp": "read",
        "azp": CLIENT,
        "ver": "1.0",
    });
    Signed {
        name: "entra_b2c",
        preset: || providers::entra_b2c("contoso", TENANT, "B2C_1_signupsignin1", APPLICATION),
        metadata: None,
        keys: "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_signupsignin1/discovery/v2.0/keys",
        says: Says {
            issuer,
            subject: "1558f87f-452b-4757-bcd1-883000000000",
            client: Some(CLIENT),
            scopes: "read",
            audiences: &[APPLICATION],
        },
        variants: vec![json!({ "scp": "read write", "nonce": null })],
        bad: vec![
            (
                "another tenant",
                json!({ "iss": format!("https://contoso.b2clogin.com/{OTHER_TENANT}/v2.0/") }),
                "issuer",
            ),
            ("another policy", json!({ "tfp": "B2C_1_edit_profile" }), "claim"),
            ("a policy that is spelled otherwise", json!({ "tfp": "b2c_1_signupsignin1" }), "claim"),
            ("a policy in the old place", json!({ "tfp": null, "acr": "B2C_1_signupsignin1" }), "claim"),
            ("another application", json!({ "aud": OTHER_APPLICATION }), "audience"),
            ("an ID token", json!({ "azp": null, "scp": null }), "claim"),
            ("Entra ID itself", json!({ "iss": ENTRA.issuer }), "issuer"),
        ],
        required: &["azp", "scp", "sub", "tfp"],
        good,
    }
}

fn entra_external_id() -> Signed {
    let issuer = "https://72f988bf-86f1-41af-91ab-2d7cd011db47.ciamlogin.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    let mut bad = bad_for_entra();
    bad.extend([
        (
            "another tenant",
            json!({ "iss": format!("https://{OTHER_TENANT}.ciamlogin.com/{OTHER_TENANT}/v2.0") }),
            "issuer",
        ),
        ("version 1.0", version_1(&format!("https://sts.windows.net/{TENANT}/")), "issuer"),
        ("a workforce tenant", json!({ "iss": ENTRA.issuer }), "issuer"),
    ]);
    Signed {
        name: "entra_external_id",
        preset: || providers::entra_external_id("contoso", TENANT, APPLICATION),
        metadata: None,
        keys: "https://contoso.ciamlogin.com/72f988bf-86f1-41af-91ab-2d7cd011db47/discovery/v2.0/keys",
        good: entra_claims(issuer, TENANT),
        says: Says { issuer, ..ENTRA },
        variants: vec![json!({ "scp": null, "roles": ["files.read.all"] })],
        bad,
        required: &["azp", "scp", "sub"],
    }
}

fn google_id_tokens() -> Signed {
    let good = json!({
        "iss": "https://accounts.google.com",
        "azp": "123-abc.apps.googleusercontent.com",
        "aud": "123-abc.apps.googleusercontent.com",
        "sub": "110169484474386276334",
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "hd": "example.com",
        "email": "alice@example.com",
        "email_verified": true,
        "nonce": "0394852-3190485-2490358",
    });
    Signed {
        name: "google_id_tokens",
        preset: || providers::google_id_tokens("123-abc.apps.googleusercontent.com"),
        metadata: Some((
            "https://accounts.google.com/.well-known/openid-configuration",
            "https://accounts.google.com",
        )),
        keys: "https://www.googleapis.com/oauth2/v3/certs",
        says: Says {
            issuer: "https://accounts.google.com",
            subject: "110169484474386276334",
            client: Some("123-abc.apps.googleusercontent.com"),
            scopes: "",
            audiences: &["123-abc.apps.googleusercontent.com"],
        },
        variants: vec![
            json!({ "iss": "accounts.google.com" }),
            // A service account: no hash, and itself for a client.
            json!({ "azp": "110169484474386276334", "at_hash": null, "hd": null, "nonce": null }),
        ],
        bad: vec![
            ("another client", json!({ "aud": "456-def.apps.googleusercontent.com" }), "audience"),
            ("our client in the wrong place", json!({ "aud": "https://other.example.com" }), "audience"),
            ("plain text", json!({ "iss": "http://accounts.google.com" }), "issuer"),
            ("a project of Firebase", json!({ "iss": "https://securetoken.google.com/acme" }), "issuer"),
        ],
        required: &["sub"],
        good,
    }
}

fn keycloak() -> Signed {
    let good = json!({
        "iss": "https://sso.example.com/realms/acme",
        "jti": "onrtac:9c9ddcbb",
        "aud": ["my-api", "account"],
        "sub": "f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e",
        "typ": "Bearer",
        "azp": "my-app",
        "sid": "4c0a3a8a-3a47-4f2f-8e89-9e5f9b0a0a0a",
        "acr": "1",
        "allowed-origins": ["https://app.example.com"],
        "realm_access": { "roles": ["operator", "default-roles-acme"] },
        "resource_access": { "my-api": { "roles": ["reader"] }, "account": { "roles": ["view-profile"] } },
        "scope": "openid files.read",
        "preferred_username": "ada",
    });
    Signed {
        name: "keycloak",
        preset: || providers::keycloak("https://sso.example.com", "acme", "my-api"),
        metadata: Some((
            "https://sso.example.com/realms/acme/.well-known/openid-configuration",
            "https://sso.example.com/realms/acme",
        )),
        keys: "https://sso.example.com/realms/acme/protocol/openid-connect/certs",
        says: Says {
            issuer: "https://sso.example.com/realms/acme",
            subject: "f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e",
            client: Some("my-app"),
            scopes: "openid files.read",
            audiences: &["my-api", "account"],
        },
        variants: vec![json!({ "aud": "my-api" })],
        bad: vec![
            ("another realm", json!({ "iss": "https://sso.example.com/realms/master" }), "issuer"),
            ("another path", json!({ "iss": "https://sso.example.com/auth/realms/acme" }), "issuer"),
            ("what Keycloak makes by default", json!({ "aud": "account" }), "audience"),
            ("our name as that of the client", json!({ "aud": "account", "azp": "my-api" }), "audience"),
            ("an ID token", json!({ "typ": "ID", "at_hash": "x" }), "claim"),
            ("an ID token without a hash", json!({ "typ": "ID" }), "claim"),
            ("a refresh token", json!({ "typ": "Refresh" }), "claim"),
            ("a token that is bound to a key", json!({ "typ": "DPoP" }), "claim"),
        ],
        required: &["sub", "typ"],
        good,
    }
}

fn oci() -> Signed {
    let good = json!({
        "iss": "https://identity.oraclecloud.com/",
        "aud": "https://api.example.com/",
        "sub": "alice@example.com",
        "sub_type": "user",
        "tok_type": "AT",
        "client_id": "f0ec2a1d",
        "client_guid": "0f6b",
        "client_tenantname": "idcs-0123",
        "user_tenantname": "idcs-0123",
        "tenant": "idcs-0123",
        "scope": "files.read",
        "jti": "f4a1",
    });
    Signed {
        name: "oci",
        preset: || providers::oci("https://idcs-0123.identity.oraclecloud.com", "https://api.example.com/"),
        metadata: None,
        keys: "https://idcs-0123.identity.oraclecloud.com/admin/v1/SigningCert/jwk",
        says: Says {
            issuer: "https://idcs-0123.identity.oraclecloud.com",
            subject: "alice@example.com",
            client: Some("f0ec2a1d"),
            scopes: "files.read",
            audiences: &["https://api.example.com/"],
        },
        variants: vec![
            json!({ "iss": "https://idcs-0123.identity.oraclecloud.com" }),
            json!({ "iss": "https://identity.oraclecloud.com" }),
            json!({ "sub": "f0ec2a1d", "sub_type": "client", "user_tenantname": null }),
        ],
        bad: vec![
            ("another domain", json!({ "iss": "https://idcs-4567.identity.oraclecloud.com" }), "issuer"),
            ("two slashes", json!({ "iss": "https://identity.oraclecloud.com//" }), "issuer"),
            ("not encrypted", json!({ "iss": "http://identity.oraclecloud.com/" }), "issuer"),
            ("another API", json!({ "aud": "https://idcs-0123.identity.oraclecloud.com" }), "audience"),
            (
                "an ID token",
                json!({ "tok_type": "IT", "aud": ["https://identity.oraclecloud.com/", "f0ec2a1d"] }),
                "audience",
            ),
            ("an ID token that names us", json!({ "tok_type": "IT" }), "claim"),
        ],
        required: &["sub", "tok_type"],
        good,
    }
}

fn okta() -> Signed {
    let good = json!({
        "ver": 1,
        "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "iss": "https://acme.okta.com/oauth2/default",
        "aud": "api://default",
        "sub": "alice@example.com",
        "cid": "0oabucvyc38HLL1ef0h7",
        "uid": "00uixa271s6x7qt8I0h7",
        "scp": ["openid", "files.read"],
        "auth_time": START - 60,
    });
    Signed {
        name: "okta",
        preset: || providers::okta("acme.okta.com", "default", "api://default"),
        metadata: Some((
            "https://acme.okta.com/oauth2/default/.well-known/openid-configuration",
            "https://acme.okta.com/oauth2/default",
        )),
        keys: "https://acme.okta.com/oauth2/default/v1/keys",
        says: Says {
            issuer: "https://acme.okta.com/oauth2/default",
            subject: "alice@example.com",
            client: Some("0oabucvyc38HLL1ef0h7"),
            scopes: "openid files.read",
            audiences: &["api://default"],
        },
        variants: vec![json!({ "sub": "0oabucvyc38HLL1ef0h7", "uid": null, "scp": ["files.read"] })],
        bad: vec![
            ("another org", json!({ "iss": "https://other.okta.com/oauth2/default" }), "issuer"),
            (
                "another authorization server",
                json!({ "iss": "https://acme.okta.com/oauth2/aus9o8" }),
                "issuer",
            ),
            ("the org authorization server", json!({ "iss": "https://acme.okta.com" }), "issuer"),
            ("Okta itself", json!({ "aud": "https://acme.okta.com" }), "audience"),
            ("an ID token", json!({ "aud": "0oabucvyc38HLL1ef0h7", "cid": null, "scp": null }), "audience"),
            ("an ID token that names us", json!({ "cid": null, "scp": null }), "claim"),
        ],
        required: &["cid", "sub"],
        good,
    }
}

fn scalekit() -> Signed {
    let good = json!({
        "iss": "https://acme.scalekit.com/resources/res_123456789",
        "aud": ["res_123456789", "https://api.example.com/mcp"],
        "sub": "usr_123",
        "client_id": "m2morg_123",
        "jti": "tkn_123",
        "scope": "todo:read",
    });
    Signed {
        name: "scalekit",
        preset: || providers::scalekit("https://acme.scalekit.com", "res_123456789"),
        metadata: None,
        keys: "https://acme.scalekit.com/keys",
        says: Says {
            issuer: "https://acme.scalekit.com/resources/res_123456789",
            subject: "usr_123",
            client: Some("m2morg_123"),
            scopes: "todo:read",
            audiences: &["res_123456789", "https://api.example.com/mcp"],
        },
        variants: vec![json!({ "iss": "https://acme.scalekit.com" }), json!({ "aud": "res_123456789" })],
        bad: vec![
            ("another environment", json!({ "iss": "https://other.scalekit.com" }), "issuer"),
            ("another resource", json!({ "iss": "https://acme.scalekit.com/resources/res_9" }), "issuer"),
            ("for another resource", json!({ "aud": ["res_9"] }), "audience"),
            ("the URL of the resource", json!({ "aud": "https://api.example.com/mcp" }), "audience"),
            ("an ID token", json!({ "iss": "https://acme.scalekit.com", "aud": "skc_123" }), "audience"),
        ],
        required: &["sub"],
        good,
    }
}

fn supabase() -> Signed {
    let good = json!({
        "iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
        "aud": "authenticated",
        "sub": "123e4567-e89b-12d3-a456-426614174000",
        "role": "authenticated",
        "aal": "aal1",
        "session_id": "6f4c5d7e-0000-4000-8000-000000000000",
        "email": "alice@example.com",
        "phone": "",
        "is_anonymous": false,
        "app_metadata": { "provider": "email" },
        "user_metadata": {},
        "amr": [{ "method": "password", "timestamp": START - 60 }],
    });
    Signed {
        name: "supabase",
        preset: || providers::supabase("https://abcdefghijklmnopqrst.supabase.co"),
        metadata: None,
        keys: "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json",
        says: Says {
            issuer: "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
            subject: "123e4567-e89b-12d3-a456-426614174000",
            client: None,
            scopes: "",
            audiences: &["authenticated"],
        },
        variants: vec![json!({ "aud": ["authenticated"] }), json!({ "is_anonymous": true })],
        bad: vec![
            ("another project", json!({ "iss": "https://other.supabase.co/auth/v1" }), "issuer"),
            (
                "the key `anon`",
                json!({ "iss": "supabase", "aud": null, "role": "anon", "sub": null }),
                "issuer",
            ),
            ("somebody who is not logged in", json!({ "aud": "anon", "role": "anon" }), "audience"),
            ("a role that is more than a user's", json!({ "role": "service_role" }), "claim"),
            ("an ID token", json!({ "aud": "9a8b7c6d-client" }), "audience"),
        ],
        required: &["role", "sub"],
        good,
    }
}

fn signed() -> Vec<Signed> {
    vec![
        auth0(),
        authkit(),
        clerk_jwt(),
        cognito(),
        descope(),
        entra(),
        entra_any_tenant(),
        entra_b2c(),
        entra_china(),
        entra_external_id(),
        entra_us_government(),
        google_id_tokens(),
        keycloak(),
        oci(),
        okta(),
        scalekit(),
        supabase(),
    ]
}

#[tokio::test]
async fn a_token_as_the_provider_documents_it_is_good_and_says_what_it_says() {
    for provider in signed() {
        let Signed { name, preset, says, .. } = provider;
        let world = World::of(&provider).await;
        says.check(&world.verify(preset(), &provider.good).await, name);
        let mut expected: Vec<&str> = provider.metadata.iter().map(|(url, _)| *url).collect();
        expected.push(provider.keys);
        assert_eq!(world.script.urls(), expected, "{name}");
        assert!(world.script.asked().iter().all(|asked| asked.method == Method::GET), "{name}");
        for (number, changes) in provider.variants.iter().enumerate() {
            let verdict = world.verify(preset(), &changed(&provider.good, changes)).await;
            let place = format!("{name}, variant {number}");
            let token = verdict.as_ref().unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(token.issuer(), Some(says.issuer), "{place}");
            // Another claim may say it; another client in the same claim is another one.
            let client = changes.get("azp").and_then(Value::as_str).or(says.client);
            assert_eq!(token.client(), client, "{place}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_for_something_else_is_refused() {
    for provider in signed() {
        let Signed { name, preset, good, .. } = &provider;
        let world = World::of(&provider).await;
        for (what, changes, kind) in &provider.bad {
            let verdict = world.verify(preset(), &changed(good, changes)).await;
            assert_eq!(outcome(&verdict), *kind, "{name}: {what}");
        }
    }
}

#[tokio::test]
async fn what_every_token_needs_the_tokens_of_each_provider_need() {
    for provider in signed() {
        let Signed { name, preset, good, .. } = &provider;
        let world = World::of(&provider).await;
        let issuer = good["iss"].as_str().unwrap();
        let spelled = issuer.strip_suffix('/').map_or_else(|| format!("{issuer}/"), str::to_owned);
        for (what, changes, kind) in [
            ("expired", json!({ "exp": START - 3_600 }), "expired"),
            ("without an end", json!({ "exp": null }), "claim"),
            ("of the future", json!({ "nbf": START + 600 }), "not_yet_valid"),
            ("without an issuer", json!({ "iss": null }), "issuer"),
            // Oracle writes it in both ways.
            (
                "another spelling of the issuer",
                json!({ "iss": spelled }),
                if *name == "oci" { "good" } else { "issuer" },
            ),
            ("two issuers", json!({ "iss": [issuer] }), "issuer"),
            ("another provider", json!({ "iss": "https://idp.example.com" }), "issuer"),
            ("another audience", json!({ "aud": "https://other.example.com" }), "audience"),
            (
                "an audience that begins alike",
                json!({ "aud": format!("{API}.evil.example.com") }),
                "audience",
            ),
            ("no audience among none", json!({ "aud": [] }), "audience"),
            ("bound to a key", json!({ "cnf": { "jkt": "x" } }), "claim"),
            ("a logout token", json!({ "events": {} }), "claim"),
            ("a refresh token", json!({ "token_type": "refresh" }), "claim"),
        ] {
            let verdict = world.verify(preset(), &changed(good, &changes)).await;
            assert_eq!(outcome(&verdict), kind, "{name}: {what}");
        }
        for claim in provider.required {
            let verdict = world.verify(preset(), &changed(good, &json!({ *claim: null }))).await;
            assert_eq!(outcome(&verdict), "claim", "{name} without `{claim}`");
        }
        let without = changed(good, &json!({ "aud": null, "client_id": null, "azp": null }));
        assert_eq!(outcome(&world.verify(preset(), &without).await), "audience", "{name}");
        if *name != "google_id_tokens" {
            let id_token = changed(good, &json!({ "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q" }));
            assert_eq!(outcome(&world.verify(preset(), &id_token).await), "claim", "{name}");
        }
    }
}

#[tokio::test]
async fn only_the_keys_of_the_provider_make_a_token_good() {
    for provider in signed() {
        let Signed { name, preset, good, .. } = &provider;
        let world = World::of(&provider).await;
        let stranger = TestIssuer::with_clock(world.clock.clone()).await.unwrap();
        stranger.rotate_keys();
        let payload = dated(good).to_string();
        let verifier = world.set_up(preset());
        for (kid, expected) in [
            (world.issuer.key_id(Algorithm::Rs256), "signature"),
            (stranger.key_id(Algorithm::Rs256), "key_not_found"),
        ] {
            let header = json!({ "alg": "RS256", "typ": world.typ, "kid": kid }).to_string();
            let token = stranger.sign(Algorithm::Rs256, header.as_bytes(), payload.as_bytes());
            let verdict = verifier.verify(&BearerToken::new(&token).unwrap()).await;
            assert_eq!(outcome(&verdict), expected, "{name}");
        }
        let symmetric = world.mint_with(Algorithm::Hs256, good);
        assert_eq!(
            outcome(&verifier.verify(&BearerToken::new(&symmetric).unwrap()).await),
            "algorithm",
            "{name}"
        );
    }
}

#[tokio::test]
async fn no_provider_takes_the_token_of_another() {
    let all = signed();
    for provider in &all {
        let world = World::of(provider).await;
        for other in all.iter().filter(|other| other.name != provider.name) {
            let verdict = world.verify((provider.preset)(), &other.good).await;
            // Only those of Entra and those of all its tenants share an issuer.
            let shares =
                [provider.name, other.name].iter().all(|name| ["entra", "entra_any_tenant"].contains(name));
            let expected = if shares { "audience" } else { "issuer" };
            assert_eq!(outcome(&verdict), expected, "{}: {}", provider.name, other.name);
        }
    }
}

#[tokio::test]
async fn a_provider_that_is_down_rejects_nobody() {
    for provider in signed() {
        let Signed { name, preset, good, .. } = &provider;
        for reply in [Reply::Fails, Reply::status(500), Reply::status(429), Reply::document("<html>")] {
            let world = World::of(&provider).await;
            world.script.set(provider.keys, reply.clone());
            provider.metadata.iter().for_each(|(url, _)| world.script.set(*url, reply.clone()));
            assert_eq!(outcome(&world.verify(preset(), good).await), "unavailable", "{name}");
            let app = App::new(world.set_up(preset()), world.clock.clone());
            assert_eq!(app.status(&world.mint(good)).await, 503, "{name}");
            // What is wrong with a token in itself needs no keys.
            let expired = changed(good, &json!({ "exp": 1 }));
            assert_eq!(outcome(&world.verify(preset(), &expired).await), "expired", "{name}");
        }
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_are_not_believed() {
    for provider in signed() {
        let Some((url, issuer)) = provider.metadata else { continue };
        let world = World::of(&provider).await;
        let metadata = json!({ "issuer": format!("{issuer}x"), "jwks_uri": provider.keys });
        world.script.set(url, Reply::document(metadata.to_string()));
        let verdict = world.verify((provider.preset)(), &provider.good).await;
        assert_eq!(outcome(&verdict), "unavailable", "{}", provider.name);
        assert!(!world.script.urls().contains(&provider.keys.to_owned()), "{}", provider.name);
    }
}

#[tokio::test]
async fn everything_can_still_be_changed() {
    for provider in signed() {
        let Signed { name, preset, good, says, .. } = &provider;
        let world = World::of(&provider).await;
        let with_keys = || preset().jwk_set(world.issuer.jwk_set());
        says.check(&world.verify(with_keys(), good).await, name);
        assert_eq!(world.script.count(), 0, "{name}: keys that are given are not fetched");
        let two = preset().jwk_set(world.issuer.jwk_set()).jwks_uri(provider.keys).build();
        assert_eq!(
            fault(two).1,
            BuildErrorKind::Conflict,
            "{name}: the keys of the provider are no second source"
        );

        let other = changed(good, &json!({ "aud": "another" }));
        assert_eq!(outcome(&world.verify(with_keys(), &other).await), "audience", "{name}");
        assert_eq!(
            outcome(&world.verify(with_keys().add_audience("another"), &other).await),
            "good",
            "{name}"
        );
        let any = with_keys().insecure_allow_any_audience().http_client(world.script.clone()).build();
        if name.starts_with("entra") && *name != "entra_b2c" {
            // There are two already.
            assert_eq!(fault(any), ("add_audience", BuildErrorKind::Conflict), "{name}");
        } else {
            let any = with_keys().insecure_allow_any_audience();
            assert_eq!(outcome(&world.verify(any, &other).await), "good", "{name}");
        }

        // What is demanded comes on top of what the provider's tokens need.
        let more = || with_keys().required_claims(["department"]);
        assert_eq!(outcome(&world.verify(more(), good).await), "claim", "{name}");
        let complete = changed(good, &json!({ "department": "a" }));
        assert_eq!(outcome(&world.verify(more(), &complete).await), "good", "{name}");
        let incomplete = changed(&complete, &json!({ "sub": null }));
        assert_eq!(outcome(&world.verify(more(), &incomplete).await), "claim", "{name}");

        let late = changed(good, &json!({ "exp": START - 30 }));
        assert_eq!(
            outcome(&world.verify(with_keys(), &late).await),
            "good",
            "{name}: the leeway is a minute"
        );
        let strict = with_keys().leeway(Duration::ZERO);
        assert_eq!(outcome(&world.verify(strict, &late).await), "expired", "{name}");
        let elliptic = with_keys().algorithms([Algorithm::Es256]);
        assert_eq!(outcome(&world.verify(elliptic, good).await), "algorithm", "{name}");
    }
}

async fn scopes_of(builder: JwtVerifierBuilder, world: &World, claims: &Value) -> String {
    world.verify(builder, claims).await.unwrap().scopes().as_str().to_owned()
}

#[tokio::test]
async fn roles_and_permissions_are_scopes_if_that_is_said() {
    let Signed { good, preset, .. } = auth0();
    let world = World::of(&auth0()).await;
    let scopes = scopes_of(preset().add_scopes_at(AUTH0_PERMISSIONS), &world, &good).await;
    assert_eq!(scopes, "openid profile read:files write:files");

    let Signed { good, preset, .. } = keycloak();
    let world = World::of(&keycloak()).await;
    let builder = preset().add_scopes_at(KEYCLOAK_REALM_ROLES);
    let builder = builder.add_scopes_at(providers::keycloak_client_roles("my-api"));
    let scopes = scopes_of(builder, &world, &good).await;
    assert_eq!(scopes, "openid files.read operator default-roles-acme reader");
    // A client may have any name.
    let place = providers::keycloak_client_roles("a/b~c~1");
    assert_eq!(place, "/resource_access/a~1b~0c~01/roles");
    let odd = changed(&good, &json!({ "resource_access": { "a/b~c~1": { "roles": ["odd"] } } }));
    assert_eq!(scopes_of(preset().add_scopes_at(place), &world, &odd).await, "openid files.read odd");

    let Signed { good, preset, .. } = cognito();
    let world = World::of(&cognito()).await;
    let scopes = scopes_of(preset().add_scopes_at("/cognito:groups"), &world, &good).await;
    assert_eq!(scopes, "aws.cognito.signin.user.admin files/read editors");

    let Signed { good, preset, .. } = entra();
    let world = World::of(&entra()).await;
    let good = changed(&good, &json!({ "roles": ["auditor"] }));
    let scopes = scopes_of(preset().add_scopes_at("/roles"), &world, &good).await;
    assert_eq!(scopes, "files.read files.write auditor");

    let Signed { good, preset, .. } = descope();
    let world = World::of(&descope()).await;
    let scopes = scopes_of(preset().add_scopes_at("/permissions"), &world, &good).await;
    assert_eq!(scopes, "mcp:calendar.read files.read");
}

#[tokio::test]
async fn cognito_in_china_has_another_host_and_a_resource_is_an_audience() {
    let world = World::new().await;
    let issuer = "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_AbCdEfGhI";
    let good = changed(&cognito().good, &json!({ "iss": issuer }));
    let preset =
        || providers::cognito("cn-north-1_AbCdEfGhI", "1example23456789").jwk_set(world.issuer.jwk_set());
    assert_eq!(outcome(&world.verify(preset(), &good).await), "good");
    let updated = "https://issuer-cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_AbCdEfGhI";
    let verdict = world.verify(preset(), &changed(&good, &json!({ "iss": updated }))).await;
    assert_eq!(verdict.unwrap().issuer(), Some(issuer));
    let bound = changed(&good, &json!({ "aud": API, "client_id": "2example23456789" }));
    assert_eq!(outcome(&world.verify(preset(), &bound).await), "audience");
    assert_eq!(outcome(&world.verify(preset().add_audience(API), &bound).await), "good");
}

#[tokio::test]
async fn a_pool_of_cognito_has_two_issuers_and_no_third() {
    let world = World::of(&cognito()).await;
    for (host, pool, expected) in [
        ("issuer-cognito-idp.eu-central-1.amazonaws.com", "eu-central-1_AbCdEfGhI", "good"),
        ("issuer-cognito-idp.eu-central-1.amazonaws.com", "eu-central-1_Other", "issuer"),
        ("issuer-cognito-idp.us-east-1.amazonaws.com", "eu-central-1_AbCdEfGhI", "issuer"),
        ("issuer.cognito-idp.eu-central-1.amazonaws.com", "eu-central-1_AbCdEfGhI", "issuer"),
    ] {
        let token = changed(&cognito().good, &json!({ "iss": format!("https://{host}/{pool}") }));
        assert_eq!(outcome(&world.verify((cognito().preset)(), &token).await), expected, "{host}/{pool}");
    }
}

#[tokio::test]
async fn google_lets_in_a_domain_or_a_client_alone_if_that_is_said() {
    let Signed { good, preset, .. } = google_id_tokens();
    let world = World::of(&google_id_tokens()).await;
    let ours = || preset().add_required_values("hd", ["example.com", "example.org"]);
    assert_eq!(outcome(&world.verify(ours(), &good).await), "good");
    for hd in [json!("evil.example"), json!("EXAMPLE.COM"), Value::Null] {
        let other = changed(&good, &json!({ "hd": hd }));
        assert_eq!(outcome(&world.verify(ours(), &other).await), "claim", "{hd}");
    }
    let own = || preset().add_required_values("azp", ["123-abc.apps.googleusercontent.com"]);
    assert_eq!(outcome(&world.verify(own(), &good).await), "good");
    let android = changed(&good, &json!({ "azp": "789-ghi.apps.googleusercontent.com" }));
    assert_eq!(outcome(&world.verify(preset(), &android).await), "good");
    assert_eq!(outcome(&world.verify(own(), &android).await), "claim");
}

#[tokio::test]
async fn entra_lets_in_tenants_of_a_list_if_that_is_said() {
    let Signed { good, preset, .. } = entra_any_tenant();
    let world = World::of(&entra_any_tenant()).await;
    let listed = || preset().add_required_values("tid", [TENANT]);
    assert_eq!(outcome(&world.verify(listed(), &good).await), "good");
    let issuer = format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0");
    let other = changed(&good, &json!({ "iss": issuer, "tid": OTHER_TENANT }));
    let verdict = world.verify(preset(), &other).await;
    assert_eq!(verdict.unwrap().issuer(), Some(&*issuer));
    assert_eq!(outcome(&world.verify(listed(), &other).await), "claim");
}

#[tokio::test]
async fn a_key_that_microsoft_has_for_one_tenant_signs_for_no_other() {
    let Signed { good, preset, keys, .. } = entra_any_tenant();
    let world = World::new().await;
    for (issuer, expected) in [
        ("https://login.microsoftonline.com/{tenantid}/v2.0".to_owned(), "good"),
        (format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "good"),
        (format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"), "issuer"),
        ("https://login.microsoftonline.us/{tenantid}/v2.0".to_owned(), "issuer"),
    ] {
        let mut set: Value = serde_json::from_str(&world.issuer.jwk_set()).unwrap();
        for key in set["keys"].as_array_mut().unwrap() {
            key["issuer"] = issuer.clone().into();
        }
        world.script.set(keys, Reply::document(set.to_string()));
        assert_eq!(outcome(&world.verify(preset(), &good).await), expected, "{issuer}");
    }
}

#[test]
fn issuers_of_all_tenants_have_no_further_name() {
    let built = (entra_any_tenant().preset)().add_issuer_alias("https://idp.example.com").build();
    assert_eq!(built.unwrap_err().setting(), "add_issuer_alias");
}

#[tokio::test]
async fn supabase_keeps_anonymous_users_out_if_that_is_said() {
    let Signed { good, preset, .. } = supabase();
    let world = World::of(&supabase()).await;
    let known = || preset().add_refused_values("is_anonymous", ["true"]);
    assert_eq!(outcome(&world.verify(known(), &good).await), "good");
    let anonymous = changed(&good, &json!({ "is_anonymous": true }));
    assert_eq!(outcome(&world.verify(known(), &anonymous).await), "claim");
}

#[tokio::test]
async fn supabase_signs_with_an_elliptic_curve_or_as_it_did_with_a_secret() {
    let Signed { good, preset, .. } = supabase();
    let world = World::of(&supabase()).await;
    let verifier = world.set_up(preset());
    let elliptic = BearerToken::new(&world.mint_with(Algorithm::Es256, &good)).unwrap();
    let symmetric = BearerToken::new(&world.mint_with(Algorithm::Hs256, &good)).unwrap();
    assert_eq!(outcome(&verifier.verify(&elliptic).await), "good");
    assert_eq!(outcome(&verifier.verify(&symmetric).await), "algorithm");
    let legacy = world.set_up(preset().hmac_secret(world.issuer.hmac_secret()));
    assert_eq!(outcome(&legacy.verify(&symmetric).await), "good");
    assert_eq!(outcome(&legacy.verify(&elliptic).await), "algorithm");
}

#[tokio::test]
async fn an_mcp_server_of_descope_has_an_issuer_of_its_own() {
    let Signed { good, preset, .. } = descope();
    let world = World::of(&descope()).await;
    let issuer = "https://api.descope.com/v1/apps/agentic/P2abcDEFghi/M2abc";
    let token = changed(&good, &json!({ "iss": issuer }));
    let verdict = world.verify(preset().add_issuer_alias(issuer), &token).await;
    assert_eq!(verdict.unwrap().issuer(), Some("https://api.descope.com/v1/apps/P2abcDEFghi"));
}

#[tokio::test]
async fn a_project_of_descope_is_asked_for_in_its_region() {
    for (project, host) in [
        ("P2abcDEFghiJKLmnoPQRstuVWXyz", "api.descope.com"),
        ("Peuc12abcDEFghiJKLmnoPQRstuVWXyz", "api.euc1.descope.com"),
        ("Paps22abcDEFghiJKLmnoPQRstuVWXyz", "api.aps2.descope.com"),
        ("P2abc", "api.descope.com"),
        ("P2abcDEFghiJKLmnoPQRstuVWXyz123", "api.descope.com"),
    ] {
        let world = World::new().await;
        let keys = format!("https://{host}/{project}/.well-known/jwks.json");
        world.script.set(&*keys, Reply::document(world.issuer.jwk_set()));
        let issuer = format!("https://{host}/v1/apps/{project}");
        let token = changed(&descope().good, &json!({ "iss": issuer }));
        let verdict = world.verify(providers::descope(project, "https://api.example.com/mcp"), &token).await;
        assert_eq!(verdict.unwrap().issuer(), Some(&*issuer));
        assert_eq!(world.script.urls(), [keys]);
        // Nor is one of another region that calls itself the same.
        let elsewhere = format!("https://api.use2.descope.com/v1/apps/{project}");
        let token = changed(&token, &json!({ "iss": elsewhere }));
        let verdict = world.verify(providers::descope(project, "https://api.example.com/mcp"), &token).await;
        assert_eq!(outcome(&verdict), "issuer", "{project}");
    }
    for project in ["P.uc12abcDEFghiJKLmnoPQRstuVWXyz", "Peu-12abcDEFghiJKLmnoPQRstuVWXyz"] {
        let built = providers::descope(project, API).build();
        assert_eq!(fault(built), ("project_id", BuildErrorKind::InvalidText), "{project}");
    }
}

#[tokio::test]
async fn a_domain_of_ones_own_at_descope_has_the_keys_of_the_project() {
    let Signed { good, preset, .. } = descope();
    let world = World::of(&descope()).await;
    let issuer = "https://auth.example.com/v1/apps/P2abcDEFghi";
    let token = changed(&good, &json!({ "iss": issuer }));
    assert_eq!(outcome(&world.verify(preset(), &token).await), "issuer");
    assert_eq!(outcome(&world.verify(preset().add_issuer_alias(issuer), &token).await), "good");
    let refresh = changed(&token, &json!({ "drn": "DSR" }));
    assert_eq!(outcome(&world.verify(preset().add_issuer_alias(issuer), &refresh).await), "claim");
}

#[tokio::test]
async fn clerk_signs_other_tokens_with_the_same_key_which_are_no_access_tokens() {
    let Signed { good, preset, .. } = clerk_jwt();
    for (typ, expected) in
        [("at+jwt", "good"), ("application/at+jwt", "good"), ("JWT", "claim"), ("id+jwt", "claim")]
    {
        let world = World { typ, ..World::of(&clerk_jwt()).await };
        assert_eq!(outcome(&world.verify(preset(), &good).await), expected, "{typ}");
    }
    let world = World::of(&clerk_jwt()).await;
    let bound = changed(&good, &json!({ "aud": API, "client_id": "client_other" }));
    assert_eq!(outcome(&world.verify(preset(), &bound).await), "audience");
    assert_eq!(outcome(&world.verify(preset().add_audience(API), &bound).await), "good");
    let scopes =
        scopes_of(preset(), &world, &changed(&good, &json!({ "scope": null, "scp": ["email"] }))).await;
    assert_eq!(scopes, "email");
}

#[tokio::test]
async fn two_domains_of_oci_have_users_of_their_own() {
    let world = World::of(&oci()).await;
    let one = world.verify((oci().preset)(), &oci().good).await.unwrap();
    let other = providers::oci("https://idcs-4567.identity.oraclecloud.com", "https://api.example.com/");
    let other = world.verify(other.jwk_set(world.issuer.jwk_set()), &oci().good).await.unwrap();
    assert_eq!(one.subject(), other.subject());
    assert_ne!(one.principal(), other.principal());
}

/// A provider that is asked about each token.
struct Asked {
    name: &'static str,
    preset: fn(&World) -> BoxVerifier,
    url: &'static str,
    method: Method,
    good: Value,
    says: Says,
    /// When the token ends, if the answer says so.
    ends: Option<u64>,
    /// Further answers, and what they mean.
    answers: Vec<(&'static str, Reply, &'static str)>,
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn answer(status: u16, body: impl Into<bytes::Bytes>) -> Reply {
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    Reply::Document(StatusCode::from_u16(status).unwrap(), headers, body.into())
}

/// A good answer with other values at some places.
fn with(good: &Value, place: &str, value: Value) -> Reply {
    let mut answer = good.clone();
    *answer.pointer_mut(place).unwrap() = value;
    Reply::document(answer.to_string())
}

/// A good answer with members added, or left out for `null`.
fn but(good: &Value, changes: &Value) -> Reply {
    Reply::document(merged(good, changes).to_string())
}

/// A world that a preset's verifier asks in.
macro_rules! in_world {
    ($builder:expr) => {
        |world| $builder.http_client(world.script.clone()).clock(world.clock.clone()).build().unwrap().boxed()
    };
}

fn atlassian() -> Asked {
    let good = json!({
        "account_type": "atlassian",
        "account_id": "112233aa-bb11-cc22-33dd-445566abcabc",
        "email": "mia@example.com",
        "name": "Mia Krystof",
        "account_status": "active",
    });
    Asked {
        name: "atlassian",
        preset: in_world!(providers::atlassian().insecure_allow_any_audience()),
        url: "https://api.atlassian.com/me",
        method: Method::GET,
        says: Says {
            issuer: "https://auth.atlassian.com",
            subject: "112233aa-bb11-cc22-33dd-445566abcabc",
            client: None,
            scopes: "",
            audiences: &[],
        },
        ends: None,
        answers: vec![
            ("nobody", but(&good, &json!({ "account_id": null })), "unavailable"),
            (
                "a scope is missing",
                answer(403, r#"{"code":403,"message":"The app is not authorized"}"#),
                "unavailable",
            ),
        ],
        good,
    }
}

fn discord() -> Asked {
    let good = json!({
        "application": { "id": "159799960412356608", "name": "AIRHORN SOLUTIONS" },
        "scopes": ["guilds.join", "identify"],
        "expires": "2026-01-23T02:33:17.017000+00:00",
        "user": { "id": "268473310986240001", "username": "discord", "discriminator": "0" },
    });
    Asked {
        name: "discord",
        preset: in_world!(providers::discord("159799960412356608")),
        url: "https://discord.com/api/oauth2/@me",
        method: Method::GET,
        says: Says {
            issuer: "https://discord.com",
            subject: "268473310986240001",
            client: Some("159799960412356608"),
            scopes: "guilds.join identify",
            audiences: &["159799960412356608"],
        },
        ends: Some(1_769_135_597),
        answers: vec![
            ("another application", with(&good, "/application/id", "157730590492196864".into()), "audience"),
            (
                "a user who is called as we are",
                with(&good, "/application", json!({ "name": "159799960412356608" })),
                "audience",
            ),
            ("expired", with(&good, "/expires", "2025-12-23T02:33:17.017000+00:00".into()), "expired"),
            ("no user", but(&good, &json!({ "user": null })), "claim"),
            ("no end", but(&good, &json!({ "expires": null })), "unavailable"),
        ],
        good,
    }
}

fn gitlab() -> Asked {
    let good = json!({
        "resource_owner_id": 1,
        "scope": ["api", "read_user"],
        "expires_in": 7200,
        "application": { "uid": "1cb242f495280beb4291e64bee2a17f3" },
        "created_at": 1_575_890_427,
    });
    Asked {
        name: "gitlab",
        preset: in_world!(providers::gitlab("https://gitlab.com", "1cb242f495280beb4291e64bee2a17f3")),
        url: "https://gitlab.com/oauth/token/info",
        method: Method::GET,
        says: Says {
            issuer: "https://gitlab.com",
            subject: "1",
            client: Some("1cb242f495280beb4291e64bee2a17f3"),
            scopes: "api read_user",
            audiences: &["1cb242f495280beb4291e64bee2a17f3"],
        },
        ends: Some(START + 7_200),
        answers: vec![
            ("another application", with(&good, "/application/uid", "another".into()), "audience"),
            ("a personal token", with(&good, "/application/uid", Value::Null), "audience"),
            ("no application", but(&good, &json!({ "application": null })), "audience"),
            ("no user", but(&good, &json!({ "resource_owner_id": null })), "claim"),
        ],
        good,
    }
}

fn hugging_face() -> Asked {
    let good = json!({
        "sub": "62441cb7456803e95009a08f",
        "name": "Eliott Coyac",
        "preferred_username": "coyotte508",
        "isPro": true,
        "orgs": [{ "sub": "5e67bd5b1009063689407478", "name": "Hugging Face", "roleInOrg": "admin" }],
    });
    Asked {
        name: "hugging_face",
        preset: in_world!(providers::hugging_face().insecure_allow_any_audience()),
        url: "https://huggingface.co/oauth/userinfo",
        method: Method::GET,
        says: Says {
            issuer: "https://huggingface.co",
            subject: "62441cb7456803e95009a08f",
            client: None,
            scopes: "",
            audiences: &[],
        },
        ends: None,
        answers: vec![("nobody", but(&good, &json!({ "sub": null })), "unavailable")],
        good,
    }
}

fn workos() -> Asked {
    let good = json!({
        "sub": "user_01HXYZ",
        "email": "alice@example.com",
        "email_verified": true,
        "given_name": "Alice",
    });
    Asked {
        name: "workos",
        preset: in_world!(providers::workos("acme.authkit.app").insecure_allow_any_audience()),
        url: "https://acme.authkit.app/oauth2/userinfo",
        method: Method::GET,
        says: Says {
            issuer: "https://acme.authkit.app",
            subject: "user_01HXYZ",
            client: None,
            scopes: "",
            audiences: &[],
        },
        ends: None,
        answers: vec![("nobody", but(&good, &json!({ "sub": null })), "unavailable")],
        good,
    }
}

fn google() -> Asked {
    let good = json!({
        "azp": "123-abc.apps.googleusercontent.com",
        "aud": "123-abc.apps.googleusercontent.com",
        "sub": "110169484474386276334",
        "scope": "openid https://www.googleapis.com/auth/userinfo.email",
        "exp": (START + 3_599).to_string(),
        "expires_in": "3599",
        "email": "alice@example.com",
        "email_verified": "true",
        "access_type": "online",
    });
    Asked {
        name: "google",
        preset: in_world!(providers::google("123-abc.apps.googleusercontent.com")),
        url: "https://oauth2.googleapis.com/tokeninfo",
        method: Method::POST,
        says: Says {
            issuer: "https://accounts.google.com",
            subject: "110169484474386276334",
            client: Some("123-abc.apps.googleusercontent.com"),
            scopes: "openid https://www.googleapis.com/auth/userinfo.email",
            audiences: &["123-abc.apps.googleusercontent.com"],
        },
        ends: Some(START + 3_599),
        answers: vec![
            ("another client", with(&good, "/aud", "456-def.apps.googleusercontent.com".into()), "audience"),
            ("no client", but(&good, &json!({ "aud": null })), "audience"),
            ("no `openid`", but(&good, &json!({ "sub": null })), "claim"),
            ("expired", with(&good, "/exp", "1".into()), "expired"),
            ("unknown", answer(400, r#"{"error_description":"Invalid Value"}"#), "inactive"),
        ],
        good,
    }
}

fn clerk() -> Asked {
    let good = json!({
        "active": true,
        "client_id": "client_2xhFjEI5X2qW",
        "iat": START - 60,
        "exp": START + 3_600,
        "scope": "openid email profile",
        "sub": "user_2xhFjEI5X2qW",
    });
    Asked {
        name: "clerk",
        preset: in_world!(providers::clerk("clerk.example.com", "client_2xhFjEI5X2qW", "the secret")),
        url: "https://clerk.example.com/oauth/token_info",
        method: Method::POST,
        says: Says {
            issuer: "https://clerk.example.com",
            subject: "user_2xhFjEI5X2qW",
            client: Some("client_2xhFjEI5X2qW"),
            scopes: "openid email profile",
            audiences: &[],
        },
        ends: Some(START + 3_600),
        answers: vec![
            ("another application", with(&good, "/client_id", "client_other".into()), "audience"),
            ("another audience", but(&good, &json!({ "aud": "https://other.example.com" })), "audience"),
            ("our audience", but(&good, &json!({ "aud": "client_2xhFjEI5X2qW" })), "good"),
            ("our issuer", but(&good, &json!({ "iss": "https://clerk.example.com" })), "good"),
            ("another instance", but(&good, &json!({ "iss": "https://other.clerk.accounts.dev" })), "issuer"),
            ("no application", but(&good, &json!({ "client_id": null })), "audience"),
            ("no user", but(&good, &json!({ "sub": null })), "claim"),
            ("no end", but(&good, &json!({ "exp": null })), "claim"),
            ("expired", with(&good, "/exp", (START - 3_600).into()), "expired"),
            ("inactive", answer(200, r#"{"active":false}"#), "inactive"),
            ("nothing about activity", but(&good, &json!({ "active": null })), "unavailable"),
        ],
        good,
    }
}

fn propelauth() -> Asked {
    let good = json!({
        "active": true,
        "iss": "https://auth.example.com/oauth/2.1",
        "aud": "https://api.example.com/mcp",
        "sub": "31c41c16-c281-44ae-9602-8a047e3bf33d",
        "client_id": "mcp-client",
        "scope": "read:user_data tools:execute",
        "iat": START - 60,
        "exp": START + 1_800,
    });
    Asked {
        name: "propelauth",
        preset: in_world!(providers::propelauth(
            "https://auth.example.com",
            "https://api.example.com/mcp",
            "introspection-client",
            "the secret"
        )),
        url: "https://auth.example.com/oauth/2.1/introspect",
        method: Method::POST,
        says: Says {
            issuer: "https://auth.example.com/oauth/2.1",
            subject: "31c41c16-c281-44ae-9602-8a047e3bf33d",
            client: Some("mcp-client"),
            scopes: "read:user_data tools:execute",
            audiences: &["https://api.example.com/mcp"],
        },
        ends: Some(START + 1_800),
        answers: vec![
            ("another resource", with(&good, "/aud", "https://other.example.com".into()), "audience"),
            ("no resource", but(&good, &json!({ "aud": null })), "audience"),
            (
                "the client for an audience",
                but(&good, &json!({ "aud": null, "client_id": "introspection-client" })),
                "audience",
            ),
            ("another issuer", with(&good, "/iss", "https://auth.example.com".into()), "issuer"),
            ("no issuer", but(&good, &json!({ "iss": null })), "good"),
            ("an empty issuer", with(&good, "/iss", "".into()), "unavailable"),
            ("no user", but(&good, &json!({ "sub": null })), "claim"),
            ("inactive", answer(200, r#"{"active":false}"#), "inactive"),
        ],
        good,
    }
}

fn salesforce() -> Asked {
    let good = json!({
        "active": true,
        "scope": "id refresh_token openid",
        "client_id": "3MVG9PE4xB9wtoY",
        "username": "alice@example.com",
        "sub": "https://login.salesforce.com/id/00Dx0000000ABCDEA4/005x0000001HGTPAA4",
        "token_type": "access_token",
        "exp": START + 7_200,
        "iat": START - 60,
        "nbf": START - 60,
    });
    Asked {
        name: "salesforce",
        preset: in_world!(providers::salesforce("acme.my.salesforce.com", "3MVG9PE4xB9wtoY", "the secret")),
        url: "https://acme.my.salesforce.com/services/oauth2/introspect",
        method: Method::POST,
        says: Says {
            issuer: "https://acme.my.salesforce.com",
            subject: "https://login.salesforce.com/id/00Dx0000000ABCDEA4/005x0000001HGTPAA4",
            client: Some("3MVG9PE4xB9wtoY"),
            scopes: "id refresh_token openid",
            audiences: &[],
        },
        ends: Some(START + 7_200),
        answers: vec![
            ("another app", with(&good, "/client_id", "3MVG9other".into()), "audience"),
            ("a refresh token", with(&good, "/token_type", "refresh_token".into()), "claim"),
            ("a JWT of its own", but(&good, &json!({ "aud": "https://acme.my.salesforce.com" })), "audience"),
            ("another org", but(&good, &json!({ "iss": "https://other.my.salesforce.com" })), "issuer"),
            ("no user", but(&good, &json!({ "sub": null })), "claim"),
            ("inactive", answer(200, r#"{"active":false}"#), "inactive"),
        ],
        good,
    }
}

fn github() -> Asked {
    let good = json!({
        "id": 1,
        "url": "https://api.github.com/authorizations/1",
        "app": { "name": "App", "url": "https://example.com", "client_id": "Ov23liAbCdEf" },
        "token": OPAQUE,
        "scopes": ["read:user"],
        "expires_at": null,
        "user": { "login": "octocat", "id": 583_231, "avatar_url": "https://avatars.example.com/1", "type": "User" },
    });
    Asked {
        name: "github",
        preset: in_world!(providers::github("Ov23liAbCdEf", "the-secret")),
        url: "https://api.github.com/applications/Ov23liAbCdEf/token",
        method: Method::POST,
        says: Says {
            issuer: "https://github.com/login/oauth",
            subject: "583231",
            client: Some("Ov23liAbCdEf"),
            scopes: "read:user",
            audiences: &[],
        },
        ends: None,
        answers: vec![
            (
                "a token of another app, or of none",
                answer(404, r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}"#),
                "inactive",
            ),
            (
                "an answer about another app",
                with(&good, "/app/client_id", "Ov23another".into()),
                "unavailable",
            ),
        ],
        good,
    }
}

fn asked() -> Vec<Asked> {
    vec![
        atlassian(),
        clerk(),
        discord(),
        github(),
        gitlab(),
        google(),
        hugging_face(),
        propelauth(),
        salesforce(),
        workos(),
    ]
}

fn opaque() -> BearerToken {
    BearerToken::new(OPAQUE).unwrap()
}

#[tokio::test]
async fn a_provider_that_is_asked_is_asked_at_its_address_and_believed() {
    for provider in asked() {
        let name = provider.name;
        let world = World::new().await;
        world.script.set(provider.url, Reply::document(provider.good.to_string()));
        let verifier = (provider.preset)(&world);
        let verdict = verifier.verify(&opaque()).await;
        provider.says.check(&verdict, name);
        assert_eq!(verdict.unwrap().expires_at().map(seconds), provider.ends, "{name}");
        assert_eq!(verifier.issuers(), [provider.says.issuer.into()], "{name}");
        let [asked] = &world.script.asked()[..] else { panic!("{name}: one call") };
        assert_eq!((&asked.method, asked.url.as_str()), (&provider.method, provider.url), "{name}");
        let authorization = asked.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let posted = String::from_utf8_lossy(&asked.body).contains(OPAQUE);
        // Who is not shown the token in the field is shown who asks, but for Google, who wants to know nothing.
        let scheme = match (&provider.method, name) {
            (&Method::GET, _) => format!("Bearer {OPAQUE}"),
            (_, "google") => String::new(),
            _ => "Basic".to_owned(),
        };
        assert!(
            authorization.starts_with(&scheme) && authorization.is_empty() == scheme.is_empty(),
            "{name}"
        );
        assert_eq!(posted, provider.method == Method::POST, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_proves_nothing_for_us_lets_nobody_in() {
    for provider in asked() {
        let name = provider.name;
        let world = World::new().await;
        let usual = [
            ("down", Reply::Fails, "unavailable"),
            ("an error", Reply::status(500), "unavailable"),
            ("busy", Reply::status(503), "unavailable"),
            ("too often", Reply::status(429), "unavailable"),
            ("a page", Reply::document("<html>"), "unavailable"),
            ("nothing", Reply::document(""), "unavailable"),
            ("a list", Reply::document("[]"), "unavailable"),
        ];
        for (what, reply, expected) in usual.into_iter().chain(provider.answers) {
            world.script.set(provider.url, reply);
            // A new one for each: who was told to wait waits.
            let verifier = (provider.preset)(&world);
            let app = App::new((provider.preset)(&world), world.clock.clone());
            assert_eq!(outcome(&verifier.verify(&opaque()).await), expected, "{name}: {what}");
            let status = match expected {
                "good" => 200,
                "unavailable" => 503,
                _ => 401,
            };
            assert_eq!(app.status(OPAQUE).await, status, "{name}: {what}");
        }
        assert!(world.script.urls().iter().all(|url| url == provider.url), "{name}");
    }
}

#[tokio::test]
async fn only_who_is_shown_the_token_itself_rejects_it_with_401() {
    // Where this server proves who it is, 401 is about that.
    for provider in asked() {
        let world = World::new().await;
        let body = r#"{"error":"invalid_token","message":"401: Unauthorized","code":401}"#;
        world.script.set(provider.url, answer(401, body));
        let verdict = (provider.preset)(&world).verify(&opaque()).await;
        let expected = if provider.method == Method::GET { "inactive" } else { "unavailable" };
        assert_eq!(outcome(&verdict), expected, "{}", provider.name);
    }
}

#[test]
fn a_provider_that_names_no_application_is_built_when_that_is_said() {
    let unsaid = [
        providers::atlassian().build(),
        providers::hugging_face().build(),
        providers::workos("acme.authkit.app").build(),
    ];
    for built in unsaid {
        assert_eq!(fault(built), ("audience_at", BuildErrorKind::Missing));
    }
}

#[tokio::test]
async fn what_is_asked_can_still_be_changed() {
    let world = World::new().await;
    world.script.set("https://idp.example.com/x", Reply::document(clerk().good.to_string()));
    let builder = providers::clerk("clerk.example.com", "another", "the secret")
        .endpoint("https://idp.example.com/x")
        .add_audience("client_2xhFjEI5X2qW");
    let verifier = builder.http_client(world.script.clone()).clock(world.clock.clone()).build().unwrap();
    assert_eq!(outcome(&verifier.verify(&opaque()).await), "good");
    let twice = providers::clerk("clerk.example.com", "a", "b").client_secret_post("a", "b").build();
    assert_eq!(fault(twice), ("client_secret_post", BuildErrorKind::Conflict));

    world.script.set("https://idp.example.com/y", Reply::document(discord().good.to_string()));
    let builder = providers::discord("another")
        .endpoint("https://idp.example.com/y")
        .audience_at("/application/id", "159799960412356608");
    let verifier = builder.http_client(world.script.clone()).clock(world.clock.clone()).build().unwrap();
    assert_eq!(outcome(&verifier.verify(&opaque()).await), "good");

    world.script.set("https://idp.example.com/z", Reply::document(google().good.to_string()));
    let builder = providers::google("another")
        .endpoint("https://idp.example.com/z")
        .add_client("123-abc.apps.googleusercontent.com");
    let verifier = builder.http_client(world.script.clone()).clock(world.clock.clone()).build().unwrap();
    assert_eq!(outcome(&verifier.verify(&opaque()).await), "good");
}

/// The fault of a build that has to fail: its setting and its kind.
fn fault<T>(built: Result<T, BuildError>) -> (&'static str, BuildErrorKind) {
    let Err(error) = built else { panic!("it was built") };
    assert!(error.to_string().contains(error.setting()), "{error}");
    (error.setting(), error.kind())
}

type Build = fn(&str) -> Result<(), BuildError>;

/// Every parameter that goes into an address, with a good value.
fn in_addresses() -> Vec<(&'static str, &'static str, &'static str, Build)> {
    vec![
        ("auth0", "domain", "h.example.com", |x| providers::auth0(x, API).build().map(drop)),
        ("authkit", "domain", "h.example.com", |x| providers::authkit(x, API).build().map(drop)),
        ("clerk", "domain", "h.example.com", |x| providers::clerk(x, "id", "secret").build().map(drop)),
        ("clerk_jwt", "domain", "h.example.com", |x| providers::clerk_jwt(x, "id").build().map(drop)),
        ("cognito", "user_pool", "eu-central-1_A", |x| providers::cognito(x, "id").build().map(drop)),
        ("descope", "project_id", "P2abc", |x| providers::descope(x, API).build().map(drop)),
        ("entra", "tenant_id", TENANT, |x| providers::entra(x, APPLICATION).build().map(drop)),
        ("entra_us_government", "tenant_id", TENANT, |x| {
            providers::entra_us_government(x, APPLICATION).build().map(drop)
        }),
        ("entra_china", "tenant_id", TENANT, |x| providers::entra_china(x, APPLICATION).build().map(drop)),
        ("entra_b2c", "tenant_name", "contoso", |x| {
            providers::entra_b2c(x, TENANT, "B2C_1_a", APPLICATION).build().map(drop)
        }),
        ("entra_b2c", "tenant_id", TENANT, |x| {
            providers::entra_b2c("contoso", x, "B2C_1_a", APPLICATION).build().map(drop)
        }),
        ("entra_b2c", "policy", "B2C_1_a", |x| {
            providers::entra_b2c("contoso", TENANT, x, APPLICATION).build().map(drop)
        }),
        ("entra_external_id", "tenant_name", "contoso", |x| {
            providers::entra_external_id(x, TENANT, APPLICATION).build().map(drop)
        }),
        ("entra_external_id", "tenant_id", TENANT, |x| {
            providers::entra_external_id("contoso", x, APPLICATION).build().map(drop)
        }),
        ("github", "client_id", "Ov23li", |x| providers::github(x, "secret").build().map(drop)),
        ("gitlab", "url", "https://h.example.com", |x| providers::gitlab(x, "id").build().map(drop)),
        ("keycloak", "url", "https://h.example.com", |x| providers::keycloak(x, "r", API).build().map(drop)),
        ("keycloak", "realm", "acme", |x| {
            providers::keycloak("https://h.example.com", x, API).build().map(drop)
        }),
        ("oci", "domain_url", "https://h.example.com", |x| providers::oci(x, API).build().map(drop)),
        ("okta", "domain", "h.example.com", |x| providers::okta(x, "default", API).build().map(drop)),
        ("okta", "authorization_server", "default", |x| {
            providers::okta("h.example.com", x, API).build().map(drop)
        }),
        ("propelauth", "auth_url", "https://h.example.com", |x| {
            providers::propelauth(x, API, "id", "secret").build().map(drop)
        }),
        ("salesforce", "domain", "h.example.com", |x| {
            providers::salesforce(x, "id", "secret").build().map(drop)
        }),
        ("scalekit", "environment_url", "https://h.example.com", |x| {
            providers::scalekit(x, "res_1").build().map(drop)
        }),
        ("scalekit", "resource_id", "res_1", |x| {
            providers::scalekit("https://h.example.com", x).build().map(drop)
        }),
        ("supabase", "project_url", "https://h.example.com", |x| providers::supabase(x).build().map(drop)),
        ("workos", "domain", "h.example.com", |x| {
            providers::workos(x).insecure_allow_any_audience().build().map(drop)
        }),
    ]
}

#[test]
fn what_goes_into_an_address_is_named_if_it_would_change_the_address() {
    for (provider, setting, good, build) in in_addresses() {
        assert!(build(good).is_ok(), "{provider}: {setting}");
        for text in HOSTILE {
            assert_eq!(fault(build(text)).0, setting, "{provider}: {setting} {text:?}");
        }
        // Nor behind what is good.
        for text in ["/../x", "#", "?a", "\\x", "%2f", " ", "\n", "\u{e4}"] {
            let text = format!("{good}{text}");
            let is_path_of_a_base = text.ends_with("%2f") && good.starts_with("https://");
            if !is_path_of_a_base {
                assert_eq!(fault(build(&text)).0, setting, "{provider}: {setting} {text:?}");
            }
        }
        if good.starts_with("https://") || setting == "domain" {
            let host = good.trim_start_matches("https://");
            assert!(build(&format!("https://{host}/")).is_ok(), "{provider}: as it is copied");
            assert_eq!(fault(build(&format!("http://{host}"))).0, setting, "{provider}: plain text");
        }
    }
}

#[test]
fn a_tenant_or_a_pool_is_not_just_any_name() {
    for (provider, setting, _, build) in in_addresses() {
        let bad: &[&str] = match setting {
            "tenant_id" => &["common", "organizations", "contoso.onmicrosoft.com", "72f988bf"],
            "tenant_name" => &["contoso.onmicrosoft.com", "contoso.evil", "https://contoso.b2clogin.com"],
            "user_pool" => &[
                "eu-central-1",
                "_AbCdEfGhI",
                "s3_x",
                "s3.eu-west-1_k",
                "evil.com_x",
                "eu-1_x",
                "eu-west-_x",
            ],
            _ => &[],
        };
        for text in bad {
            assert_eq!(fault(build(text)), (setting, BuildErrorKind::InvalidText), "{provider}: {text}");
        }
    }
    let upper = TENANT.to_uppercase();
    assert!(providers::entra(&upper, APPLICATION).build().is_ok());
}

#[tokio::test]
async fn parameters_are_taken_as_they_are_copied_and_mean_the_same() {
    let world = World::new().await;
    let with_slash: [(Signed, JwtVerifierBuilder); 10] = [
        (auth0(), providers::auth0("https://acme.eu.auth0.com/", API)),
        (authkit(), providers::authkit("https://acme.authkit.app/", "https://api.example.com/mcp")),
        (okta(), providers::okta("https://acme.okta.com/", "default", "api://default")),
        (keycloak(), providers::keycloak("https://sso.example.com/", "acme", "my-api")),
        (oci(), providers::oci("https://idcs-0123.identity.oraclecloud.com/", "https://api.example.com/")),
        (scalekit(), providers::scalekit("https://acme.scalekit.com/", "res_123456789")),
        (supabase(), providers::supabase("https://abcdefghijklmnopqrst.supabase.co/")),
        (
            oci(),
            providers::oci("https://idcs-0123.identity.oraclecloud.com:443/", "https://api.example.com/"),
        ),
        (entra(), providers::entra(&TENANT.to_uppercase(), APPLICATION.to_uppercase())),
        (entra_any_tenant(), providers::entra_any_tenant(FOR_ALL_TENANTS.to_uppercase())),
    ];
    for (provider, builder) in with_slash {
        let verdict = world.verify(builder.jwk_set(world.issuer.jwk_set()), &provider.good).await;
        provider.says.check(&verdict, provider.name);
    }
}

#[test]
fn what_this_application_is_called_is_named_if_it_is_no_name() {
    let clients: [(&str, Build); 15] = [
        ("clerk", |x| providers::clerk("h.example.com", x, "secret").build().map(drop)),
        ("clerk_jwt", |x| providers::clerk_jwt("h.example.com", x).build().map(drop)),
        ("cognito", |x| providers::cognito("eu-central-1_A", x).build().map(drop)),
        ("discord", |x| providers::discord(x).build().map(drop)),
        ("entra", |x| providers::entra(TENANT, x).build().map(drop)),
        ("entra_us_government", |x| providers::entra_us_government(TENANT, x).build().map(drop)),
        ("entra_china", |x| providers::entra_china(TENANT, x).build().map(drop)),
        ("entra_any_tenant", |x| providers::entra_any_tenant(x).build().map(drop)),
        ("entra_b2c", |x| providers::entra_b2c("contoso", TENANT, "B2C_1_a", x).build().map(drop)),
        ("entra_external_id", |x| providers::entra_external_id("contoso", TENANT, x).build().map(drop)),
        ("gitlab", |x| providers::gitlab("https://gitlab.com", x).build().map(drop)),
        ("google", |x| providers::google(x).build().map(drop)),
        ("google_id_tokens", |x| providers::google_id_tokens(x).build().map(drop)),
        ("propelauth", |x| providers::propelauth("https://h.example.com", API, x, "s").build().map(drop)),
        ("salesforce", |x| providers::salesforce("h.example.com", x, "secret").build().map(drop)),
    ];
    for (provider, build) in clients {
        for text in ["", " ", "*", "a b", "a\n"] {
            assert_eq!(fault(build(text)).0, "client_id", "{provider}: {text:?}");
        }
        let is_uuid = provider.starts_with("entra");
        assert!(build(if is_uuid { APPLICATION } else { "an-id" }).is_ok(), "{provider}");
    }
    let audiences: [(&str, Build); 7] = [
        ("auth0", |x| providers::auth0("h.example.com", x).build().map(drop)),
        ("authkit", |x| providers::authkit("h.example.com", x).build().map(drop)),
        ("descope", |x| providers::descope("P2abc", x).build().map(drop)),
        ("keycloak", |x| providers::keycloak("https://h.example.com", "acme", x).build().map(drop)),
        ("oci", |x| providers::oci("https://h.example.com", x).build().map(drop)),
        ("okta", |x| providers::okta("h.example.com", "default", x).build().map(drop)),
        ("propelauth", |x| providers::propelauth("https://h.example.com", x, "id", "s").build().map(drop)),
    ];
    for (provider, build) in audiences {
        for text in ["", " ", "*", "a b"] {
            assert_eq!(fault(build(text)).0, "audience", "{provider}: {text:?}");
        }
    }
}

#[test]
fn an_application_of_microsoft_is_an_id_and_nothing_around_it() {
    let builds: [(&str, Build); 6] = [
        ("entra", |x| providers::entra(TENANT, x).build().map(drop)),
        ("entra_us_government", |x| providers::entra_us_government(TENANT, x).build().map(drop)),
        ("entra_china", |x| providers::entra_china(TENANT, x).build().map(drop)),
        ("entra_any_tenant", |x| providers::entra_any_tenant(x).build().map(drop)),
        ("entra_b2c", |x| providers::entra_b2c("contoso", TENANT, "B2C_1_a", x).build().map(drop)),
        ("entra_external_id", |x| providers::entra_external_id("contoso", TENANT, x).build().map(drop)),
    ];
    let copied = [format!("api://{APPLICATION}"), format!("\"{APPLICATION}\""), "my-api".to_owned()];
    for (provider, build) in builds {
        for text in &copied {
            let expected = ("client_id", BuildErrorKind::InvalidText);
            assert_eq!(fault(build(text)), expected, "{provider}: {text}");
        }
        assert!(build(&APPLICATION.to_uppercase()).is_ok(), "{provider}");
    }
}

#[test]
fn a_secret_is_not_printed() {
    let secret = "S3cr3t-canary";
    for text in [
        format!("{:?}", providers::clerk("h.example.com", "id", secret)),
        format!("{:?}", providers::github("id", secret)),
        format!("{:?}", providers::propelauth("https://h.example.com", API, "id", secret)),
        format!("{:?}", providers::salesforce("h.example.com", "id", secret)),
    ] {
        assert!(!text.contains(secret), "{text}");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The functions that `providers` re-exports.
fn functions() -> BTreeSet<String> {
    let module = read("src/providers/mod.rs");
    let lines = module.lines().filter_map(|line| line.trim_start().strip_prefix("pub use self::"));
    let names = lines.flat_map(|line| {
        let names = line.split_once("::").unwrap().1.trim_end_matches(';');
        names.trim_matches(['{', '}']).split(", ").map(str::to_owned).collect::<Vec<_>>()
    });
    names
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        .collect()
}

#[test]
fn every_provider_has_a_row_in_the_manual_and_a_test() {
    let (manual, tests) = (read("docs/providers.md"), read("tests/providers.rs"));
    let functions = functions();
    assert!(functions.len() > 25, "{functions:?}");
    for name in functions.iter().filter(|name| *name != "keycloak_client_roles") {
        let call = format!("`{name}(");
        assert!(
            manual.lines().any(|line| line.starts_with('|') && line.contains(&call)),
            "no row for `{name}`"
        );
    }
    for name in &functions {
        assert!(tests.contains(&format!("providers::{name}(")), "no test of `{name}`");
    }
    let in_tables: BTreeSet<&str> =
        signed().iter().map(|own| own.name).chain(asked().iter().map(|own| own.name)).collect();
    let expected = functions.iter().map(String::as_str).filter(|name| *name != "keycloak_client_roles");
    assert_eq!(in_tables, expected.collect());
}

#[test]
fn every_provider_says_that_it_was_not_tried() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/providers")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["mod", "parameters"].contains(&&*name) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let presets = text.lines().filter(|line| line.starts_with("pub fn ")).count();
        // A place of roles is no preset.
        let presets = presets - usize::from(name == "keycloak");
        let told = text.lines().filter(|line| *line == "/// Not tried with the real provider.").count();
        assert_eq!(told, presets, "{name}");
        assert!(text.contains("]: https://"), "{name}: no link");
    }
    let manual = read("docs/providers.md");
    let first = manual.lines().take(10).collect::<Vec<_>>().join(" ");
    assert!(first.contains("not been tried with the real providers"), "{first}");
}

#[tokio::test]
async fn nothing_is_asked_before_a_token_comes() {
    let world = World::new().await;
    for provider in signed() {
        let _ = world.set_up((provider.preset)());
    }
    for provider in asked() {
        let _ = (provider.preset)(&world);
    }
    assert_eq!(world.script.count(), 0);
}
