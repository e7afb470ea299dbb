//! Any JWK set, configured or fetched: a good token is accepted only if the set has the key, and always if that is
//! beyond doubt. Secrets in a set of public keys never verify anything.
//!
//! The input is the text of the set. In it `%E`, `%X` and `%Y` stand for the numbers of the keys with which the tokens
//! are signed, and `%S` for the secret.

use std::sync::OnceLock;

use bytes::Bytes;
use http::Response;
use tower_bearer::error::VerifyErrorKind;
use tower_bearer::jwks::StaticKeys;
use tower_bearer::{Algorithm, BearerToken, TokenVerifier};

use crate::answers::Scripted;
use crate::jose_header::{CLAIMS, builder};
use crate::json::{Json, Members, outer_object};
use crate::keys::{EC_ID, ED_ID, SECRET, keys};
use crate::lab::{NOW, finish, one_of};
use crate::rules::moment;
use crate::{base64url, logs};

const LONGEST: usize = 256 * 1024;
const MOST_KEYS: usize = 100;

/// A token that is good if there is its key.
struct Probe {
    token: BearerToken,
    key_id: Option<&'static str>,
    /// The type of the key, its curve, and the names of its algorithm.
    kind: (&'static str, &'static str, &'static [&'static str]),
}

const ED: (&str, &str, &[&str]) = ("OKP", "Ed25519", &["EdDSA", "Ed25519"]);
const EC: (&str, &str, &[&str]) = ("EC", "P-256", &["ES256"]);
const OCT: (&str, &str, &[&str]) = ("oct", "", &["HS256"]);

struct Probes {
    public: Vec<Probe>,
    /// Signed with a secret that sets may have as a key.
    secret: Vec<Probe>,
}

