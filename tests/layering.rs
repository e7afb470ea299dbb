//! Imports only point downward: a module uses what lies below it, and nothing on its own level or above.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom.
const LEVELS: [&[&str]; 11] = [
    &[
        "algorithm",
        "caught",
        "clock",
        "deadline",
        "freshness",
        "json",
        "log",
        "oid",
        "ready",
        "rejection_body",
        "once_a_minute",
        "response_body",
        "scope",
        "secret",
        "small_answer",
        "sync",
    ],
    &["answer_future", "error", "signer"],
    &["endpoint", "grpc", "scopes_setting"],
    &["admitted"],
    &["access_token", "bearer_token", "challenge", "client", "metadata"],
    &["discovery", "upstream"],
    &["address", "answer", "jwks", "passed"],
    &["verifier"],
    &["cache", "extract", "host_guard", "middleware", "require", "session_binding"],
    &["providers"],
    &["settings", "testing"],
];

/// What a file of a folder may use of its folder, besides the words of the folder itself.
const INSIDE: &[(&str, &[&str])] = &[
    ("cache/bounds", &["digest"]),
    ("cache/cached", &["core", "counters", "digest", "entry", "flights", "handle", "limit", "memory"]),
    ("cache/core", &["bounds", "counters", "digest", "entry", "flights", "limit", "memory"]),
    ("cache/counters", &[]),
    ("cache/digest", &[]),
    ("cache/entry", &[]),
    ("cache/flights", &["digest", "revocations"]),
    ("cache/handle", &["core", "stats"]),
    ("cache/layer", &["bounds", "cached", "core"]),
    ("cache/limit", &[]),
    ("cache/memory", &["bounds", "counters", "digest", "entry", "pool"]),
    ("cache/pool", &["counters", "digest", "entry"]),
    ("cache/revocations", &[]),
    ("cache/stats", &["core", "counters"]),
    ("host_guard/authority", &[]),
    ("host_guard/layer", &["authority", "policy", "service"]),
    ("host_guard/policy", &["authority"]),
    ("host_guard/service", &["policy"]),
    ("jwks/configured", &["key_set"]),
    ("jwks/crypto", &["material"]),
    ("jwks/fetch", &["key_set"]),
    ("jwks/fetcher", &["fetch", "key_set", "remote"]),
    ("jwks/key_set", &["crypto", "material"]),
    ("jwks/material", &[]),
    ("jwks/pem", &["key_set", "material"]),
    ("jwks/remote", &[]),
    ("jwks/source", &["key_set", "remote", "static_keys"]),
    ("jwks/static_keys", &["key_set", "material", "pem"]),
    ("metadata/builder", &["documents"]),
    ("metadata/documents", &[]),
    ("metadata/layer", &["documents"]),
    ("metadata/service", &["documents"]),
    ("middleware/builder", &["decision_log", "layer", "policy"]),
    ("middleware/decision_log", &[]),
    ("middleware/future", &["policy", "watch"]),
    ("middleware/layer", &["policy", "service"]),
    ("middleware/policy", &["decision_log", "watch"]),
    ("middleware/service", &["future", "policy"]),
    ("middleware/watch", &[]),
    ("require/authentication", &[]),
    ("require/claims", &[]),
    ("require/scopes", &[]),
    ("require/token", &[]),
    ("session_binding/future", &["policy"]),
    ("session_binding/layer", &["policy", "service", "tag"]),
    ("session_binding/policy", &["tag"]),
    ("session_binding/service", &["future", "policy"]),
    ("session_binding/tag", &[]),
    ("settings/asked", &["claims", "fields", "form", "surroundings"]),
    ("settings/claims", &["form", "raw", "what"]),
    ("settings/credentials", &["form", "raw", "what"]),
    ("settings/draft", &["fields", "raw", "what"]),
    ("settings/error", &["what"]),
    ("settings/fields", &["claims", "credentials", "form", "provider", "raw", "what"]),
    ("settings/files", &["what"]),
    ("settings/form", &["raw", "what"]),
    ("settings/hint", &["fields", "provider", "what"]),
    ("settings/jwt", &["claims", "credentials", "fields", "surroundings"]),
    (
        "settings/parts",
        &["asked", "draft", "fields", "files", "jwt", "provider", "stand_in", "surroundings", "what"],
    ),
    ("settings/provider", &["form", "raw", "what"]),
    ("settings/raw", &[]),
    ("settings/rules", &["draft", "fields", "files", "provider", "raw", "what"]),
    ("settings/source", &["parts", "raw", "what"]),
    ("settings/stand_in", &[]),
    ("settings/structure", &["raw"]),
    ("settings/surroundings", &[]),
    ("settings/what", &[]),
    ("testing/challenge", &["challenge_grammar"]),
    ("testing/challenge_grammar", &[]),
    ("testing/clock", &[]),
    ("testing/fault", &[]),
    ("testing/flaw", &[]),
    ("testing/flawed_token", &["flaw", "opaque", "signing_key", "token"]),
    ("testing/github", &["fault", "github_accounts", "github_answers", "server", "traffic"]),
    ("testing/github_accounts", &["opaque"]),
    ("testing/github_answers", &["github_accounts", "github_bodies", "opaque", "server", "traffic"]),
    ("testing/github_bodies", &["github_accounts", "opaque"]),
    ("testing/introspection", &["fault", "introspection_answers", "opaque", "server", "traffic"]),
    ("testing/introspection_answers", &["server", "traffic"]),
    ("testing/issuer", &["server", "signing_key", "token", "traffic"]),
    ("testing/opaque", &[]),
    ("testing/rejected_response", &["challenge"]),
    ("testing/server", &[]),
    ("testing/signing_key", &[]),
    ("testing/token", &["signing_key"]),
    ("testing/traffic", &["fault", "server"]),
    ("verifier/answered_claims", &[]),
    ("verifier/any_of", &[]),
    ("verifier/assertion", &[]),
    ("verifier/boxed", &[]),
    ("verifier/by_issuer", &["claims", "jws"]),
    ("verifier/by_prefix", &[]),
    ("verifier/claims", &["issuers", "pointer", "required_claims"]),
    ("verifier/client_authentication", &["assertion", "parties"]),
    ("verifier/expected_claims", &["claims", "issuers", "parties", "pointer", "required_claims"]),
    (
        "verifier/github",
        &[
            "answered_claims",
            "github_answer",
            "github_api",
            "github_budget",
            "github_members",
            "github_note",
            "github_scopes",
            "github_token",
        ],
    ),
    ("verifier/github_answer", &[]),
    ("verifier/github_api", &[]),
    ("verifier/github_budget", &[]),
    ("verifier/github_builder", &["github", "github_api", "github_budget", "github_members"]),
    ("verifier/github_members", &["github_api", "github_answer", "github_note"]),
    ("verifier/github_note", &["github_answer"]),
    ("verifier/github_scopes", &[]),
    ("verifier/github_token", &[]),
    (
        "verifier/introspection",
        &["answered_claims", "claims", "client_authentication", "introspection_answer", "signed_answer"],
    ),
    ("verifier/introspection_answer", &["claims"]),
    (
        "verifier/introspection_builder",
        &["client_authentication", "expected_claims", "introspection", "signed_answer"],
    ),
    ("verifier/issuers", &[]),
    ("verifier/jws", &[]),
    ("verifier/jwt", &["claims", "jws", "last_header"]),
    ("verifier/jwt_builder", &["expected_claims", "issuers", "jwt", "last_header"]),
    ("verifier/last_header", &["jws"]),
    ("verifier/map_claims", &[]),
    ("verifier/or", &[]),
    ("verifier/parties", &[]),
    ("verifier/pointer", &[]),
    ("verifier/profile", &["answered_claims"]),
    ("verifier/required_claims", &["parties"]),
    ("verifier/signed_answer", &["claims", "jws"]),
    ("verifier/static_tokens", &[]),
    ("verifier/timeout", &[]),
    ("verifier/tokeninfo", &["parties", "profile"]),
    ("verifier/userinfo", &["profile"]),
    ("verifier/userinfo_builder", &["parties", "pointer", "profile", "userinfo"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of all files under `src`, without extension, and what they say outside of tests and comments.
fn files() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let name = |path: &Path| {
        path.strip_prefix(&root).unwrap().with_extension("").to_str().unwrap().replace('\\', "/")
    };
    let code = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    let is_test = |name: &str| name.ends_with("/tests") || name.ends_with("/wycheproof");
    found.iter().map(|path| (name(path), code(path))).filter(|(name, _)| !is_test(name)).collect()
}

/// The identifiers that follow a prefix in a text.
fn after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let word =
        |rest: &'a str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    text.split(prefix).skip(1).map(word).filter(|word| !word.is_empty())
}

fn level(module: &str) -> usize {
    let found = LEVELS.iter().position(|level| level.contains(&module));
    found.unwrap_or_else(|| panic!("`{module}` has no level: give it one"))
}

#[test]
fn a_module_imports_from_lower_levels_only() {
    for (file, code) in files() {
        let module = file.split('/').next().unwrap();
        if module == "lib" {
            continue;
        }
        for used in after(&code, "crate::").filter(|used| *used != module) {
            assert!(level(used) < level(module), "src/{file}.rs: `{module}` must not use `{used}`");
        }
    }
}

#[test]
fn inside_a_folder_files_follow_their_order() {
    for (file, code) in files() {
        let Some((_, allowed)) = INSIDE.iter().find(|(name, _)| *name == file) else { continue };
        let folder = file.split('/').next().unwrap();
        let siblings =
            |used: &&str| fs::exists(Path::new("src").join(folder).join(format!("{used}.rs"))).unwrap();
        for used in after(&code, "super::").filter(siblings) {
            assert!(allowed.contains(&used), "src/{file}.rs must not use `{used}`");
        }
    }
}

#[test]
fn every_file_of_a_folder_that_decides_has_its_place() {
    let decides = [
        "cache/",
        "host_guard/",
        "jwks/",
        "metadata/",
        "middleware/",
        "require/",
        "session_binding/",
        "settings/",
        "testing/",
        "verifier/",
    ];
    for file in files().keys().filter(|file| decides.iter().any(|folder| file.starts_with(folder))) {
        let listed = file.ends_with("/mod") || INSIDE.iter().any(|(name, _)| name == file);
        assert!(listed, "src/{file}.rs is not listed");
    }
}
