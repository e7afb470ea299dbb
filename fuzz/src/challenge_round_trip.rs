//! Any words in a challenge: it is a legal field value with one challenge, and reads back as what was put in.
//!
//! The input is a `Words`, made by `arbitrary`. What is left of it is read as a field value by the parser for tests
//! and by an own one, which must not differ.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response};
use tower_bearer::challenge::Challenge;
use tower_bearer::testing::TestChallenge;
use tower_bearer::verifier::StaticTokens;
use tower_bearer::{AccessToken, AuthLayer, ScopeSet};
use tower_layer::Layer;

use crate::challenge::Challenge as Read;
use crate::lab::one_of;
use crate::rules::scope_set;
use crate::service::{Inner, ask};

/// What a challenge is made of.
#[derive(Arbitrary, Debug)]
struct Words<'a> {
    error: Option<&'a str>,
    scope: Option<&'a str>,
    resource_metadata: Option<&'a str>,
    acr_values: Option<&'a str>,
    max_age: Option<u64>,
    description: Option<&'a str>,
    /// For a layer.
    resource: Option<&'a str>,
    required_scopes: Vec<&'a str>,
}

pub fn check(input: &[u8]) {
    let mut source = Unstructured::new(input);
    let Ok(words) = Words::arbitrary(&mut source) else { return };
    if *one_of(&[true, false], input) {
        return through_a_layer(&words);
    }
    assert_reads_back(&words.challenge().to_header_value(), &words.expected());
    let rest = source.take_rest();
    if let (Ok(line), Some(read)) = (HeaderValue::from_bytes(rest), Read::read(rest)) {
        parsers_agree(&line, &read);
    }
}

impl Words<'_> {
    fn challenge(&self) -> Challenge {
        let mut challenge = Challenge::bearer();
        if let Some(text) = self.description {
            challenge = challenge.error_description(text);
        }
        if let Some(seconds) = self.max_age {
            challenge = challenge.max_age(Duration::from_secs(seconds));
        }
        if let Some(text) = self.acr_values {
            challenge = challenge.acr_values(text);
        }
        if let Some(url) = self.resource_metadata {
            challenge = challenge.resource_metadata(url);
        }
        if let Some(list) = self.scope {
            challenge = challenge.scope(&ScopeSet::parse(list));
        }
        if let Some(code) = self.error {
            challenge = challenge.error(code);
        }
        challenge
    }

    /// The parameters in their order. Where there is none, `realm` says that it is a challenge at all.
    fn expected(&self) -> Vec<(String, String)> {
        let sent = |text: &str| -> String {
            let legal = |c: char| (' '..='~').contains(&c) && !matches!(c, '"' | '\\');
            text.chars().map(|c| if legal(c) { c } else { ' ' }).collect()
        };
        let all = [
            ("error", self.error.map(sent)),
            ("scope", self.scope.map(|list| scope_set(list.split(' ')).join(" "))),
            ("resource_metadata", self.resource_metadata.map(sent)),
            ("acr_values", self.acr_values.map(sent)),
            ("max_age", self.max_age.map(|seconds| seconds.to_string())),
            ("error_description", self.description.map(|text| sent(&text.replace('=', " ")))),
        ];
        let set = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let set: Vec<_> = set.filter(|(_, value)| !value.is_empty()).collect();
        if set.is_empty() { vec![("realm".to_owned(), "api".to_owned())] } else { set }
    }
}

fn assert_reads_back(line: &HeaderValue, expected: &[(String, String)]) {
    assert!(line.to_str().is_ok(), "{line:?} is not printable");
    let read = Read::read(line.as_bytes()).unwrap_or_else(|| panic!("no challenge: {line:?}"));
    assert_eq!(read.scheme, "Bearer");
    assert_eq!(read.parameters, expected, "{line:?}");
    // Clients in use search for the names of parameters: a description, which is last, must not look like one.
    let described = read.param("error_description").unwrap_or_default();
    assert!(!described.contains('='), "{described}");
    parsers_agree(line, &read);
}

/// The parser that the crate has for tests reads the same.
fn parsers_agree(line: &HeaderValue, read: &Read) {
    if !read.scheme.eq_ignore_ascii_case("bearer") {
        return;
    }
    let mut response = Response::new(());
    response.headers_mut().insert(WWW_AUTHENTICATE, line.clone());
    // Which panics where it cannot read.
    let challenge = TestChallenge::of(&response);
    for (name, value) in &read.parameters {
        assert_eq!(challenge.param(name), Some(&**value), "{line:?}");
    }
}

/// What a layer was told is either refused, or what its challenge says.
fn through_a_layer(words: &Words<'_>) {
    let verifier = StaticTokens::for_tests([("token", AccessToken::for_tests("alice", ""))]);
    let mut builder = AuthLayer::builder(verifier).required_scopes(words.required_scopes.iter().copied());
    if let Some(resource) = words.resource {
        builder = builder.resource(resource).authorization_servers(["https://issuer.example.com"]);
    }
    let Ok(layer) = builder.build() else { return };
    let answer = ask(&layer.layer(Inner), []);
    assert_eq!(answer.status, 401);
    let challenge = answer.challenge().expect("a challenge");
    let mut scopes = scope_set(words.required_scopes.iter().copied());
    assert_eq!(
        scopes.iter().filter(|scope| words.required_scopes.contains(&&***scope)).count(),
        scopes.len()
    );
    scopes.retain(|scope| scope != "offline_access");
    assert_eq!(challenge.param("scope").unwrap_or_default(), scopes.join(" "));
    assert_eq!(challenge.param("error"), None);
    match words.resource {
        None => assert_eq!(challenge.param("resource_metadata"), None),
        Some(resource) => {
            let url = challenge.param("resource_metadata").expect("it says where the metadata are");
            let host = |url: &str| {
                url.parse::<http::Uri>().ok().and_then(|url| url.host().map(str::to_ascii_lowercase))
            };
            assert_eq!(host(url), host(resource), "{url} for {resource}");
            assert!(url.contains("/.well-known/oauth-protected-resource"), "{url}");
        }
    }
}
