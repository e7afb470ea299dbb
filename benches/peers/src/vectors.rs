//! The labelled tokens, headers and key sets of `tests/vectors`.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_bearer::Algorithm;

use crate::app::Head;
use crate::loopback::{Answer, Loopback};
use crate::peers::{FirstRequest, Keys, Setup};

#[derive(Deserialize)]
pub(crate) struct File {
    jwks: Map<String, Value>,
    pem: Map<String, Value>,
    secrets: Map<String, Value>,
    pub(crate) vectors: Vec<Vector>,
    #[serde(rename = "authorization_header_vectors")]
    pub(crate) headers: Vec<HeaderVector>,
    #[serde(rename = "jwks_documents")]
    pub(crate) documents: Vec<Document>,
}

#[derive(Deserialize)]
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) expect: Expect,
    pub(crate) level: Level,
    now: u64,
    clock: Clock,
    pub(crate) config: Config,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expect {
    Accept,
    Reject,
    Unavailable,
}

/// How bad it is to accept what should be refused.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    #[default]
    Must,
    Policy,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Clock {
    Any,
    Fixed,
}

#[derive(Deserialize)]
pub(crate) struct Config {
    pub(crate) name: String,
    issuer: Value,
    audience: Vec<String>,
    algorithms: Vec<String>,
    typ: Option<Vec<String>>,
    key_source: Map<String, Value>,
    leeway_s: u64,
}

#[derive(Deserialize)]
pub(crate) struct HeaderVector {
    pub(crate) id: String,
    headers: Vec<(String, Value)>,
    method: Option<String>,
    query: Option<String>,
    pub(crate) expect: Expect,
    #[serde(default)]
    pub(crate) level: Level,
    pub(crate) status: Vec<u16>,
}

#[derive(Deserialize)]
pub(crate) struct Document {
    pub(crate) id: String,
    status: u16,
    content_type: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<String>,
    pub(crate) expect: Expect,
    #[serde(default)]
    pub(crate) level: Level,
}

impl File {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/jwt-attack-vectors.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    pub(crate) fn vector(&self, id: &str) -> &Vector {
        self.vectors.iter().find(|vector| vector.id == id).unwrap()
    }

    /// What a vector asks for, with its keys on loopback.
    pub(crate) fn setup(&self, vector: &Vector, provider: &Loopback) -> Setup {
        let config = &vector.config;
        let set = |name: &str| provider.set(&format!("/{name}"), Answer::json(self.jwks[name].to_string()));
        let (source, name) = config.key_source.iter().next().unwrap();
        let issuer = || config.issuer.as_str().unwrap().to_owned();
        let issuers = match (source.as_str(), name) {
            ("per_issuer_jwks", Value::Object(names)) => {
                let keys = |name: &Value| Keys::Url(set(name.as_str().unwrap()));
                names.iter().map(|(issuer, name)| (issuer.clone(), keys(name))).collect()
            }
            ("jwks", Value::String(name)) => vec![(issuer(), Keys::Url(set(name)))],
            ("pem", Value::String(name)) => {
                let pem = self.pem[name].as_str().unwrap().to_owned();
                let url = provider.set("/pem", Answer::json(self.set_of(name)));
                vec![(issuer(), Keys::Pem { pem, set: url })]
            }
            ("secret", Value::String(name)) => {
                let secret = URL_SAFE_NO_PAD.decode(self.secrets[name].as_str().unwrap()).unwrap();
                vec![(issuer(), Keys::Secret(secret))]
            }
            other => panic!("{other:?}"),
        };
        let [audience] = config.audience.as_slice() else { panic!("{}: audiences", vector.id) };
        Setup {
            issuers,
            audience: audience.clone(),
            algorithms: config.algorithms.iter().map(|name| Algorithm::from_name(name).unwrap()).collect(),
            leeway: Duration::from_secs(config.leeway_s),
            is_rfc9068: config.typ.is_some(),
            now: vector.has_own_time().then_some(vector.now),
            first_request: FirstRequest::AfterAWhile,
        }
    }

    /// A key set of nothing but one key.
    fn set_of(&self, key_id: &str) -> String {
        let keys = self.jwks["main"]["keys"].as_array().unwrap();
        let own: Vec<_> = keys.iter().filter(|key| key["kid"] == key_id).collect();
        assert_eq!(own.len(), 1, "{key_id}");
        json!({ "keys": own }).to_string()
    }

    /// What the address of the keys answers.
    pub(crate) fn answer(&self, document: &Document) -> Answer {
        let body = document.body.clone().unwrap_or_else(|| {
            // The key that is needed is among them: it is the length alone that is wrong.
            let mut keys = self.jwks["main"]["keys"].as_array().unwrap().clone();
            keys.extend((0..100_000).map(|id| json!({ "kty": "oct", "kid": format!("k{id}"), "k": "AA" })));
            json!({ "keys": keys }).to_string()
        });
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut headers: Vec<_> =
            document.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        headers.extend(document.content_type.iter().map(|kind| ("content-type".to_owned(), kind.clone())));
        Answer { status: document.status, headers, body }
    }

    /// The keys of most vectors.
    pub(crate) fn main_keys(&self) -> Answer {
        Answer::json(self.jwks["main"].to_string())
    }
}

impl Vector {
    /// Whether it is judged at a time of its own.
    pub(crate) fn has_own_time(&self) -> bool {
        self.clock == Clock::Fixed
    }
}

impl HeaderVector {
    pub(crate) fn head(&self) -> Head {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let bytes = match value.as_str() {
                Some(text) => text.as_bytes().to_vec(),
                None => STANDARD.decode(value["b64"].as_str().unwrap()).unwrap(),
            };
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(&bytes).unwrap());
        }
        let query = self.query.as_deref().map_or_else(String::new, |query| format!("?{query}"));
        let method = self.method.as_deref().unwrap_or("GET").parse::<Method>().unwrap();
        Head { method, uri: format!("/whoami{query}").parse().unwrap(), headers }
    }
}
