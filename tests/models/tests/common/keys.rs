//! An issuer that rotates its keys, and tokens whose signature is bad: a verdict says whether their key was found.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use tower_bearer_models::client::{HttpClient, Limits};
use tower_bearer_models::error::VerifyErrorKind;
use tower_bearer_models::jwks::{RemoteJwks, StaticKeys};
use tower_bearer_models::sync::touch;
use tower_bearer_models::verifier::Verdict;
use tower_bearer_models::{BearerToken, JwtVerifier, VerifyError};

use super::{World, WorldClock, bearer, wait};

const ISSUER: &str = "https://idp.example.com";
const AUDIENCE: &str = "https://api.example.com";
/// After a fetch, an unknown key causes none for so many seconds.
pub const COOLDOWN: u64 = 30;
/// The points of Ed25519 of RFC 8032 §7.1.
const POINTS: [&str; 3] = [
    "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
    "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU",
];

/// What the issuer publishes, fetch after fetch; the last for ever.
#[derive(Clone, Debug)]
pub struct Documents {
    sets: &'static [&'static [&'static str]],
    waits: fn() -> u32,
    fetches: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    // A panic would be caught: it is written down.
    overlaps: Arc<AtomicUsize>,
}

/// A verifier that fetches its keys, and its issuer.
#[derive(Clone, Debug)]
pub struct Keys {
    pub world: Arc<World>,
    pub verifier: JwtVerifier,
    pub issuer: Documents,
}

struct Fetch(Arc<AtomicUsize>);

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Keys {
    pub fn new(sets: &'static [&'static [&'static str]], waits: fn() -> u32) -> Self {
        let world = World::new();
        let (fetches, running, overlaps) = Default::default();
        let issuer = Documents { sets, waits, fetches, running, overlaps };
        let keys = RemoteJwks::at(format!("{ISSUER}/keys")).cooldown(Duration::from_secs(COOLDOWN));
        let verifier = JwtVerifier::builder(ISSUER, AUDIENCE)
            .remote_jwks(keys)
            .http_client(issuer.clone())
            .clock(WorldClock(Arc::clone(&world)))
            .build()
            .expect("it is complete");
        Self { world, verifier, issuer }
    }

    /// Keys that are not fetched.
    pub fn configured(ids: &[&str]) -> Self {
        let world = World::new();
        let (fetches, running, overlaps) = Default::default();
        let issuer = Documents { sets: &[], waits: || 0, fetches, running, overlaps };
        let verifier = JwtVerifier::builder(ISSUER, AUDIENCE)
            .static_keys(static_keys(ids))
            .clock(WorldClock(Arc::clone(&world)))
            .build()
            .expect("it is complete");
        Self { world, verifier, issuer }
    }
}

/// Keys to put in the place of others.
pub fn static_keys(ids: &[&str]) -> StaticKeys {
    StaticKeys::new().add_jwk_set(document(ids))
}

fn document(ids: &[&str]) -> String {
    let key = |id: &&str| {
        let point = POINTS[id.len() % POINTS.len()];
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"{point}"}}"#)
    };
    let keys: Vec<_> = ids.iter().map(key).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

impl Documents {
    /// How many fetches there were, never two at once.
    pub fn fetches(&self) -> usize {
        touch();
        assert_eq!(self.overlaps.load(SeqCst), 0, "two fetches at once");
        self.fetches.load(SeqCst)
    }
}

impl HttpClient for Documents {
    fn send(
        &self,
        _: Request<Bytes>,
        _: Limits,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, VerifyError>> + Send + '_>> {
        Box::pin(async {
            touch();
            let number = self.fetches.fetch_add(1, SeqCst);
            self.overlaps.fetch_add(self.running.fetch_add(1, SeqCst), SeqCst);
            let _fetch = Fetch(Arc::clone(&self.running));
            wait((self.waits)()).await;
            let ids = self.sets.get(number).or(self.sets.last()).expect("there is one");
            Ok(Response::new(Bytes::from(document(ids))))
        })
    }
}

/// A token that names a key. Nobody has signed it.
pub fn token(kid: &str) -> BearerToken {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = part(format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#));
    let claims = part(format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"alice","exp":1900000000}}"#));
    bearer(&format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([1; 64])))
}

/// Whether the key was there. Everything else would be a fault: an issuer that answers has keys.
pub fn knows_the_key(verdict: &Verdict) -> bool {
    match verdict.as_ref().map_err(VerifyError::kind) {
        Err(VerifyErrorKind::Signature) => true,
        Err(VerifyErrorKind::KeyNotFound) => false,
        other => panic!("{other:?}"),
    }
}