fn probes() -> &'static Probes {
    static PROBES: OnceLock<Probes> = OnceLock::new();
    PROBES.get_or_init(|| {
        logs::listen(&[SECRET]);
        let token = |header: &str, sign: fn(&[u8]) -> Vec<u8>| {
            let message =
                format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(CLAIMS.as_bytes()));
            let signature = base64url::encode(&sign(message.as_bytes()));
            BearerToken::new(&format!("{message}.{signature}")).expect("a token")
        };
        let (ed, ec, mac) = (
            |message: &[u8]| keys().sign_ed(message),
            |message: &[u8]| keys().sign_ec(message),
            |message: &[u8]| keys().sign_hmac(message),
        );
        let named = |algorithm: &str, id: &str| format!(r#"{{"alg":"{algorithm}","kid":"{id}"}}"#);
        Probes {
            public: vec![
                Probe { token: token(&named("EdDSA", ED_ID), ed), key_id: Some(ED_ID), kind: ED },
                Probe { token: token(r#"{"alg":"EdDSA"}"#, ed), key_id: None, kind: ED },
                Probe { token: token(&named("ES256", EC_ID), ec), key_id: Some(EC_ID), kind: EC },
                Probe { token: token(r#"{"alg":"ES256"}"#, ec), key_id: None, kind: EC },
            ],
            secret: vec![
                Probe { token: token(&named("HS256", ED_ID), mac), key_id: Some(ED_ID), kind: OCT },
                Probe { token: token(r#"{"alg":"HS256"}"#, mac), key_id: None, kind: OCT },
            ],
        }
    })
}

pub fn check(input: &[u8]) {
    let text = fill_in(input);
    let Some(entries) = entries(&text) else { return };
    let all = [Source::Fetched, Source::List, Source::Secrets, Source::Set];
    match *one_of(&all, input) {
        Source::Fetched => fetched(text, &entries),
        source => configured(text, &entries, source),
    }
}

/// Where the keys are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Fetched,
    /// Among those that were listed.
    List,
    /// In a set of secrets.
    Secrets,
    Set,
}

fn fetched(text: Vec<u8>, entries: &[Entry]) {
    let client = Scripted::default();
    client.answer([Response::new(Bytes::from(text))]);
    let builder = builder().jwks_uri("https://issuer.example.com/keys").http_client(client);
    let verifier = builder.build().expect("settings that make sense");
    // The first of them fetches the set. Until another is wanted, the rest are judged by that one.
    for probe in &probes().public {
        match finish(verifier.verify(&probe.token)) {
            Ok(_) => probe.assert_right(Source::Fetched, true, entries),
            Err(error) => {
                probe.assert_right(Source::Fetched, false, entries);
                let (missing, bad) = (VerifyErrorKind::KeyNotFound, VerifyErrorKind::Signature);
                let kinds = [missing, bad, VerifyErrorKind::Unavailable];
                assert!(kinds.contains(&error.kind()), "{error:?}");
            }
        }
    }
    for probe in &probes().secret {
        assert!(finish(verifier.verify(&probe.token)).is_err(), "a secret was used");
    }
}

fn configured(text: Vec<u8>, entries: &[Entry], source: Source) {
    let Ok(text) = String::from_utf8(text) else { return };
    let builder = match source {
        Source::List => builder().static_keys(StaticKeys::new().add_jwk_set(text)),
        Source::Secrets => builder().jwk_set(text).algorithms([Algorithm::Hs256]),
        Source::Fetched | Source::Set => builder().jwk_set(text),
    };
    let verifier = builder.build().ok();
    let is_accepted = |probe: &Probe| {
        let verdict = verifier.as_ref()?.verify_now(&probe.token, moment(NOW)).expect("keys are at hand");
        verdict.inspect_err(|error| assert_ne!(error.kind(), VerifyErrorKind::Unavailable)).ok()
    };
    let (meant, others, entries) = match source {
        Source::Secrets => (&probes().secret, &probes().public, only_secrets(entries)),
        _ => (&probes().public, &probes().secret, entries),
    };
    for probe in meant {
        probe.assert_right(source, is_accepted(probe).is_some(), entries);
    }
    for probe in others {
        assert!(is_accepted(probe).is_none(), "secrets and public keys are confused");
    }
}

/// Secrets are the only keys of their set, or it is none.
fn only_secrets(entries: &[Entry]) -> &[Entry] {
    let is_secret = |entry: &Entry| entry.members.as_ref().is_none_or(|key| key.text("kty") == Some("oct"));
    if entries.iter().all(is_secret) { entries } else { &[] }
}

impl Probe {
    fn assert_right(&self, source: Source, accepted: bool, entries: &[Entry]) {
        let fits = |entry: &&Entry| self.is_key(entry) && self.is_meant(entry);
        let fitting = entries.iter().filter(fits).count();
        if accepted {
            // In a list, a key without a name is meant by all.
            let is_unnamed = |entry: &Entry| entry.members.as_ref().is_some_and(|key| !key.has("kid"));
            let unnamed = entries.iter().any(|entry| self.is_key(entry) && is_unnamed(entry));
            assert!(fitting > 0 || (source == Source::List && unnamed), "accepted, and there is no such key");
            return;
        }
        // With one entry, or one of this name among others that are all readable, nothing is doubtful.
        let is_alone = match self.key_id {
            Some(id) => entries.iter().filter(|entry| entry.is_named(id)).count() == 1,
            None => entries.len() == 1,
        };
        let is_readable = entries.len() <= MOST_KEYS && entries.iter().all(|entry| entry.members.is_some());
        assert!(fitting != 1 || !is_alone || !is_readable, "rejected, and there is the key: {entries:?}");
    }

    /// Whether an entry has the name that the token wants.
    fn is_meant(&self, entry: &Entry) -> bool {
        self.key_id.is_none_or(|id| entry.is_named(id))
    }

    /// Whether a key may verify this token, whatever it is called.
    fn is_key(&self, entry: &Entry) -> bool {
        let Some(key) = &entry.members else { return false };
        let (kty, crv, algorithms) = self.kind;
        let own = keys();
        let number = |name: &str, wanted: &str| key.text(name) == Some(wanted);
        let is_key = match kty {
            "OKP" => number("x", &own.ed_point()),
            "oct" => number("k", SECRET),
            _ => number("x", &own.ec_point()[0]) && number("y", &own.ec_point()[1]),
        };
        let operations = key.get("key_ops").is_none_or(|operations| match operations {
            Json::List(all) => all.iter().any(|one| one.text() == Some("verify")),
            _ => false,
        });
        let text = |name: &str| key.get(name).map(|value| value.text().unwrap_or_default());
        is_key
            && operations
            && text("kty") == Some(kty)
            && (crv.is_empty() || text("crv") == Some(crv))
            && text("use").is_none_or(|purpose| purpose == "sig")
            && text("alg").is_none_or(|name| algorithms.contains(&name))
            && key.get("kid").is_none_or(|id| id.text().is_some())
    }
}

/// An entry of a set. None: it is no object that can be read in one way.
#[derive(Debug)]
struct Entry {
    members: Option<Members>,
}

impl Entry {
    fn is_named(&self, id: &str) -> bool {
        self.members.as_ref().is_some_and(|members| members.text("kid") == Some(id))
    }
}

/// The entries of a set, each read by itself: what is wrong with one does not spoil the others. There are none if it is
/// no set. None: a number in it is so large that readers may differ.
fn entries(text: &[u8]) -> Option<Vec<Entry>> {
    let set = outer_object(text).filter(|_| text.len() <= LONGEST).unwrap_or_default();
    let read = |entry: &Json| Entry { members: entry.object().filter(|_| entry.is_clear()).cloned() };
    let entries = match set.get("keys") {
        Some(Json::List(entries)) => entries.iter().map(read).collect(),
        _ => Vec::new(),
    };
    Some(entries).filter(|_| !set.has_huge_number())
}

/// What stands for the numbers of keys is replaced by them.
fn fill_in(input: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(input.len() + 128);
    let mut rest = input;
    let numbers = numbers();
    while let [first, others @ ..] = rest {
        let number = others
            .first()
            .filter(|_| *first == b'%')
            .and_then(|name| numbers.iter().find(|(own, _)| own == name).map(|(_, number)| number));
        match number {
            Some(number) => {
                text.extend_from_slice(number.as_bytes());
                rest = &others[1..];
            }
            None => {
                text.push(*first);
                rest = others;
            }
        }
    }
    text
}

fn numbers() -> &'static [(u8, String); 4] {
    static NUMBERS: OnceLock<[(u8, String); 4]> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let [x, y] = keys().ec_point();
        [(b'E', keys().ed_point()), (b'X', x), (b'Y', y), (b'S', SECRET.to_owned())]
    })
}
