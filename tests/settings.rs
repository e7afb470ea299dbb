//! Settings from variables and files: what they mean, and everything that is wrong with them at once.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

#[path = "common/keys.rs"]
mod keys;

#[path = "common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use common::Logs;
use http_body_util::Full;
use keys::{AUDIENCE, App, Reply, Script, World};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_bearer::cache::Cached;
use tower_bearer::settings::{Settings, SettingsError};
use tower_bearer::testing::TestGitHub;
use tower_bearer::verifier::BoxVerifier;
use tower_bearer::{Algorithm, AuthLayer, BearerToken, TokenVerifier};
use tracing::Level;

const CANARY: &str = "S3cr3t-canary-0123456789-abcdefghijklmnop";
const PAGE: &str = include_str!("../docs/settings.md");
/// What the provider `jwt` needs.
const MINIMAL: [(&str, &str); 2] =
    [("API_AUTH_ISSUER", "https://idp.example.com"), ("API_AUTH_AUDIENCE", "https://api.example.com")];

const UUID: &str = "a1b2c3d4-0000-4000-8000-aabbccddeeff";

fn from_vars(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_vars("API_AUTH", variables.iter().copied())
}

/// The minimum and more.
fn with(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_vars("API_AUTH", MINIMAL.into_iter().chain(variables.iter().copied()))
}

fn from_json(value: Value) -> Settings {
    serde_json::from_value(value).unwrap()
}

/// What is wrong, without the prefix: `ISSUER is missing`.
fn faults<T>(result: Result<T, SettingsError>) -> Vec<String> {
    let told = |error: SettingsError| {
        assert_eq!(error.to_string().lines().count(), error.faults().len() + 1, "{error}");
        let lines = error.faults().iter().map(|fault| fault.to_string().replace(['`'], ""));
        lines.map(|line| line.replace("API_AUTH_", "")).collect()
    };
    result.err().map_or_else(Vec::new, told)
}

/// The names of the faulty settings.
fn names<T>(result: Result<T, SettingsError>) -> Vec<String> {
    let told = |error: SettingsError| error.faults().iter().map(|fault| fault.name().to_owned()).collect();
    result.err().map_or_else(Vec::new, told)
}

fn json_of(settings: &Settings) -> Value {
    serde_json::to_value(settings).unwrap()
}

fn file(name: &str, content: impl AsRef<[u8]>) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("settings-{name}"));
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn fixture(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name].iter().collect();
    fs::read_to_string(path).unwrap()
}

/// The cells of a table of the page, without its head.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let mut lines = PAGE.lines().skip_while(|line| *line != head).skip(2).peekable();
    assert!(lines.peek().is_some(), "{head}");
    let cells = |line: &'static str| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>();
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn the_page_lists_every_setting_as_it_is() {
    let listed = table("| setting | form | default | range | meaning |");
    let name = |name: &str| format!("`{name}`");
    for (row, setting) in listed.iter().zip(Settings::table()) {
        let own = [&name(setting.name()), setting.form(), setting.default_value(), setting.range()];
        assert_eq!(row[..4], own);
        assert_eq!(row[4], setting.meaning());
    }
    assert_eq!(listed.len(), Settings::table().len());
}

/// What stands between two marks of the page.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    PAGE.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn everything_that_the_page_shows_works() {
    let variables = blocks("sh");
    assert!(variables.len() > 8, "{}", variables.len());
    for block in variables {
        let variables = block.lines().map(|line| line.split_once('=').unwrap());
        // A shell takes the quotes away.
        let variables = variables.map(|(name, value)| (name, value.trim_matches('"')));
        assert_eq!(faults(Settings::from_vars("API_AUTH", variables)), [""; 0], "{block}");
    }
    let tables = blocks("toml").into_iter().filter(|block| block.contains("provider"));
    for block in tables {
        let secret = file("page-secret", "of-github");
        let settings: Settings = toml::from_str(&block.replace("/run/secrets/github", &secret)).unwrap();
        assert_eq!(faults(settings.check()), [""; 0], "{block}");
    }
    let told = from_vars(&[
        ("API_AUTH_ISUER", "https://idp.example.com"),
        ("API_AUTH_AUDIENCE", "a"),
        ("API_AUTH_LEEWAY", "1h"),
    ]);
    assert_eq!(blocks("text"), [format!("Error: {:?}\n", told.unwrap_err())]);
}

#[test]
fn every_setting_has_a_form_and_a_meaning_and_a_name_of_its_own() {
    let names: BTreeSet<_> = Settings::table().iter().map(|setting| setting.name()).collect();
    assert_eq!(names.len(), Settings::table().len());
    for setting in Settings::table() {
        assert!(!setting.form().is_empty() && setting.meaning().ends_with('.'), "{}", setting.name());
    }
}

/// A good value for whatever a provider needs.
fn good(setting: &str) -> &'static str {
    match setting {
        "issuer" | "url" => "https://idp.example.com",
        "audience" => "https://api.example.com",
        "domain" => "acme.example.com",
        "client_id" | "tenant_id" => "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "user_pool" => "eu-west-1_AbCdEfGhI",
        "insecure_allow_any_audience" => "true",
        "policy" => "B2C_1_signin",
        _ => "acme",
    }
}

#[test]
fn every_provider_builds_of_what_it_needs_and_names_everything_that_is_missing() {
    let providers = table("| provider | how | needs | takes besides |");
    assert_eq!(providers.len(), 29);
    for row in providers {
        let provider = row[0].trim_matches('`');
        let needs: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        let mut given = serde_json::Map::from_iter([("provider".to_owned(), json!(provider))]);
        let missing = names(from_json(given.clone().into()).layer());
        let expected: BTreeSet<_> = needs.iter().copied().map(str::to_owned).collect();
        assert_eq!(missing.into_iter().collect::<BTreeSet<_>>(), expected, "{provider}");
        given.extend(needs.iter().map(|name| ((*name).to_owned(), json!(good(name)))));
        let settings = from_json(given.into());
        assert_eq!(faults(settings.layer()), Vec::<String>::new(), "{provider}");
        let kebab = provider.replace('_', "-");
        assert_eq!(from_json(json!({ "provider": kebab })).check().is_ok(), needs.is_empty());
    }
}

