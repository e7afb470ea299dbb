//! Real servers in processes of their own. `run.sh` says where they are.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::{Request, Response};
use serde_json::Value;
use tower_bearer::client::{HttpClient, Limits, ReqwestClient};

/// What the client that owns the tokens, and may revoke them, is called at both servers, and its secret.
pub(crate) const SERVICE: Credentials<'static> = Credentials::Basic("service", "service-secret");

/// How a client says who it is.
#[derive(Clone, Copy)]
pub(crate) enum Credentials<'a> {
    Basic(&'a str, &'a str),
    Bearer(&'a str),
    None,
}

impl Credentials<'_> {
    fn header(self) -> Option<String> {
        // RFC 6749 §2.3.1: both parts are encoded as in a form before they are joined.
        let encoded = |part: &str| byte_serialize(part.as_bytes()).collect::<String>();
        match self {
            Self::Basic(id, secret) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)))))
            }
            Self::Bearer(token) => Some(format!("Bearer {token}")),
            Self::None => None,
        }
    }
}

/// A process that listens on loopback. It ends with this value.
struct Server {
    process: Child,
    address: String,
    client: ReqwestClient,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut process = command
            .env("EXIT_WITH_STDIN", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("READY ").expect("the server is ready").to_owned();
        Self { process, address, client: ReqwestClient::new().unwrap() }
    }

    async fn post(&self, path: &str, by: Credentials<'_>, form: &[(&str, &str)]) -> Response<Bytes> {
        self.post_accepting("application/json", path, by, form).await
    }

    async fn post_accepting(
        &self,
        accept: &str,
        path: &str,
        by: Credentials<'_>,
        form: &[(&str, &str)],
    ) -> Response<Bytes> {
        let mut request = Request::post(format!("{}{path}", self.address))
            .header("accept", accept)
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(credentials) = by.header() {
            request = request.header("authorization", credentials);
        }
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(request.body(Bytes::from(body)).unwrap()).await
    }

    async fn get(&self, path: &str) -> Response<Bytes> {
        self.send(Request::get(format!("{}{path}", self.address)).body(Bytes::new()).unwrap()).await
    }

    async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        let limits = Limits::new(Duration::from_secs(10), 64 * 1024);
        self.client.send(request, limits).await.unwrap()
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The OpenID provider of `provider.mjs`.
pub(crate) struct Provider(Server);

impl Provider {
    /// The secret of its resource servers.
    pub(crate) const SECRET: &'static str = r#"p@ss:w%rd +&=/?"'~%41"#;

    pub(crate) fn start(port: u16) -> Self {
        let script = std::env::var("REAL_PROVIDER").expect("REAL_PROVIDER: run tests/real/run.sh");
        Self(Server::start(Command::new("node").args([script, port.to_string()])))
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.0.address
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}/token/introspection", self.0.address)
    }

    pub(crate) async fn metadata(&self, name: &str) -> Response<Bytes> {
        self.0.get(&format!("/.well-known/{name}")).await
    }

    /// A token for a resource by its short name, or for none.
    pub(crate) async fn token(&self, resource: &str, scope: &str) -> String {
        self.token_of(SERVICE, resource, scope).await
    }

    pub(crate) async fn token_of(&self, by: Credentials<'_>, resource: &str, scope: &str) -> String {
        let audience = audience(resource);
        let mut form = vec![("grant_type", "client_credentials"), ("scope", scope)];
        if !resource.is_empty() {
            form.push(("resource", &audience));
        }
        let answer = self.0.post("/token", by, &form).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        json(&answer)["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn introspect(
        &self,
        accept: &str,
        by: Credentials<'_>,
        form: &[(&str, &str)],
    ) -> Response<Bytes> {
        self.0.post_accepting(accept, "/token/introspection", by, form).await
    }

    pub(crate) async fn revoke(&self, by: Credentials<'_>, token: &str) {
        assert_eq!(self.0.post("/token/revocation", by, &[("token", token)]).await.status(), 200);
    }

    pub(crate) async fn rotate(&self, query: &str) {
        let answer = self.0.post(&format!("/control/rotate{query}"), Credentials::None, &[]).await;
        assert_eq!(answer.status(), 204);
    }

    pub(crate) fn kill(mut self) {
        self.0.kill();
    }
}

/// The django-oauth-toolkit server of `django/server.py`.
pub(crate) struct Django(Server);

impl Django {
    /// Its resource server.
    pub(crate) const CLIENT: &'static str = "rs:django";
    pub(crate) const SECRET: &'static str = r#"p@ss:w%rd +ü&=/?"'~%41"#;

    pub(crate) fn start() -> Self {
        let script = std::env::var("REAL_DJANGO").expect("REAL_DJANGO: run tests/real/run.sh");
        let python = std::env::var("REAL_PYTHON").expect("REAL_PYTHON: run tests/real/run.sh");
        Self(Server::start(Command::new(python).arg(script)))
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.0.address
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}/o/introspect/", self.0.address)
    }

    pub(crate) async fn metadata(&self, name: &str) -> Response<Bytes> {
        self.0.get(&format!("/.well-known/{name}")).await
    }

    /// A token, described as the script wants it.
    pub(crate) async fn token(&self, about: &[(&str, &str)]) -> String {
        let answer = self.0.post("/control/token", Credentials::None, about).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        json(&answer)["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn introspect(&self, by: Credentials<'_>, form: &[(&str, &str)]) -> Response<Bytes> {
        self.0.post("/o/introspect/", by, form).await
    }

    pub(crate) async fn revoke(&self, by: Credentials<'_>, token: &str) {
        assert_eq!(self.0.post("/o/revoke_token/", by, &[("token", token)]).await.status(), 200);
    }
}

/// The authorization server for MCP clients, of `mcp/provider.mjs`.
pub(crate) struct McpProvider(Server);

impl McpProvider {
    pub(crate) fn start() -> Self {
        let scripts = std::env::var("REAL_MCP").expect("REAL_MCP: run tests/real/run.sh");
        Self(Server::start(Command::new("node").arg(format!("{scripts}/provider.mjs"))))
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.0.address
    }

    /// A token that nobody had to log in for.
    pub(crate) async fn token(&self, resource: &str, scope: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("resource", resource), ("scope", scope)];
        let answer = self.0.post("/token", SERVICE, &form).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        json(&answer)["access_token"].as_str().unwrap().to_owned()
    }
}

/// What adds a token to requests, of `mcp/forwarder.mjs`.
pub(crate) struct Forwarder(Server);

impl Forwarder {
    pub(crate) fn start(to: &str, token: &str) -> Self {
        let scripts = std::env::var("REAL_MCP").expect("REAL_MCP: run tests/real/run.sh");
        Self(Server::start(Command::new("node").args([&format!("{scripts}/forwarder.mjs"), to, token])))
    }

    pub(crate) fn address(&self) -> &str {
        &self.0.address
    }
}

/// The full name of a resource.
pub(crate) fn audience(resource: &str) -> String {
    format!("https://api.example.com/{resource}")
}

/// The body of an answer.
pub(crate) fn json(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// The media type of an answer, without parameters.
pub(crate) fn media_type(answer: &Response<Bytes>) -> &str {
    answer.headers()["content-type"].to_str().unwrap().split(';').next().unwrap()
}
