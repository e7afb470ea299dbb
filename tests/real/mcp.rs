//! MCP clients as people use them, in front of an MCP server that the layer protects. None of them knows more than the
//! address of the server.

mod everything;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use self::server::{ALL, BASE, Server};
use crate::servers::{Forwarder, McpProvider};

const PATIENCE: Duration = Duration::from_secs(120);

/// What `mcp/client.mjs` and `mcp/client.py` print.
#[derive(Debug, Deserialize)]
struct Outcome {
    revision: String,
    results: Vec<String>,
    /// The scopes of the authorization requests.
    logins: Vec<String>,
    registrations: Option<u32>,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}: run tests/real/run.sh"))
}

fn script(name: &str) -> String {
    format!("{}/{name}", variable("REAL_MCP"))
}

fn node() -> Command {
    Command::new(variable("REAL_MCP_NODE"))
}

async fn run(command: &mut Command) -> Output {
    let output = command.kill_on_drop(true).output();
    timeout(PATIENCE, output).await.expect("it comes to an end").unwrap()
}

/// What was asked for, besides the right to come back with a refresh token, which only clients decide on.
fn asked_for(scope: &str) -> BTreeSet<&str> {
    scope.split(' ').filter(|scope| *scope != "offline_access").collect()
}

/// Calls tools one after the other, and does what it has to to get through.
async fn call(command: &mut Command, client: &str, server: &Server, tools: [&str; 3]) -> Outcome {
    let output = run(command.args([client, &server.resource()]).args(tools)).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{:#?}", server.answers());
    let outcome: Outcome = serde_json::from_slice(&output.stdout).unwrap();
    assert!(outcome.registrations.is_none_or(|times| times == 1), "{:?}", outcome.registrations);
    outcome
}

/// Starts without a token, logs in, and has to log in again for the tool `delete`.
async fn logs_in_and_steps_up(command: &mut Command, client: &str, revision: &str) {
    let provider = McpProvider::start();
    let server = Server::protected(provider.issuer()).await;
    let outcome = call(command, client, &server, ["whoami", "delete", "whoami"]).await;
    assert_eq!(outcome.revision, revision);
    let (before, after) = (format!("alice: {BASE}"), format!("alice: {ALL}"));
    assert_eq!(outcome.results, [&*before, "deleted", &*after]);
    let logins: Vec<_> = outcome.logins.iter().map(|scope| asked_for(scope)).collect();
    assert_eq!(logins, [asked_for(BASE), asked_for(ALL)]);
    discovered_and_refused_once(&server);
}

/// The first answer leads to the metadata, and one asks for more scope: no others are refused.
fn discovered_and_refused_once(server: &Server) {
    let (answers, metadata) = (server.answers(), server.metadata());
    let with = |status: u16| answers.iter().filter(move |answer| answer.status == status);
    let ([first, second, ..], [refused]) = (&*answers, &*with(403).collect::<Vec<_>>()) else {
        panic!("{answers:#?}")
    };
    assert_eq!((first.status.as_u16(), with(401).count()), (401, 1), "{answers:#?}");
    let challenge = format!(r#"Bearer scope="{BASE}", resource_metadata="{metadata}""#);
    assert_eq!(first.challenge.as_deref(), Some(&*challenge));
    assert_eq!((&second.method, second.status), (&Method::GET, StatusCode::OK));
    assert!(metadata.ends_with(&second.path), "{second:?}");
    let challenge = refused.challenge.as_deref().unwrap();
    let wanted = format!(
        r#"Bearer error="insufficient_scope", scope="{ALL}", resource_metadata="{metadata}", error_description="#
    );
    assert!(challenge.starts_with(&wanted), "{challenge}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_of_2026_07_28_logs_in_and_steps_up() {
    logs_in_and_steps_up(node().arg(script("client.mjs")), "2026-07-28", "2026-07-28").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_of_2025_11_25_logs_in_and_steps_up() {
    logs_in_and_steps_up(node().arg(script("client.mjs")), "2025-11-25", "2025-11-25").await;
}

fn python() -> Command {
    let mut command = Command::new(variable("REAL_MCP_PYTHON"));
    command.arg(script("client.py"));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_of_2026_07_28_logs_in_and_steps_up() {
    logs_in_and_steps_up(&mut python(), "mcp", "2026-07-28").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_of_2025_11_25_logs_in_and_steps_up() {
    logs_in_and_steps_up(&mut python(), "mcp-legacy", "2025-11-25").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_of_fastmcp_logs_in_and_steps_up() {
    logs_in_and_steps_up(&mut python(), "fastmcp", "2026-07-28").await;
}

/// A token that expires between two calls costs the client one answer, and with luck no login: of these, only one uses
/// its refresh token without having seen by its own clock that the time is over.
async fn goes_on_after_expiry(command: &mut Command, client: &str, logins: usize) {
    let provider = McpProvider::start();
    let server = Server::protected(provider.issuer()).await;
    let outcome = call(command, client, &server, ["whoami", "nap", "whoami"]).await;
    let caller = format!("alice: {BASE}");
    assert_eq!(outcome.results, [&*caller, "slept", &*caller]);
    assert_eq!(outcome.logins.len(), logins, "{:?}", outcome.logins);
    assert!(outcome.logins.iter().all(|scope| asked_for(scope) == asked_for(BASE)), "{:?}", outcome.logins);

    let answers = server.answers();
    let challenges: Vec<_> = answers.iter().filter_map(|answer| answer.challenge.as_deref()).collect();
    let [_, expired] = &*challenges else { panic!("{answers:#?}") };
    let wanted = format!(
        r#"Bearer error="invalid_token", scope="{BASE}", resource_metadata="{}", error_description="#,
        server.metadata()
    );
    assert!(expired.starts_with(&wanted), "{expired}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_of_2026_07_28_goes_on_after_its_token_expired() {
    goes_on_after_expiry(node().arg(script("client.mjs")), "2026-07-28", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_of_2025_11_25_goes_on_after_its_token_expired() {
    goes_on_after_expiry(node().arg(script("client.mjs")), "2025-11-25", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_of_2026_07_28_goes_on_after_its_token_expired() {
    goes_on_after_expiry(&mut python(), "mcp", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_of_2025_11_25_goes_on_after_its_token_expired() {
    goes_on_after_expiry(&mut python(), "mcp-legacy", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_of_fastmcp_goes_on_after_its_token_expired() {
    goes_on_after_expiry(&mut python(), "fastmcp", 2).await;
}

/// The exit code and the output of the inspector.
async fn inspect(server: &Server, token: &str) -> (Option<i32>, String) {
    let mut inspector = node();
    inspector.arg(script("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"));
    // It keeps a catalogue of servers there.
    inspector.env("HOME", env!("CARGO_TARGET_TMPDIR"));
    inspector.args(["--cli", &server.resource(), "--transport", "http", "--header"]);
    inspector.arg(format!("Authorization: Bearer {token}"));
    let output = run(inspector.args(["--method", "tools/call", "--tool-name", "whoami"])).await;
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_tells_a_good_token_from_a_bad_one() {
    let provider = McpProvider::start();
    let server = Server::protected(provider.issuer()).await;
    let token = provider.token(&server.resource(), BASE).await;
    let (code, text) = inspect(&server, &token).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("service: mcp:use"), "{text}");
    let (code, text) = inspect(&server, &token[1..]).await;
    assert_eq!(code, Some(3), "{text}");
}

/// The statuses of the checks, by scenario and check.
type Checks = BTreeMap<(String, String), Vec<String>>;

/// What the suite finds. It leaves a folder for every scenario in `results`, with the time in its name.
async fn conformance(url: &str, which: [&str; 2], results: &Path) -> Checks {
    const TIME: &str = "-2026-07-28T00-00-00-000Z";
    // Nothing of an earlier run.
    let _ = fs::remove_dir_all(results);
    let mut suite = node();
    suite.arg(script("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
    let output = run(suite.args(["server", "--url", url]).args(which).arg("--output-dir").arg(results)).await;
    let mut checks = Checks::new();
    for entry in fs::read_dir(results).unwrap_or_else(|error| panic!("{error}: {output:?}")) {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let scenario = &name["server-".len()..name.len() - TIME.len()];
        let list: Vec<Value> =
            serde_json::from_slice(&fs::read(entry.path().join("checks.json")).unwrap()).unwrap();
        for check in list {
            let text = |member: &str| check[member].as_str().unwrap().to_owned();
            checks.entry((scenario.to_owned(), text("id"))).or_default().push(text("status"));
        }
    }
    checks
}

/// How many scenarios were run without any failure.
fn passed(checks: &Checks) -> usize {
    let scenarios: BTreeSet<_> = checks.keys().map(|(scenario, _)| scenario).collect();
    let failed = checks.iter().filter(|(_, statuses)| statuses.iter().any(|status| status == "FAILURE"));
    scenarios.len() - failed.map(|((scenario, _), _)| scenario).collect::<BTreeSet<_>>().len()
}

async fn finds_the_same(revision: &str, good: usize) {
    let provider = McpProvider::start();
    let (open, server) = (Server::open().await, Server::protected(provider.issuer()).await);
    let token = provider.token(&server.resource(), BASE).await;
    let forwarder = Forwarder::start(&format!("http://{}", server.address()), &token);
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-{revision}"));
    let required = ["--requirements", revision];
    let without = conformance(&open.resource(), required, &results.join("without")).await;
    let with = conformance(&format!("{}/mcp", forwarder.address()), required, &results.join("with")).await;
    assert_eq!(with, without);
    assert!(passed(&with) >= good, "{} of {good}: {with:#?}", passed(&with));

    let answers = server.answers();
    assert!(!answers.is_empty() && answers.iter().all(|answer| answer.challenge.is_none()), "{answers:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_of_2025_11_25_finds_the_same_with_the_layer_as_without() {
    finds_the_same("2025-11-25", 27).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_of_2026_07_28_finds_the_same_with_the_layer_as_without() {
    finds_the_same("2026-07-28", 34).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_gets_nowhere_with_a_bad_token() {
    let provider = McpProvider::start();
    let server = Server::protected(provider.issuer()).await;
    let other = provider.token("http://127.0.0.1:1/mcp", BASE).await;
    let forwarder = Forwarder::start(&format!("http://{}", server.address()), &other);
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance-bad");
    let url = format!("{}/mcp", forwarder.address());
    let checks = conformance(&url, ["--scenario", "tools-list"], &results).await;
    assert_eq!(passed(&checks), 0, "{checks:?}");
    let answers = server.answers();
    assert!(!answers.is_empty() && answers.iter().all(|answer| answer.status == 401), "{answers:?}");
    let challenge = format!(
        r#"Bearer error="invalid_token", scope="{BASE}", resource_metadata="{}", error_description="#,
        server.metadata()
    );
    assert!(answers[0].challenge.as_ref().unwrap().starts_with(&challenge), "{answers:?}");
}