#[test]
fn what_a_provider_lacks_or_refuses_hides_nothing_else() {
    for row in table("| provider | how | needs | takes besides |") {
        let provider = row[0].trim_matches('`');
        let needs: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        let (late, value) = if row[1] == "asked" { ("upstream_timeout", "10m") } else { ("leeway", "1h") };
        let mut given = json!({ "provider": provider, late: value });
        let missing = names(from_json(given.clone()).check());
        assert!(missing.iter().any(|name| name == late), "{provider}: {missing:?}");
        for name in &needs {
            given[*name] = good(name).into();
        }
        // One at a time is of the right form and wrong.
        for name in needs {
            let mut wrong = given.clone();
            wrong[name] = "{x}".into();
            let told = names(from_json(wrong).check());
            assert!(told.iter().any(|own| own == late), "{provider} with a bad {name}: {told:?}");
        }
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let told = faults(from_vars(&[
        ("API_AUTH_ISUER", "https://idp.example.com"),
        ("API_AUTH_ISSUER", "http://idp.example.com"),
        ("API_AUTH_ALGORITHMS", "RS256, none"),
        ("API_AUTH_LEEWAY", "301s"),
        ("API_AUTH_MAX_TOKEN_AGE", "5"),
        ("API_AUTH_RFC9068", "yes"),
        ("API_AUTH_REQUIRED_CLAIMS", " "),
        ("API_AUTH_SCOPES_AT", "realm_access/roles"),
        ("API_AUTH_CLIENT_ID", "acme"),
        ("API_AUTH_REQUIRED_SCOPES", "a\"b"),
        ("API_AUTH_RESOURCE_NAME", "Files"),
        ("API_AUTH_TIMEOUT", "0"),
        ("API_AUTH_CACHE_JITTER", "51"),
        ("API_AUTH_CACHE_REFRESH_AHEAD", "256"),
        ("API_AUTH_CACHE_TIME_TO_LIVE", "2d"),
        ("API_AUTH_PROXY", "socks5://proxy"),
        ("API_AUTH_ROOT_CERTIFICATES_FILE", "/nonexistent/ca.pem"),
        ("OTHER_ISSUER", "x"),
        ("API_AUTHORITY", "x"),
        ("API_AUTH", "x"),
    ]));
    assert_eq!(
        told,
        [
            "ISUER is no setting: ISSUER?",
            "ISSUER has to be an https URL (http is for loopback addresses only)",
            "AUDIENCE is missing",
            "CLIENT_ID means nothing to the provider jwt",
            "ALGORITHMS has to be a list of algorithms, such as RS256",
            "RFC9068 has to be true or false",
            "MAX_TOKEN_AGE has to be a number with one of the units ms, s, m, h, d",
            "LEEWAY is out of range: to 300s",
            "REQUIRED_CLAIMS is empty or matches everything",
            "SCOPES_AT has characters that do not belong there: JSON pointers such as /realm_access/roles",
            "REQUIRED_SCOPES has characters that do not belong there: visible ASCII, no quotes or backslashes",
            "RESOURCE_NAME has no effect without RESOURCE",
            "TIMEOUT is out of range: 1ms to 60s",
            "CACHE_TIME_TO_LIVE is out of range: to 24h",
            "CACHE_REFRESH_AHEAD is out of range: 0 to 50",
            "CACHE_JITTER is out of range: 0 to 50",
            "ROOT_CERTIFICATES_FILE names a file that cannot be read: entity not found",
            "PROXY is not a URL of the form that is needed here: http or https URL of a host",
        ]
    );
}

#[test]
fn a_program_that_returns_the_error_prints_what_is_wrong_line_by_line() {
    let main = || -> Result<Settings, Box<dyn std::error::Error>> {
        Ok(from_vars(&[("API_AUTH_ISSUER", "http://idp.example.com"), ("API_AUTH_GRPC", "yes")])?)
    };
    // As `Termination` of the standard library does.
    let printed = main().map_err(|error| format!("Error: {error:?}")).err();
    let expected = "Error: the settings cannot work:\n\
        `API_AUTH_ISSUER` has to be an https URL (http is for loopback addresses only)\n\
        `API_AUTH_AUDIENCE` is missing\n\
        `API_AUTH_GRPC` has to be `true` or `false`";
    assert_eq!(printed.as_deref(), Some(expected));
    let error = from_vars(&[]).unwrap_err();
    assert_eq!(format!("{:?}", error.faults().first().unwrap()), "`API_AUTH_ISSUER` is missing");
}

#[test]
fn a_fault_says_what_would_be_right() {
    let any_issuer = ("API_AUTH_INSECURE_ALLOW_ANY_ISSUER", "true");
    let provider = |name: &'static str| ("API_AUTH_PROVIDER", name);
    let audience = MINIMAL[1];
    let no_application = |provider: &str| {
        format!(
            "INSECURE_ALLOW_ANY_AUDIENCE is not true: answers of the provider {provider} name no application, \
             and true accepts that"
        )
    };
    let without_audience = |value| ("API_AUTH_INSECURE_ALLOW_ANY_AUDIENCE", value);
    let missing_keys = "JWKS_URL is missing, or PUBLIC_KEY, SECRET_KEY, JWK_SET".to_owned();
    let has_both = "INSECURE_ALLOW_ANY_ISSUER is set together with ISSUER".to_owned();
    let tenant = "TENANT_ID has characters that do not belong there: UUID".to_owned();
    let domain = "DOMAIN is not a URL of the form that is needed here: host".to_owned();
    let shared = "ALGORITHMS has an algorithm of shared secrets, which needs SECRET_KEY".to_owned();
    for (variables, expected) in [
        (vec![any_issuer, audience], vec![missing_keys.clone()]),
        (vec![any_issuer, MINIMAL[0], audience], vec![missing_keys, has_both]),
        (vec![MINIMAL[0], audience, ("API_AUTH_ALGORITHMS", "HS256")], vec![shared]),
        (vec![provider("atlassian")], vec![no_application("atlassian")]),
        (vec![provider("hugging-face"), without_audience("false")], vec![no_application("hugging_face")]),
        (
            vec![provider("workos"), ("API_AUTH_DOMAIN", "a.example.com"), without_audience("false")],
            vec![no_application("workos")],
        ),
        (
            vec![provider("entra"), ("API_AUTH_CLIENT_ID", UUID), ("API_AUTH_TENANT_ID", "contoso")],
            vec![tenant],
        ),
        (vec![provider("auth0"), audience, ("API_AUTH_DOMAIN", "a/b")], vec![domain]),
    ] {
        assert_eq!(faults(from_vars(&variables)), expected, "{variables:?}");
    }
    let unknown = from_vars(&[provider("azure")]).unwrap_err().to_string();
    assert!(unknown.contains("`API_AUTH_PROVIDER` has to be the name of a provider that is known: `jwt`, "));
    for row in table("| provider | how | needs | takes besides |") {
        assert!(unknown.contains(row[0]), "{row:?}");
    }
}

#[test]
fn a_name_that_is_nearly_one_is_recognised() {
    for (name, expected) in [
        ("ISUER", Some("ISSUER")),
        ("AUDIENCES", Some("AUDIENCE")),
        ("CLIENT_SECERT", Some("CLIENT_SECRET")),
        ("JWKS_URI", Some("JWKS_URL")),
        ("CACHE_TTL", None),
        ("X", None),
        ("SERVICE_HOST", None),
        ("PORT_8080_TCP_ADDR", None),
    ] {
        let told = with(&[(&format!("API_AUTH_{name}"), "x")]).unwrap_err().to_string();
        let hint = expected.map_or_else(String::new, |known| format!(": `API_AUTH_{known}`?"));
        assert_eq!(told.lines().nth(1).unwrap(), format!("`API_AUTH_{name}` is no setting{hint}"));
    }
    let told = faults(from_json(json!({ "Issuer": "x" })).check());
    assert_eq!(told[0], "Issuer is no setting: issuer?");
    let long = from_json(json!({ "issuer".repeat(1_000): "x" })).check().unwrap_err();
    assert!(long.faults().iter().all(|fault| !fault.to_string().contains('?')));
}

#[test]
fn quotes_and_brackets_are_no_part_of_a_value() {
    for (name, value) in [
        ("client_id", "\"acme\""),
        ("client_id", "'acme'"),
        ("client_id", "\"acme"),
        ("client_id", "acme'"),
        ("resource_name", "\"Files of Acme\""),
        ("required_scopes", "[\"a\", \"b\"]"),
        ("required_scopes", "[a,b]"),
        ("required_scopes", "'a b'"),
        ("required_values", "\"hd=acme\""),
        ("required_values", "hd='acme'"),
        ("algorithms", "[\"RS256\"]"),
        ("provider", "\"jwt\""),
        ("public_key_file", "\"/keys/all.pem\""),
    ] {
        let told = faults(from_json(json!({ name: value })).check());
        let expected = format!("{name} has to be written without quotes and brackets around it");
        assert!(told.iter().any(|line| line.starts_with(&expected)), "{value}: {told:?}");
    }
    // Secrets may be anything.
    let secret = format!("'[{CANARY}\"");
    assert_eq!(faults(with(&[("API_AUTH_SECRET_KEY", &secret)])), [""; 0]);
    let named = json!({
        "issuer": MINIMAL[0].1, "audience": "a", "resource": MINIMAL[1].1, "resource_name": "Acme's \"new\" [files]",
    });
    assert_eq!(faults(from_json(named).check()), [""; 0]);
}

#[test]
fn a_secret_has_no_white_space_at_its_ends() {
    let told = |secret: &str| {
        faults(from_vars(&[
            ("API_AUTH_PROVIDER", "github"),
            ("API_AUTH_CLIENT_ID", "acme"),
            ("API_AUTH_CLIENT_SECRET", secret),
        ]))
    };
    for secret in ["secret", "secret\n", "secret\r\n"] {
        assert_eq!(told(secret), [""; 0], "{secret:?}");
    }
    for secret in [" secret", "secret ", "secret\n\n", "\nsecret", "secret\t"] {
        assert_eq!(told(secret), ["CLIENT_SECRET has characters that do not belong there"], "{secret:?}");
    }
    let key = "01234567890123456789012345678901";
    for (secrets, is_good) in [
        (format!("{key}\n{key}2"), true),
        (format!("{key}\r\n{key}2\r\n"), true),
        (format!("{key} \n{key}2"), false),
        (format!("{key}\n {key}2"), false),
    ] {
        assert_eq!(with(&[("API_AUTH_SECRET_KEY", &secrets)]).is_ok(), is_good, "{secrets:?}");
    }
    let pretty = format!("{{\n  \"keys\": [{CANARY}]\n}}");
    let told = faults(with(&[("API_AUTH_JWK_SET", &pretty)]));
    assert_eq!(told, ["JWK_SET is not a usable key: JSON with keys that are public"]);
}

#[test]
fn a_public_key_may_stand_in_one_line() {
    let both = format!("{}{}", fixture("rsa_public.pem"), fixture("p256_public.pem"));
    for line in [both.replace('\n', "\\n"), both.replace('\n', "\\r\\n"), both] {
        assert_eq!(faults(with(&[("API_AUTH_PUBLIC_KEY", &line)])), [""; 0], "{line}");
        assert_eq!(faults(with(&[("API_AUTH_PUBLIC_KEY_FILE", &file("line.pem", &line))])), [""; 0]);
    }
}

#[test]
fn an_address_is_shown_without_the_user_in_it() {
    for address in [
        "https://user:S3cr3t@idp.example.com/a",
        "https://S3cr3t@idp.example.com",
        "https://user:S3c@r3tS3cr3t@idp.example.com",
        "https://user:pa?S3cr3t@idp.example.com",
        "user:S3cr3t@idp.example.com",
    ] {
        for setting in ["issuer", "jwks_url", "url", "domain", "audience", "authorization_servers"] {
            let shown = format!("{:?}", from_json(json!({ setting: address })));
            assert!(!shown.contains("S3cr3t") && !shown.contains("r3t"), "{shown}");
        }
    }
    let shown =
        format!("{:?}", from_json(json!({ "issuer": "https://idp.example.com/@a", "client_id": "a@b" })));
    assert!(shown.contains("\"a@b\""), "{shown}");
}

#[test]
fn a_meaning_is_plain_text() {
    for setting in Settings::table() {
        let meaning = setting.meaning();
        assert!(!meaning.contains("](") && !meaning.contains("**") && !meaning.contains("  "), "{meaning}");
    }
}

#[test]
fn a_name_is_told_as_it_was_written() {
    assert_eq!(names(with(&[("api_auth_Isuer", "x")])), ["api_auth_Isuer"]);
    assert_eq!(names(with(&[("api_auth_leeway", "x")])), ["api_auth_leeway"]);
    assert_eq!(names(with(&[("API_AUTH_", "x")])), ["API_AUTH_"]);
    assert_eq!(names(from_vars(&[])), ["API_AUTH_ISSUER", "API_AUTH_AUDIENCE"]);
    let settings = from_json(json!({ "isuer": "x", "Issuer": "x", "leeway": [] }));
    assert_eq!(names(settings.check()), ["Issuer", "isuer", "issuer", "audience", "leeway"]);
    let nasty = with(&[("API_AUTH_\n\u{1b}[31m", "x")]).unwrap_err();
    assert_eq!(nasty.to_string().lines().count(), 2);
    assert!(!nasty.to_string().contains('\u{1b}'));
}

#[test]
fn small_letters_are_as_good_and_both_are_too_much() {
    assert!(from_vars(&[("api_auth_issuer", MINIMAL[0].1), MINIMAL[1]]).is_ok());
    assert_eq!(faults(with(&[("api_auth_issuer", MINIMAL[0].1)])), ["api_auth_issuer is set twice"]);
    let twice: Settings =
        serde_json::from_str(r#"{"issuer": "https://idp.example.com", "audience": "a", "audience": "b"}"#)
            .unwrap();
    assert_eq!(faults(twice.check()), ["audience is set twice"]);
}

#[test]
fn a_prefix_is_a_name() {
    for prefix in ["A", "API_AUTH", "x1"] {
        let names = names(Settings::from_vars(prefix, Vec::<(String, String)>::new()));
        assert_eq!(names, ["ISSUER", "AUDIENCE"].map(|name| format!("{prefix}_{name}")));
    }
    for prefix in ["", "_", "API_AUTH_", "API AUTH", "API-AUTH", "ä", "A.B", "A\n"] {
        assert_eq!(names(Settings::from_vars(prefix, MINIMAL)), ["prefix"], "{prefix:?}");
        assert_eq!(names(Settings::from_env(prefix)), ["prefix"], "{prefix:?}");
    }
}

#[test]
fn only_the_word_false_turns_it_off() {
    let off = from_vars(&[("API_AUTH_ENABLED", "false")]).unwrap();
    assert!(!off.is_enabled() && off.layer().unwrap().is_none());
    assert!(from_json(json!({ "enabled": false })).layer().unwrap().is_none());
    assert!(with(&[("API_AUTH_ENABLED", "true")]).unwrap().layer().unwrap().is_some());
    for word in ["", " ", "0", "1", "no", "off", "False", "FALSE", "false ", "f", "disabled", "yes", "True"] {
        assert_eq!(names(with(&[("API_AUTH_ENABLED", word)])), ["API_AUTH_ENABLED"], "{word:?}");
    }
    for value in [json!(0), json!(null), json!("no"), json!([]), json!([false]), json!({}), json!(0.0)] {
        let settings = from_json(json!({ "enabled": value, "issuer": MINIMAL[0].1, "audience": "a" }));
        assert!(settings.is_enabled());
        assert_eq!(names(settings.layer()), ["enabled"]);
    }
}

#[test]
fn what_is_off_is_still_looked_at_for_misspelt_names() {
    let told =
        faults(from_vars(&[("API_AUTH_ENABLED", "false"), ("API_AUTH_ISUER", "x"), ("API_AUTH_GRPC", "1")]));
    assert_eq!(told, ["ISUER is no setting: ISSUER?", "GRPC has to be true or false"]);
    assert_eq!(names(from_json(json!({ "enabled": false, "isuer": "x" })).layer()), ["isuer"]);
    let off = from_vars(&[("API_AUTH_ENABLED", "false"), ("API_AUTH_ISSUER", "no URL?")]);
    assert_eq!(names(off), ["API_AUTH_ISSUER"]);
    let off = from_vars(&[("API_AUTH_ENABLED", "false")]).unwrap();
    assert_eq!(names(off.verifier()), ["API_AUTH_ISSUER", "API_AUTH_AUDIENCE"]);
}

#[test]
fn an_empty_value_is_no_value_and_an_error() {
    for setting in Settings::table() {
        let name = format!("API_AUTH_{}", setting.name().to_ascii_uppercase());
        for empty in ["", " ", "\t\n"] {
            let variables =
                MINIMAL.into_iter().filter(|(own, _)| *own != name).chain([(name.as_str(), empty)]);
            assert!(names(Settings::from_vars("API_AUTH", variables)).contains(&name), "{name}");
        }
        let mut given = json!({ "issuer": MINIMAL[0].1, "audience": "a" });
        for empty in [json!(null), json!([]), json!({}), json!(-1), json!(1.5)] {
            given[setting.name()] = empty;
            assert!(names(from_json(given.clone()).check()).contains(&setting.name().to_owned()));
        }
    }
}

#[test]
fn values_have_one_form_in_every_format() {
    let toml = r#"
        issuer = "https://idp.example.com"
        audience = ["https://api.example.com", "api"]
        algorithms = ["RS256", "ES256"]
        required_scopes = "a b"
        rfc9068 = true
        leeway = "30s"
        cache_max_entries = 500
        cache_time_to_live = 0
        timeout = "1500ms"
    "#;
    let json = json!({
        "issuer": "https://idp.example.com",
        "audience": "https://api.example.com,api",
        "algorithms": "RS256 ES256",
        "required_scopes": ["a", "b"],
        "rfc9068": "true",
        "leeway": "30000ms",
        "cache_max_entries": "500",
        "cache_time_to_live": "0s",
        "timeout": "1500ms",
    });
    let variables = [
        ("API_AUTH_ISSUER", "https://idp.example.com"),
        ("API_AUTH_AUDIENCE", "https://api.example.com api"),
        ("API_AUTH_ALGORITHMS", " RS256 , ES256 "),
        ("API_AUTH_REQUIRED_SCOPES", "a,b"),
        ("API_AUTH_RFC9068", "true"),
        ("API_AUTH_LEEWAY", "30s"),
        ("API_AUTH_CACHE_MAX_ENTRIES", "500"),
        ("API_AUTH_CACHE_TIME_TO_LIVE", "0"),
        ("API_AUTH_TIMEOUT", "1500ms"),
    ];
    let environment = config::Environment::with_prefix("API_AUTH")
        .source(Some(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()));
    let config = config::Config::builder().add_source(environment).build().unwrap();
    let all = [
        toml::from_str::<Settings>(toml).unwrap(),
        from_json(json),
        from_vars(&variables).unwrap(),
        config.try_deserialize().unwrap(),
    ];
    for settings in &all {
        assert_eq!(faults(settings.check()), Vec::<String>::new());
        assert_eq!(json_of(settings), json_of(&all[0]));
    }
    assert_eq!(json_of(&all[0])["leeway"], "30s");
    assert_eq!(json_of(&all[0])["cache_time_to_live"], "0");
}

#[test]
fn what_looks_like_a_letter_is_none() {
    // U+212A, which becomes a `k` in small letters.
    let given =
        [("API_AUTH_JW\u{212a}S_URL", "https://evil.example/keys"), ("API_AUTH_PUBLIC_\u{212a}EY", "x")];
    assert!(names(with(&given)).iter().all(|name| name.contains('\u{212a}')));
    assert_eq!(names(with(&given)).len(), 2);
    let other = Settings::from_vars("KEYS", [("\u{212a}EYS_OPTIONAL", "true"), ("KEYS_ENABLED", "false")]);
    assert!(!other.unwrap().is_enabled());
}

#[test]
fn every_line_of_secrets_is_a_secret() {
    let secret = "for-tests-only-a-secret-of-32-bytes";
    for (text, good) in [
        (format!("{secret}\n"), true),
        (format!("{secret}\n{secret}-too\n"), true),
        (format!("# the secret of the api, rotated in 2026\n{secret}\n"), false),
        (format!("{}\n{secret}\n", " ".repeat(40)), false),
        (format!("\u{feff}{secret}\n"), false),
        ("\0".repeat(64), false),
        (format!("{secret}\t-too"), false),
    ] {
        let path = file("lines", &text);
        let settings = with(&[("API_AUTH_SECRET_KEY_FILE", &path)]);
        assert_eq!(settings.is_ok(), good, "{text:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let path = std::env::temp_dir().join(format!("tower-bearer-pipe-{}", std::process::id()));
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    for path in [path.to_str().unwrap(), "/dev/zero", "/tmp"] {
        assert_eq!(
            names(with(&[("API_AUTH_SECRET_KEY_FILE", path)])),
            ["API_AUTH_SECRET_KEY_FILE"],
            "{path}"
        );
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn a_value_of_a_claim_stands_behind_its_name() {
    for (value, expected) in [
        ("hd=example.com", true),
        ("url=https://a.example/?b=c", true),
        ("a=1,b=true", true),
        ("hd", false),
        ("=example.com", false),
        ("hd=", false),
        ("hd=a,b", false),
    ] {
        let given = json!({ "required_values": value, "issuer": "https://idp.example.com", "audience": "a" });
        let faults = faults(from_json(given).check());
        let expected: &[&str] =
            if expected { &[] } else { &["required_values has to be a list of claim=value"] };
        assert_eq!(faults, expected, "{value}");
    }
}

#[test]
fn supabase_takes_the_secret_of_an_older_project() {
    let variables = [("API_AUTH_PROVIDER", "supabase"), ("API_AUTH_URL", "https://acme.supabase.co")];
    let secret = ("API_AUTH_SECRET_KEY", "for-tests-only-a-secret-of-32-bytes");
    assert_eq!(faults(from_vars(&[variables[0], variables[1], secret])), [""; 0]);
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let settings = from_json(json!({
        "enabled": true,
        "provider": "github",
        "client_id": "Iv1.0123456789abcdef",
        "client_secret_file": "/run/secrets/github",
        "allowed_users": [1, "22"],
        "allowed_teams": ["acme/staff"],
        "resource": "https://mcp.example.com/mcp",
        "resource_name": "Files of Acme, Ltd.",
        "cache_max_bytes": 65536,
        "cache_jitter": 0,
        "cache_stale_if_error": "90m",
        "upstream_timeout": "1s",
        "grpc": false,
    }));
    let written = json_of(&settings);
    assert_eq!(written["cache_stale_if_error"], "90m");
    assert_eq!(written["allowed_users"], json!([1, 22]));
    assert_eq!(json_of(&serde_json::from_value(written.clone()).unwrap()), written);
    let text = toml::to_string(&settings).unwrap();
    assert_eq!(json_of(&toml::from_str(&text).unwrap()), written);
    let variables = written.as_object().unwrap().iter().map(|(name, value)| {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let list = |list: &Vec<Value>| list.iter().map(text).collect::<Vec<_>>().join(",");
        (format!("X_{}", name.to_uppercase()), value.as_array().map_or_else(|| text(value), list))
    });
    let faults = faults(Settings::from_vars("X", variables));
    assert_eq!(faults, ["X_CLIENT_SECRET_FILE names a file that cannot be read: entity not found"]);
    let unreadable = from_json(json!({ "isuer": "x" }));
    assert!(serde_json::to_string(&unreadable).is_err());
}

#[test]
fn settings_are_part_of_a_larger_file() {
    #[derive(Deserialize)]
    struct Whole {
        port: u16,
        #[serde(flatten)]
        auth: Settings,
    }

    #[derive(Deserialize)]
    struct Nested {
        auth: Settings,
    }

    let whole: Whole =
        toml::from_str("port = 80\nissuer = \"https://idp.example.com\"\naudience = \"a\"").unwrap();
    assert_eq!((whole.port, faults(whole.auth.check())), (80, Vec::new()));
    let nested: Nested = toml::from_str("[auth]\nisuer = 1979-05-27\naudience = 7").unwrap();
    assert_eq!(names(nested.auth.check()), ["isuer", "issuer", "audience"]);
}

#[test]
fn a_duration_has_a_unit() {
    for (text, written) in [
        ("1ms", "1ms"),
        ("1000ms", "1s"),
        ("60s", "1m"),
        ("0", "0"),
        ("0m", "0"),
        ("1h", "1h"),
        ("24h", "1d"),
    ] {
        let settings = with(&[("API_AUTH_CACHE_TIME_TO_LIVE", text)]).unwrap();
        assert_eq!(json_of(&settings)["cache_time_to_live"], written);
    }
    for text in [
        "5",
        "5M",
        "5 s",
        " 5s",
        "5s ",
        "1m30s",
        "1.5s",
        "-1s",
        "+1s",
        "s",
        "5sec",
        "0x1s",
        "٥s",
        "1_0s",
        "00",
        "18446744073709551615d",
        "18446744073709551616s",
        "1w",
        "5min",
    ] {
        let result = with(&[("API_AUTH_CACHE_TIME_TO_LIVE", text)]);
        assert_eq!(result.is_ok(), text == "00", "{text}");
    }
}

#[test]
fn what_means_nothing_to_a_provider_is_not_passed_over() {
    let github =
        [("API_AUTH_PROVIDER", "github"), ("API_AUTH_CLIENT_ID", "a"), ("API_AUTH_CLIENT_SECRET", "b")];
    for name in ["ALGORITHMS", "ISSUER", "AUDIENCE", "LEEWAY", "INSECURE_ALLOW_ANY_AUDIENCE", "DOMAIN"] {
        let name = format!("API_AUTH_{name}");
        let value = if name.contains("INSECURE") { "false" } else { "RS256" };
        let value = if name.contains("LEEWAY") { "1s" } else { value };
        let given = github.into_iter().chain([(name.as_str(), value)]);
        let told = Settings::from_vars("API_AUTH", given).unwrap_err();
        let expected = format!("`{name}` means nothing to the provider `github`");
        assert_eq!(told.faults().iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
    assert_eq!(
        faults(from_vars(&[
            ("API_AUTH_PROVIDER", "auth0"),
            ("API_AUTH_INSECURE_ALLOW_ANY_AUDIENCE", "true"),
            ("API_AUTH_SECRET_KEY", "x"),
        ])),
        [
            "AUDIENCE is missing",
            "DOMAIN is missing",
            "SECRET_KEY means nothing to the provider auth0",
            "INSECURE_ALLOW_ANY_AUDIENCE means nothing to the provider auth0",
        ],
    );
    for (provider, needs) in
        [("google_id_tokens", json!({})), ("cognito", json!({ "user_pool": "eu-west-1_A" }))]
    {
        let mut given = json!({ "provider": provider, "client_id": "a", "insecure_allow_id_tokens": true });
        given.as_object_mut().unwrap().extend(needs.as_object().unwrap().clone());
        let expected = format!("insecure_allow_id_tokens means nothing to the provider {provider}");
        assert_eq!(faults(from_json(given).check()), [expected]);
    }
    assert_eq!(names(with(&[("API_AUTH_CLIENT_SECRET_FILE", "/x")])), ["API_AUTH_CLIENT_SECRET_FILE"]);
    // Of a provider that nobody knows, nothing is known to be missing.
    assert_eq!(names(from_vars(&[("API_AUTH_PROVIDER", "acme")])), ["API_AUTH_PROVIDER"]);
}

#[test]
fn what_excludes_each_other_is_named() {
    let pem = fixture("rsa_public.pem");
    for (variables, expected) in [
        (
            &[("API_AUTH_JWKS_URL", "https://idp.example.com/k"), ("API_AUTH_PUBLIC_KEY", pem.as_str())][..],
            "PUBLIC_KEY is set together with JWKS_URL",
        ),
        (
            &[("API_AUTH_INSECURE_ALLOW_ANY_AUDIENCE", "true")],
            "INSECURE_ALLOW_ANY_AUDIENCE is set together with AUDIENCE",
        ),
        (
            &[
                ("API_AUTH_INSECURE_ALLOW_ANY_ISSUER", "true"),
                ("API_AUTH_JWKS_URL", "https://idp.example.com/k"),
            ],
            "INSECURE_ALLOW_ANY_ISSUER is set together with ISSUER",
        ),
        (
            &[("API_AUTH_PROXY", "http://proxy:3128"), ("API_AUTH_SSRF_PROTECTION", "true")],
            "SSRF_PROTECTION is set together with PROXY",
        ),
        (
            &[("API_AUTH_PUBLIC_KEY", pem.as_str()), ("API_AUTH_ALGORITHMS", "HS256")],
            "ALGORITHMS mixes shared secrets and public keys",
        ),
    ] {
        assert_eq!(faults(with(variables)), [expected]);
    }
    let settings = with(&[("API_AUTH_SSRF_PROTECTION", "true")]).unwrap().http_client(Script::new());
    assert_eq!(faults(settings.layer()), ["SSRF_PROTECTION is set together with http_client"]);
}

#[test]
fn a_secret_comes_from_a_file() {
    let github = |file: &str| {
        from_vars(&[
            ("API_AUTH_PROVIDER", "github"),
            ("API_AUTH_CLIENT_ID", "acme"),
            ("API_AUTH_CLIENT_SECRET_FILE", file),
        ])
    };
    for content in ["secret", "secret\n", "secret\r\n"] {
        assert!(github(&file("secret", content)).is_ok(), "{content:?}");
    }
    let long = vec![b'x'; 1024 * 1024 + 1];
    for (number, (content, expected)) in [
        (&b"secret\n\n"[..], "has characters that do not belong there"),
        (b" secret", "has characters that do not belong there"),
        (b"\n", "is empty or matches everything"),
        (b"", "is empty or matches everything"),
        (b"\xff\xfe", "names what is no file with text of at most 1 MiB"),
        (&long, "names what is no file with text of at most 1 MiB"),
    ]
    .into_iter()
    .enumerate()
    {
        let told = faults(github(&file(&format!("bad-{number}"), content)));
        assert_eq!(told, [format!("CLIENT_SECRET_FILE {expected}")]);
    }
    assert_eq!(
        faults(github("/nonexistent/secret")),
        ["CLIENT_SECRET_FILE names a file that cannot be read: entity not found"]
    );
    assert_eq!(names(github(env!("CARGO_TARGET_TMPDIR"))), ["API_AUTH_CLIENT_SECRET_FILE"]);
    let both = from_vars(&[
        ("API_AUTH_PROVIDER", "github"),
        ("API_AUTH_CLIENT_ID", "acme"),
        ("API_AUTH_CLIENT_SECRET", "secret"),
        ("API_AUTH_CLIENT_SECRET_FILE", &file("both", "secret")),
    ]);
    assert_eq!(faults(both), ["CLIENT_SECRET_FILE is set together with CLIENT_SECRET"]);
}

#[test]
fn a_key_that_is_none_is_named_and_a_private_one_is_refused() {
    let private = fixture("rsa_private.pem");
    let secret_set = json!({ "keys": [{ "kty": "oct", "k": "A".repeat(64) }] }).to_string();
    let both = format!("{}{}", fixture("rsa_public.pem"), fixture("p256_public.pem"));
    let cut =
        format!("{}-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", fixture("rsa_public.pem"));
    for (name, value, expected) in [
        ("PUBLIC_KEY", both.as_str(), None),
        ("PUBLIC_KEY", "no key", Some("is not a usable key: PEM")),
        ("PUBLIC_KEY", &cut, Some("is not a usable key: PEM")),
        ("PUBLIC_KEY", &private, Some("is a private key where a public one belongs")),
        ("JWK_SET", "{}", Some("is not a usable key: JSON with keys that are public")),
        ("JWK_SET", &secret_set, Some("is not a usable key: JSON with keys that are public")),
        (
            "SECRET_KEY",
            "0123456789012345678901234567890",
            Some("is too short, or is the text of a key: 32 bytes or more each"),
        ),
        ("SECRET_KEY", &both, Some("is too short, or is the text of a key: 32 bytes or more each")),
        ("SECRET_KEY", "01234567890123456789012345678901\n\n01234567890123456789012345678902\n", None),
        (
            "JWKS_URL",
            "http://idp.example.com/keys",
            Some("has to be an https URL (http is for loopback addresses only)"),
        ),
    ] {
        let expected: Vec<String> = expected.iter().map(|what| format!("{name} {what}")).collect();
        assert_eq!(faults(with(&[(&format!("API_AUTH_{name}"), value)])), expected);
    }
    let told = faults(with(&[("API_AUTH_PUBLIC_KEY_FILE", &file("private.pem", &private))]));
    assert_eq!(told, ["PUBLIC_KEY_FILE is a private key where a public one belongs"]);
}

/// Everything that can be seen of settings: whole or wrong.
fn everything_of(settings: &Settings) -> String {
    let (logs, _guard) = Logs::capture();
    let mut text = format!("{settings:?} {settings:#?} {:?} ", settings.clone());
    text.push_str(&serde_json::to_string(settings).unwrap_or_else(|error| format!("{error:?} {error}")));
    text.push_str(&toml::to_string(settings).unwrap_or_else(|error| format!("{error:?} {error}")));
    match settings.layer() {
        Ok(layer) => text.push_str(&format!("{layer:?} {:?}", settings.verifier())),
        Err(error) => text.push_str(&format!("{error} {error:?} {error:#?}")),
    }
    text + &logs.text()
}

#[test]
fn no_secret_is_seen_anywhere() {
    let secret = format!("{CANARY}-{CANARY}");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{CANARY}\n-----END PUBLIC KEY-----");
    let proxy = format!("http://user:{CANARY}@proxy.example.com:3128");
    let jwk = json!({ "keys": [{ "kty": "oct", "k": CANARY }] }).to_string();
    let jwt = |name: &str, value: &str| json!({ "issuer": "https://i", "audience": "a", name: value });
    let github = |secret: &str| json!({ "provider": "github", "client_id": "a", "client_secret": secret });
    for given in [
        jwt("secret_key", &secret),
        jwt("secret_key", CANARY),
        json!({ "issuer": "https://i", "audience": "a", "secret_key": [secret, CANARY, "x"] }),
        jwt("public_key", &pem),
        jwt("jwk_set", &jwk),
        jwt("proxy", &proxy),
        jwt("proxy", CANARY),
        jwt("client_secret", CANARY),
        jwt("jwks_url", &format!("https://idp.example.com/keys?key={CANARY}")),
        jwt("client_secert", CANARY),
        jwt("leeway", CANARY),
        jwt("algorithms", CANARY),
        jwt("enabled", CANARY),
        jwt("provider", CANARY),
        jwt("cache_jitter", CANARY),
        jwt("public_key_file", &file("canary.pem", &pem)),
        github(CANARY),
        github(&format!("{CANARY} ")),
        github(&format!(" {CANARY}\n{CANARY}")),
    ] {
        let mut text = everything_of(&from_json(given.clone()));
        if given.get("jwks_url").is_some() {
            // Written into a file it has to be whole.
            text = text.replacen(&format!("?key={CANARY}"), "", 2);
        }
        assert!(!text.contains("S3cr3t"), "{given}: {text}");
    }
    let error = with(&[("API_AUTH_SECRET_KEY", CANARY), ("API_AUTH_X", CANARY)]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("S3cr3t-"));
}

#[test]
fn what_weakens_is_logged_when_something_is_made_of_it() {
    let insecure = from_json(json!({
        "jwks_url": "https://idp.example.com/keys",
        "insecure_allow_any_audience": true,
        "insecure_allow_any_issuer": true,
        "insecure_allow_missing_expiry": true,
        "insecure_allow_id_tokens": true,
    }));
    let off = from_json(json!({ "enabled": false }));
    let usual = from_json(json!({
        "issuer": "https://idp.example.com", "audience": "a", "insecure_allow_id_tokens": false,
    }));
    let (logs, _guard) = Logs::capture();
    for settings in [&insecure, &off, &usual] {
        settings.check().unwrap();
    }
    assert_eq!(logs.count(Level::WARN), 0);
    usual.layer().unwrap();
    assert_eq!(logs.count(Level::WARN), 0);
    insecure.layer().unwrap();
    assert_eq!(logs.count(Level::WARN), 4);
    assert!(logs.text().contains("insecure_allow_missing_expiry"), "{}", logs.text());
    off.layer().unwrap();
    assert_eq!(logs.count(Level::WARN), 5);
    assert!(logs.text().contains("setting=enabled"), "{}", logs.text());
}

/// The app of these settings, in front of an issuer whose keys are in the script.
fn app(world: &World, given: Value) -> App {
    let settings = from_json(given).http_client(world.script.clone()).clock(world.clock.clone());
    App::of(settings.layer().unwrap().unwrap())
}

#[tokio::test]
async fn a_good_token_is_served_and_a_bad_one_is_not() {
    let world = World::new().await;
    let given = json!({
        "issuer": world.issuer.issuer(),
        "audience": ["other", AUDIENCE],
        "jwks_url": world.issuer.jwks_uri(),
        "required_scopes": "read write",
    });
    let app = app(&world, given);
    let token = || world.issuer.token().audience(AUDIENCE);
    assert_eq!(app.status(&token().scope("write read x").mint()).await, 200);
    assert_eq!(app.status(&token().scope("read").mint()).await, 403);
    assert_eq!(app.status(&world.issuer.token().audience("elsewhere").scope("read write").mint()).await, 401);
    assert_eq!(app.status(&world.forged()).await, 401);
    let mut late = token().scope("read write").mint();
    assert_eq!(app.status(&late).await, 200);
    world.pass(24 * 60 * 60);
    assert_eq!(app.status(&late).await, 401);
    late.push('x');
    assert_eq!(app.status(&late).await, 401);
}

#[tokio::test]
async fn an_issuer_on_loopback_is_found_by_itself() {
    let world = World::new().await;
    let layer = from_vars(&[("API_AUTH_ISSUER", world.issuer.issuer()), ("API_AUTH_RESOURCE", AUDIENCE)]);
    let layer = layer.unwrap().clock(world.clock.clone()).layer().unwrap().unwrap();
    let app = App::of(layer);
    assert_eq!(app.status(&world.token()).await, 200);
    assert_eq!(app.status(&world.issuer.token().audience("elsewhere").mint()).await, 401);
}

#[tokio::test]
async fn keys_of_a_file_are_all_good() {
    let world = World::new().await;
    let secret = String::from_utf8(world.issuer.hmac_secret().to_vec()).unwrap();
    let keys = file("secrets", format!("01234567890123456789012345678901234567890123456789\n{secret}\n"));
    let given = json!({ "issuer": world.issuer.issuer(), "audience": AUDIENCE, "secret_key_file": keys });
    let app_of_secrets = app(&world, given);
    let token = |algorithm| world.issuer.token().audience(AUDIENCE).algorithm(algorithm).mint();
    assert_eq!(app_of_secrets.status(&token(Algorithm::Hs256)).await, 200);
    assert_eq!(app_of_secrets.status(&token(Algorithm::Rs256)).await, 401);
    let set = file("set.json", world.issuer.jwk_set());
    let given = json!({ "issuer": world.issuer.issuer(), "audience": AUDIENCE, "jwk_set_file": set });
    let app_of_set = app(&world, given);
    assert_eq!(app_of_set.status(&token(Algorithm::Hs256)).await, 401);
    assert_eq!(app_of_set.status(&token(Algorithm::Es256)).await, 200);
    assert_eq!(world.script.count(), 0);
}

#[tokio::test]
async fn a_cache_without_memory_asks_each_time() {
    let world = World::new().await;
    let url = "https://idp.example.com/introspect";
    let answer = json!({ "active": true, "sub": "alice", "aud": AUDIENCE, "exp": 4_102_444_800_u64 });
    world.script.set(url, Reply::document(answer.to_string()));
    let mut given = json!({
        "provider": "introspection",
        "issuer": "https://idp.example.com",
        "audience": AUDIENCE,
        "client_id": "api",
        "client_secret": "secret of the api",
        "introspection_url": url,
        "allow_missing_issuer": true,
    });
    let remembering = app(&world, given.clone());
    assert_eq!([remembering.status("a").await, remembering.status("a").await], [200, 200]);
    assert_eq!(world.script.count(), 1);
    given["cache_time_to_live"] = json!(0);
    given["client_authentication"] = json!("post");
    let forgetting = app(&world, given);
    assert_eq!([forgetting.status("a").await, forgetting.status("a").await], [200, 200]);
    assert_eq!(world.script.count(), 3);
    let basic: Vec<bool> =
        world.script.asked().iter().map(|asked| asked.headers.contains_key("authorization")).collect();
    assert_eq!(basic, [true, false, false]);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_forgotten_by_the_handle() {
    let world = World::new().await;
    let url = "https://idp.example.com/introspect";
    let answer = json!({ "active": true, "iss": "https://idp.example.com", "aud": AUDIENCE, "exp": 4_102_444_800_u64 });
    world.script.set(url, Reply::document(answer.to_string()));
    let settings = from_json(json!({
        "provider": "introspection",
        "issuer": "https://idp.example.com",
        "audience": AUDIENCE,
        "client_id": "api",
        "client_secret": "secret",
        "introspection_url": url,
    }));
    let verifier = settings.http_client(world.script.clone()).clock(world.clock.clone()).verifier().unwrap();
    let handle = verifier.handle();
    let app = App::new(verifier, world.clock.clone());
    assert_eq!(app.status("a").await, 200);
    assert_eq!(handle.stats().entries(), 1);
    handle.clear();
    assert_eq!(app.status("a").await, 200);
    assert_eq!(world.script.count(), 2);
}

#[test]
fn every_number_and_duration_has_its_range() {
    let asking = json!({
        "provider": "introspection", "issuer": "https://i", "audience": "a", "client_id": "c", "client_secret": "s",
    });
    let signed = json!({ "issuer": "https://i", "audience": "a" });
    for (setting, value) in [
        ("leeway", "301s"),
        ("max_token_age", "999ms"),
        ("max_token_age", "367d"),
        ("upstream_timeout", "0"),
        ("upstream_timeout", "61s"),
        ("max_upstream_calls", "0"),
        ("max_upstream_calls", "10001"),
        ("timeout", "0"),
        ("timeout", "61s"),
        ("cache_time_to_live", "1441m"),
        ("cache_max_entries", "10000001"),
        ("cache_max_bytes", "65535"),
        ("cache_max_bytes", "68719476737"),
        ("cache_negative_time_to_live", "10001ms"),
        ("cache_refresh_ahead", "51"),
        ("cache_jitter", "51"),
        ("cache_stale_if_error", "25h"),
        ("cache_max_upstream_calls", "0"),
        ("cache_max_upstream_calls", "65537"),
    ] {
        let is_of_asking = matches!(setting, "upstream_timeout" | "max_upstream_calls");
        let mut given = if is_of_asking { asking.clone() } else { signed.clone() };
        given[setting] = json!(value);
        let range = Settings::table().iter().find(|known| known.name() == setting).unwrap().range();
        let range = range.replace('`', "");
        assert_eq!(faults(from_json(given).check()), [format!("{setting} is out of range: {range}")]);
    }
}

/// A request with a token, and what came back.
async fn answer(
    layer: AuthLayer<Cached<BoxVerifier>>,
    request: http::Request<()>,
) -> (common::Answer, Option<bool>) {
    use std::sync::{Arc, Mutex};

    use tower::{ServiceBuilder, ServiceExt};

    // Whether the handler saw the field.
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let service = ServiceBuilder::new().layer(layer).service_fn(move |request: http::Request<()>| {
        *note.lock().unwrap() = Some(request.headers().contains_key("authorization"));
        async { Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::from("handler"))) }
    });
    let answer = common::Answer::read(service.oneshot(request).await.unwrap()).await;
    let seen = *seen.lock().unwrap();
    (answer, seen)
}

#[tokio::test]
async fn each_setting_about_signed_tokens_has_its_effect() {
    let world = World::new().await;
    let minimal = json!({
        "issuer": world.issuer.issuer(), "audience": AUDIENCE, "jwks_url": world.issuer.jwks_uri(),
    });
    let keys_alone = json!({ "issuer": null, "jwks_url": world.issuer.jwks_uri(), "audience": AUDIENCE });
    let token = || world.issuer.token().audience(AUDIENCE);
    let minutes = |count: u64| std::time::Duration::from_secs(60 * count);
    let old = Value::from(world.clock_at(0).duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - 3600);
    let late = token().expired_since(minutes(2)).mint();
    let roles = token().claim("realm", json!({ "roles": ["admin"] })).mint();
    let es256 = token().algorithm(Algorithm::Es256).mint();
    let of_other = token().claim("iss", "https://other.example.com").mint();
    let team = |name: &str| token().claim("hd", name).mint();
    let endless = token().without_claim("exp").mint();
    let id_token = token().claim("at_hash", "x").mint();
    let elsewhere = world.issuer.token().audience("elsewhere").mint();
    let unnamed = world.issuer.token().without_claim("aud").claim("client_id", "app").mint();
    for (settings, token, without, with) in [
        (json!({ "rfc9068": true }), token().header("typ", "JWT").mint(), 200, 401),
        (json!({ "max_token_age": "59m" }), token().claim("iat", old).mint(), 200, 401),
        (json!({ "leeway": "180s" }), late, 401, 200),
        (json!({ "required_claims": "sub department" }), token().mint(), 200, 401),
        (json!({ "required_values": "hd=a.example, hd=b.example" }), team("b.example"), 200, 200),
        (json!({ "required_values": ["hd=a.example", "hd=b.example"] }), team("c.example"), 200, 401),
        (json!({ "required_values": "hd=a.example sub=bob" }), team("a.example"), 200, 401),
        (json!({ "refused_values": "hd=a.example" }), team("a.example"), 200, 401),
        (json!({ "refused_values": "hd=a.example" }), team("b.example"), 200, 200),
        (json!({ "audience": "app", "client_as_audience": true }), unnamed.clone(), 401, 200),
        (json!({ "audience": "other", "client_as_audience": true }), unnamed, 401, 401),
        (json!({ "issuer_aliases": "https://other.example.com" }), of_other.clone(), 401, 200),
        (json!({ "required_scopes": "admin" }), roles.clone(), 200, 403),
        (json!({ "required_scopes": "admin", "scopes_at": "/realm/roles" }), roles, 200, 200),
        (json!({ "algorithms": "RS256,PS256" }), es256, 200, 401),
        (json!({ "audience": null, "insecure_allow_any_audience": true }), elsewhere, 401, 200),
        (json!({ "issuer": null, "insecure_allow_any_issuer": true }), of_other, 401, 200),
        (json!({ "insecure_allow_missing_expiry": true }), endless, 401, 200),
        (json!({ "insecure_allow_id_tokens": true }), id_token, 401, 200),
    ] {
        assert_eq!(app(&world, minimal.clone()).status(&token).await, without, "{settings}");
        let mut given = minimal.clone();
        for (name, value) in settings.as_object().unwrap() {
            match value {
                Value::Null => drop(given.as_object_mut().unwrap().remove(name)),
                value => given[name] = value.clone(),
            }
        }
        assert_eq!(app(&world, given).status(&token).await, with, "{settings}");
    }
    assert_eq!(names(from_json(keys_alone).check()), ["issuer"]);
}

#[tokio::test]
async fn a_client_is_named_by_a_further_claim() {
    let world = World::new().await;
    let token = world.issuer.token().audience(AUDIENCE).claim("app_id", "app");
    let token = BearerToken::new(&token.without_claim("client_id").without_claim("azp").mint()).unwrap();
    for (claims, expected) in [(json!("x"), None), (json!("x app_id"), Some("app"))] {
        let settings = from_json(json!({
            "issuer": world.issuer.issuer(), "audience": AUDIENCE, "jwks_url": world.issuer.jwks_uri(),
            "client_claim": claims,
        }));
        let settings = settings.http_client(world.script.clone()).clock(world.clock.clone());
        let verdict = settings.verifier().unwrap().verify(&token).await.unwrap();
        assert_eq!(verdict.client(), expected);
    }
}

#[tokio::test]
async fn each_setting_about_the_layer_has_its_effect() {
    let world = World::new().await;
    let layer = |more: Value| {
        let mut given = json!({
            "issuer": world.issuer.issuer(), "audience": AUDIENCE, "jwks_url": world.issuer.jwks_uri(),
        });
        given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let settings = from_json(given).http_client(world.script.clone()).clock(world.clock.clone());
        settings.layer().unwrap().unwrap()
    };
    let good = || http::Request::get("/").header("authorization", format!("Bearer {}", world.token()));
    for (strip, expected) in [(true, false), (false, true)] {
        let (_, seen) =
            answer(layer(json!({ "strip_authorization": strip })), good().body(()).unwrap()).await;
        assert_eq!(seen, Some(expected));
    }
    for (grpc, expected) in [(true, "16"), (false, "")] {
        let call = http::Request::post("/").header("content-type", "application/grpc").body(()).unwrap();
        let (answer, _) = answer(layer(json!({ "grpc": grpc })), call).await;
        assert_eq!(answer.field("grpc-status"), expected);
    }
    let described = layer(json!({
        "resource": "https://api.example.com/mcp",
        "resource_name": "Files of Acme",
        "required_scopes": "read",
        "challenge_scopes": ["api://read"],
        "scopes_supported": ["read", "write"],
        "authorization_servers": "https://one.example.com https://two.example.com",
    }));
    let (refused, _) = answer(described.clone(), http::Request::new(())).await;
    assert!(refused.field("www-authenticate").contains("scope=\"api://read\""));
    let prefixed =
        layer(json!({ "required_scopes": "read write", "challenge_scope_prefix": "api://files/" }));
    let (refused, _) = answer(prefixed, http::Request::new(())).await;
    assert!(refused.field("www-authenticate").contains("scope=\"api://files/read api://files/write\""));
    let uri = "https://api.example.com/.well-known/oauth-protected-resource/mcp";
    let (metadata, _) = answer(described, http::Request::get(uri).body(()).unwrap()).await;
    let metadata: Value = serde_json::from_str(&metadata.body).unwrap();
    assert_eq!(metadata["resource_name"], "Files of Acme");
    assert_eq!(metadata["scopes_supported"], json!(["read", "write"]));
    let servers = json!(["https://one.example.com", "https://two.example.com"]);
    assert_eq!(metadata["authorization_servers"], servers);
}

#[tokio::test]
async fn each_setting_about_who_is_asked_has_its_effect() {
    let world = World::new().await;
    let url = "https://idp.example.com/introspect";
    let answer = json!({ "active": true, "iss": "https://idp.example.com", "aud": AUDIENCE, "exp": 4_102_444_800_u64 });
    world.script.set(url, Reply::document(answer.to_string()));
    let given = |more: Value| {
        let mut given = json!({
            "provider": "introspection", "issuer": "https://idp.example.com", "audience": AUDIENCE,
            "client_id": "api", "client_secret": "secret", "introspection_url": url,
        });
        given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        given
    };
    let slow = app(&world, given(json!({ "upstream_timeout": "1234ms" })));
    assert_eq!(slow.status("a").await, 200);
    assert_eq!(world.script.asked().last().unwrap().limits.timeout.as_millis(), 1234);
    for (opaque_tokens_only, expected) in [(false, 200), (true, 401)] {
        let app = app(&world, given(json!({ "opaque_tokens_only": opaque_tokens_only })));
        assert_eq!(app.status(&world.token()).await, expected);
    }
}

/// An introspection endpoint, and the verifier of settings that asks it.
struct Introspected {
    world: World,
    verifier: Cached<BoxVerifier>,
}

impl Introspected {
    const URL: &str = "https://idp.example.com/introspect";

    async fn new(more: Value) -> Self {
        let world = World::new().await;
        let mut given = json!({
            "provider": "introspection", "issuer": "https://idp.example.com", "audience": AUDIENCE,
            "client_id": "api", "client_secret": "secret", "introspection_url": Self::URL,
            "cache_time_to_live": "100s", "cache_jitter": 0,
        });
        given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let settings = from_json(given).http_client(world.script.clone()).clock(world.clock.clone());
        let verifier = settings.verifier().unwrap();
        let this = Self { world, verifier };
        this.answers(true);
        this
    }

    fn answers(&self, active: bool) {
        let answer = json!({
            "active": active, "iss": "https://idp.example.com", "aud": AUDIENCE, "exp": 4_102_444_800_u64,
        });
        self.world.script.set(Self::URL, Reply::document(answer.to_string()));
    }

    async fn status(&self, token: &str) -> u16 {
        App::new(self.verifier.clone(), self.world.clock.clone()).status(token).await
    }
}

#[tokio::test]
async fn each_setting_about_the_memory_of_the_cache_has_its_effect() {
    for (setting, value, expected) in
        [("cache_max_entries", 10, 10), ("cache_max_bytes", 0, 0), ("cache_max_bytes", 33_554_432, 50)]
    {
        let asked = Introspected::new(json!({ setting: value })).await;
        for number in 0..50 {
            assert_eq!(asked.status(&format!("token-{number}")).await, 200);
        }
        let entries = asked.verifier.handle().stats().entries();
        assert!(entries == expected || (setting == "cache_max_entries" && entries < expected), "{entries}");
    }
    for (value, expected) in [("0", 3), ("5s", 2), ("10s", 1)] {
        let asked = Introspected::new(json!({ "cache_negative_time_to_live": value })).await;
        asked.answers(false);
        for seconds in [0, 0, 7] {
            asked.world.pass(seconds);
            assert_eq!(asked.status("a").await, 401);
        }
        assert_eq!(asked.world.script.count(), expected, "{value}");
    }
    for (value, expected) in [("0", 0), ("30", 0), ("50", 1)] {
        let asked = Introspected::new(json!({ "cache_refresh_ahead": value })).await;
        assert_eq!(asked.status("a").await, 200);
        asked.world.pass(60);
        assert_eq!(asked.status("a").await, 200);
        keys::settle().await;
        assert_eq!(asked.verifier.handle().stats().refreshed(), expected, "{value}");
    }
    for (value, expected) in [("0", 503), ("10s", 503), ("60s", 200)] {
        let asked = Introspected::new(json!({ "cache_stale_if_error": value })).await;
        assert_eq!(asked.status("a").await, 200);
        asked.world.script.set(Introspected::URL, Reply::Fails);
        asked.world.pass(130);
        assert_eq!(asked.status("a").await, expected, "{value}");
        assert_eq!(asked.verifier.handle().stats().served_stale(), u64::from(expected == 200));
    }
    for (jitter, expected) in [(0, 1), (50, 2)] {
        let asked = Introspected::new(json!({ "cache_jitter": jitter, "cache_refresh_ahead": 0 })).await;
        for number in 0..50 {
            asked.status(&format!("token-{number}")).await;
        }
        let first = asked.world.script.count();
        asked.world.pass(99);
        for number in 0..50 {
            asked.status(&format!("token-{number}")).await;
        }
        // With none, all of them are still there.
        assert_eq!(asked.world.script.count() > first, expected == 2, "{jitter}");
    }
}

#[tokio::test]
async fn each_limit_of_calls_has_its_effect() {
    for (settings, expected) in [
        (json!({}), 3),
        (json!({ "max_upstream_calls": 1 }), 1),
        (json!({ "max_upstream_calls": 2 }), 2),
        (json!({ "cache_max_upstream_calls": 1 }), 1),
    ] {
        let asked = Introspected::new(settings.clone()).await;
        asked.world.script.hold();
        let app = App::new(asked.verifier.clone(), asked.world.clock.clone());
        let waiting: Vec<_> = ["a", "b", "c"].map(|token| tokio::spawn(app.ask(token))).into();
        keys::settle().await;
        assert_eq!(asked.world.script.count(), expected, "{settings}");
        asked.world.script.release();
        for answer in waiting {
            let _ = answer.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_waits_as_long_as_the_timeout() {
    for (settings, expected) in [
        (json!({ "timeout": "1s" }), 1_000),
        (json!({ "timeout": "2500ms" }), 2_500),
        (json!({ "upstream_timeout": "60s" }), 10_000),
    ] {
        let world = World::new().await;
        let mut given = json!({
            "provider": "introspection", "issuer": "https://idp.example.com", "audience": AUDIENCE,
            "client_id": "api", "client_secret": "secret", "introspection_url": Introspected::URL,
        });
        given.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        world.script.set(Introspected::URL, Reply::Hangs);
        let before = tokio::time::Instant::now();
        assert_eq!(app(&world, given).status("a").await, 503);
        assert_eq!(before.elapsed().as_millis() / 10 * 10, expected, "{settings}");
    }
}

#[tokio::test]
async fn people_of_github_are_let_in_by_lists() {
    let github = TestGitHub::start().await.unwrap();
    github.add_user(1, "alice");
    github.add_user(2, "bob");
    github.add_user(3, "carol");
    github.add_user(4, "dave");
    github.add_to_organization(2, "acme", "active");
    github.add_to_team(3, "acme", "staff", "active");
    let tokens = [1, 2, 3, 4].map(|user| github.token(user, &["read:org"]));
    for (lists, expected) in [
        (json!({}), [200, 200, 200, 200]),
        (json!({ "allowed_users": "1" }), [200, 401, 401, 401]),
        (json!({ "allowed_users": [1, 2] }), [200, 200, 401, 401]),
        (json!({ "allowed_teams": "acme/staff" }), [401, 401, 200, 401]),
        (json!({ "allowed_organizations": ["acme"], "allowed_users": 1 }), [200, 200, 200, 401]),
    ] {
        let mut given = json!({
            "provider": "github", "client_id": github.client_id(), "client_secret": github.client_secret(),
            "url": github.api_url(),
        });
        given.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
        let app = App::of(from_json(given).layer().unwrap().unwrap());
        for (token, expected) in tokens.iter().zip(expected) {
            assert_eq!(app.status(token).await, expected, "{lists}");
        }
    }
    for lists in [
        json!({ "allowed_teams": "acme" }),
        json!({ "allowed_users": "alice" }),
        json!({ "allowed_organizations": "a/b" }),
    ] {
        let mut given = json!({ "provider": "github", "client_id": "a", "client_secret": "b" });
        given.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
        let expected: Vec<String> = lists.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names(from_json(given).check()), expected);
    }
}

#[tokio::test]
async fn each_setting_about_the_client_has_its_effect() {
    let world = World::new().await;
    for (setting, value, expected) in [
        ("ssrf_protection", "true", 503),
        ("ssrf_protection", "false", 200),
        // Nobody listens there.
        ("proxy", "http://127.0.0.1:9", 503),
    ] {
        let given = json!({ "issuer": world.issuer.issuer(), "audience": AUDIENCE, setting: value });
        let layer = from_json(given).clock(world.clock.clone()).layer().unwrap().unwrap();
        assert_eq!(App::of(layer).status(&world.token()).await, expected, "{setting}");
    }
    for (content, expected) in [
        (fixture("rsa_public.pem"), "is not a usable key: PEM"),
        ("x".to_owned(), "is not a usable key: PEM"),
    ] {
        let told = faults(with(&[("API_AUTH_ROOT_CERTIFICATES_FILE", &file("root.pem", content))]));
        assert_eq!(told, [format!("ROOT_CERTIFICATES_FILE {expected}")]);
    }
    assert!(
        with(&[("API_AUTH_ROOT_CERTIFICATES_FILE", &file("good.pem", fixture("certificate.pem")))]).is_ok()
    );
}

#[tokio::test]
async fn a_layer_can_be_changed_in_code() {
    let world = World::new().await;
    let given = json!({
        "issuer": world.issuer.issuer(), "audience": AUDIENCE, "jwks_url": world.issuer.jwks_uri(),
    });
    let settings = from_json(given).http_client(world.script.clone()).clock(world.clock.clone());
    let builder = settings.layer_builder().unwrap().unwrap();
    let app = App::of(builder.required_scopes(["admin"]).build().unwrap());
    assert_eq!(app.status(&world.token()).await, 403);
}

#[tokio::test]
async fn without_a_token_only_an_optional_layer_lets_through() {
    use tower::{ServiceBuilder, ServiceExt};

    for (optional, expected) in [(true, 200), (false, 401)] {
        let settings =
            from_json(json!({ "issuer": MINIMAL[0].1, "audience": "a", "optional": optional.to_string() }));
        let layer = settings.layer().unwrap().unwrap();
        let service = ServiceBuilder::new().layer(layer).service_fn(async |_: http::Request<()>| {
            Ok::<_, std::convert::Infallible>(http::Response::new(()))
        });
        let response = service.oneshot(http::Request::new(())).await.unwrap();
        assert_eq!(response.status(), expected);
    }
}

/// What a child process finds in its environment.
#[test]
#[ignore = "a process of its own, which `variables_of_the_process_are_read` starts with the environment it needs"]
fn the_environment_of_this_process() {
    match Settings::from_env("TOWER_BEARER_TEST") {
        Ok(settings) => println!("settings: {settings:?}"),
        Err(error) => println!("error: {error} {error:?}"),
    }
}

#[test]
fn variables_of_the_process_are_read() {
    let child = |variables: &[(&str, &std::ffi::OsStr)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_environment_of_this_process", "--ignored", "--nocapture"]);
        command.envs(variables.iter().copied());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let issuer = ("TOWER_BEARER_TEST_ISSUER", "https://idp.example.com".as_ref());
    let good = child(&[issuer, ("TOWER_BEARER_TEST_AUDIENCE", "a".as_ref())]);
    assert!(good.contains("settings:") && good.contains("idp.example.com"), "{good}");
    let bad = child(&[issuer]);
    assert!(bad.contains("`TOWER_BEARER_TEST_AUDIENCE` is missing"), "{bad}");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;

        let text = std::ffi::OsStr::from_bytes(b"S3cr3t-\xff");
        let bad = child(&[issuer, ("TOWER_BEARER_TEST_AUDIENCE", text), ("OTHER", text)]);
        assert!(bad.contains("`TOWER_BEARER_TEST_AUDIENCE` is no text") && !bad.contains("S3cr3t"), "{bad}");
    }
}

fn any_name() -> impl Strategy<Value = String> {
    let known: Vec<&str> = Settings::table().iter().map(|setting| setting.name()).collect();
    prop_oneof![
        8 => prop::sample::select(known).prop_map(str::to_owned),
        1 => "[a-z_]{0,12}",
        1 => any::<String>(),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    let good = [
        "https://idp.example.com",
        "https://api.example.com",
        "true",
        "false",
        "5s",
        "10",
        "0",
        "50",
        "a b",
        "/scp",
        "RS256",
        "HS256",
        "acme",
        "jwt",
        "github",
        "introspection",
        "entra",
        "keycloak",
        "gitlab",
        "google",
        "workos",
        "okta",
        "acme.example.com",
        "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "post",
        "acme/staff",
        "eu-west-1_AbCdEfGhI",
        "0123456789012345678901234567890123456789",
        CANARY,
        "",
        "*",
    ];
    prop_oneof![6 => prop::sample::select(good.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => any_text().prop_map(Value::String),
        1 => prop::collection::vec(any_text(), 0..3).prop_map(|list| json!(list)),
        1 => any::<i64>().prop_map(|number| json!(number)),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => prop::sample::select(vec![json!(null), json!({ "a": [1] }), json!([[["a"]]])]),
    ]
}

/// A value that is good for this setting somewhere.
fn good_value(name: &str) -> String {
    let setting = Settings::table().iter().find(|setting| setting.name() == name);
    match (name, setting.map_or("", |setting| setting.form())) {
        ("algorithms", _) => "RS256, ES256".to_owned(),
        ("jwks_url" | "introspection_url" | "resource" | "authorization_servers", _) => {
            "https://idp.example.com/x".to_owned()
        }
        ("provider", _) => "jwt".to_owned(),
        ("client_authentication", _) => "post".to_owned(),
        ("secret_key", _) => CANARY.to_owned(),
        ("proxy", _) => "http://proxy.example.com:3128".to_owned(),
        ("scopes_at", _) => "/scp".to_owned(),
        ("allowed_teams", _) => "acme/staff".to_owned(),
        ("public_key", _) => fixture("p256_public.pem"),
        ("public_key_file", _) => file("any.pem", fixture("rsa_public.pem")),
        ("secret_key_file" | "client_secret_file", _) => file("any-secret", CANARY),
        ("root_certificates_file", _) => file("any-root.pem", fixture("certificate.pem")),
        ("upstream_timeout" | "timeout" | "leeway" | "max_token_age", _) | (_, "duration") => "7s".to_owned(),
        ("enabled", _) | (_, "`true`, `false`") => "true".to_owned(),
        ("cache_max_bytes", _) => "65536".to_owned(),
        (_, "number" | "list of numbers") => "10".to_owned(),
        (_, "list of `claim=value`") => "hd=acme".to_owned(),
        _ => good(name).to_owned(),
    }
}

/// What a provider needs, and a few others: many of these are right.
fn any_settings() -> impl Strategy<Value = BTreeMap<String, String>> {
    let providers = table("| provider | how | needs | takes besides |");
    let value = |name: String| {
        let good = good_value(&name);
        (Just(name), prop_oneof![12 => Just(good), 1 => any_text()])
    };
    let others = prop::collection::vec(any_name().prop_flat_map(value), 0..5);
    (prop::sample::select(providers), prop::bool::weighted(0.9), others).prop_map(
        |(row, is_whole, others)| {
            let needs: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
            let needs =
                needs.into_iter().filter(|_| is_whole).map(|name| (name.to_owned(), good_value(name)));
            let provider = ("provider".to_owned(), row[0].trim_matches('`').to_owned());
            others.into_iter().chain(needs).chain([provider]).collect()
        },
    )
}

/// A fault is about a name that was given, or says what the provider is missing.
fn assert_named(error: &SettingsError, prefix: &str, given: &BTreeMap<String, Option<String>>) {
    assert!(!error.faults().is_empty());
    let shown = |name: &str| match prefix {
        "" => name.to_owned(),
        prefix => format!("{prefix}_{}", name.to_uppercase()),
    };
    let value = |name: &str| given.get(&shown(name)).map(|value| value.as_deref().unwrap_or_default());
    let provider = value("provider").unwrap_or("jwt").replace('-', "_");
    let rows = table("| provider | how | needs | takes besides |");
    let row = rows.into_iter().find(|row| row[0].trim_matches('`') == provider);
    let needs: Vec<String> =
        row.map_or_else(Vec::new, |row| row[2].split('`').skip(1).step_by(2).map(shown).collect());
    for fault in error.faults() {
        if given.contains_key(fault.name()) {
            continue;
        }
        let line = fault.to_string();
        let name = fault.name();
        let is_needed = needs.iter().any(|need| need == name) && line == format!("`{name}` is missing");
        let is_said = line.contains("is not `true`: answers of the provider")
            && name == shown("insecure_allow_any_audience")
            && needs.iter().any(|need| need == name);
        // Without an issuer something has to take its place.
        let instead = ["jwks_url", "introspection_url"].map(shown);
        let is_instead = instead.iter().any(|other| other == name)
            && line.contains(" is missing")
            && value("insecure_allow_any_issuer") == Some("true");
        // Whoever names a resource has to say where its tokens are from.
        let is_of_resource = name == shown("authorization_servers")
            && line == format!("`{name}` is missing")
            && given.contains_key(&shown("resource"));
        assert!(is_needed || is_said || is_instead || is_of_resource, "{line} of {given:?}");
    }
    assert!(!error.to_string().contains("S3cr3t"), "{error}");
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.as_bool().map(|value| value.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn any_table_is_a_layer_or_a_list_of_faults(
        given in prop_oneof![
            prop::collection::btree_map(any_name(), any_value(), 0..12),
            any_settings().prop_map(|given| {
                given.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
            }),
        ],
    ) {
        let value = serde_json::to_value(&given).unwrap();
        let settings = from_json(value).http_client(Script::new());
        let texts = given.iter().map(|(name, value)| (name.clone(), text_of(value))).collect();
        match settings.layer() {
            Ok(layer) => prop_assert_eq!(layer.is_some(), settings.is_enabled()),
            Err(error) => assert_named(&error, "", &texts),
        }
        prop_assert_eq!(settings.layer().is_ok(), settings.check().is_ok());
        prop_assert_eq!(settings.is_enabled(), !matches!(
            given.get("enabled"),
            Some(Value::Bool(false))
        ) && given.get("enabled") != Some(&json!("false")));
        if settings.check().is_ok() {
            let written = json_of(&settings);
            prop_assert_eq!(json_of(&from_json(written.clone())), written);
        }
    }

    #[test]
    fn nothing_but_enabled_turns_it_off(name in any_name(), value in any_value()) {
        prop_assume!(name != "enabled");
        let mut given = json!({ "issuer": "https://i", "audience": "a" });
        given[&name] = value;
        let settings = from_json(given);
        let settings = settings.http_client(Script::new());
        prop_assert!(!matches!(settings.layer(), Ok(None)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_variables_are_settings_or_a_list_of_faults(
        given in prop_oneof![
            1 => prop::collection::btree_map(any_name(), any_text(), 0..8),
            3 => any_settings(),
        ],
        prefix in prop_oneof![19 => Just("API_AUTH".to_owned()), 1 => any::<String>()],
    ) {
        let variables: BTreeMap<String, String> =
            given.iter().map(|(name, value)| (format!("{prefix}_{}", name.to_uppercase()), value.clone())).collect();
        let mut texts: BTreeMap<String, Option<String>> =
            variables.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        texts.insert("prefix".to_owned(), None);
        if let Err(error) = Settings::from_vars(&prefix, variables) {
            assert_named(&error, &prefix, &texts);
        }
    }
}

#[test]
fn of_settings_that_are_tried_many_are_right() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut right = 0;
    for _ in 0..100 {
        let given = any_settings().new_tree(&mut runner).unwrap().current();
        let settings = from_json(serde_json::to_value(given).unwrap()).http_client(Script::new());
        right += usize::from(settings.check().is_ok());
    }
    assert!((20..100).contains(&right), "{right}");
}
