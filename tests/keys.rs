//! The keys of an issuer: found on first use, kept fresh, and kept through its faults.

#![cfg(all(feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and reads well"
)]

mod common;
#[path = "common/keys.rs"]
mod script;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{ACCEPT, RETRY_AFTER, USER_AGENT};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Handle};
use tower_bearer::jwks::RemoteJwks;
use tower_bearer::verifier::JwtVerifierBuilder;
use tower_bearer::{Algorithm, AuthLayer, JwtVerifier, TokenVerifier};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

use self::common::Logs;
use self::script::{AUDIENCE, App, CountingClock, Reply, Script, World, park_on, settle};

const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The keys that an issuer publishes, to be changed.
fn keys_of(world: &World) -> Vec<Value> {
    let set: Value = serde_json::from_str(&world.issuer.jwk_set()).unwrap();
    set["keys"].as_array().unwrap().clone()
}

fn set_of(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// Captures what this thread logs.
fn listen() -> (Logs, DefaultGuard) {
    Logs::capture()
}

/// A world whose service has fetched its keys once.
async fn warm() -> (World, App) {
    let world = World::new().await;
    let app = world.app();
    assert_eq!(app.status(&world.token()).await, 200);
    assert_eq!(world.script.count(), 1);
    (world, app)
}

// The first fetch.

#[tokio::test]
async fn nothing_is_fetched_before_a_token_needs_it() {
    let world = World::new().await;
    let app = world.app();
    settle().await;
    let token = || world.issuer.token().audience(AUDIENCE);
    for (bad, token) in [
        ("malformed", "not.a.token".to_owned()),
        ("of another issuer", token().claim("iss", "https://evil.example").mint()),
        ("for another audience", token().audience("https://other.example").mint()),
        ("without an audience", token().without_claim("aud").mint()),
        ("expired", token().expired_since(secs(61)).mint()),
        ("not valid yet", token().claim("nbf", 1_767_225_600 + 61).mint()),
        ("of an algorithm that is not allowed", token().algorithm(Algorithm::Hs256).mint()),
        ("unsigned", token().header("alg", "none").mint()),
        ("of another class", token().header("typ", "dpop+jwt").mint()),
        ("with a critical header", token().header("crit", json!(["exp"])).mint()),
    ] {
        assert_eq!(app.status_at_once(&token), Some(401), "{bad}");
    }
    assert_eq!(world.script.count(), 0);
    assert_eq!(app.status(&world.token()).await, 200);
    assert_eq!(app.status_at_once(&world.token()), Some(200));
    assert_eq!(world.script.count(), 1);
}

#[tokio::test]
async fn two_hundred_cold_tokens_cause_one_fetch() {
    let world = World::new().await;
    let app = world.app();
    world.script.hold();
    let asking = spawn_all(&app, &good_tokens(&world, 200));
    settle().await;
    assert_eq!(world.script.count(), 1);
    world.script.release();
    for answer in asking {
        assert_eq!(answer.await.unwrap(), 200);
    }
    assert_eq!(world.script.count(), 1);
}

fn good_tokens(world: &World, count: usize) -> Vec<String> {
    let token = || world.issuer.token().algorithm(Algorithm::Es256).audience(AUDIENCE).mint();
    (0..count).map(|_| token()).collect()
}

fn spawn_all(app: &App, tokens: &[String]) -> Vec<tokio::task::JoinHandle<u16>> {
    let ask = |token: &String| {
        let answer = app.ask(token);
        tokio::spawn(async { answer.await.status().as_u16() })
    };
    tokens.iter().map(ask).collect()
}

#[tokio::test]
async fn a_provider_that_is_down_at_first_heals_without_a_restart() {
    let world = World::new().await;
    let app = world.app();
    world.goes_down();
    let answer = app.ask(&world.token()).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()[RETRY_AFTER], "1");
    assert!(!answer.headers().contains_key("www-authenticate"));
    world.publish();
    assert_eq!(app.status_at_once(&world.token()), Some(503), "during the back-off");
    world.pass(1);
    assert_eq!(app.status(&world.token()).await, 200);
    assert_eq!(world.script.count(), 2);
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn a_provider_that_stops_and_restarts_is_found_again() {
    use tower_bearer::testing::{TestClock, TestIssuer};

    let clock = TestClock::new();
    let issuer = TestIssuer::with_clock(clock.clone()).await.unwrap();
    let verifier = JwtVerifier::builder(issuer.issuer(), AUDIENCE).clock(clock.clone()).build().unwrap();
    let app = App::new(verifier, clock.clone());
    let token = || issuer.token().audience(AUDIENCE).mint();
    issuer.stop();
    // The task that listens has to be given the chance to end.
    settle().await;
    for _ in 0..3 {
        let answer = app.ask(&token()).await;
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key(RETRY_AFTER));
        clock.advance(secs(60));
    }
    issuer.restart();
    assert_eq!(app.status(&token()).await, 200);
    issuer.stop();
    settle().await;
    clock.advance(secs(2 * HOUR));
    assert_eq!(app.status_at_once(&token()), Some(200), "the keys serve through the outage");
}

#[tokio::test]
async fn a_caller_who_leaves_takes_nothing_with_it() {
    let world = World::new().await;
    let app = world.app();
    world.script.hold();
    let first = tokio::spawn(app.ask(&world.token()));
    settle().await;
    let second = tokio::spawn(app.ask(&world.token()));
    settle().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.script.release();
    assert_eq!(second.await.unwrap().status(), 200);
    assert_eq!(world.script.count(), 1);
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_any_more_is_finished() {
    let world = World::new().await;
    let app = world.app();
    world.script.hold();
    assert_eq!(app.status_at_once(&world.token()), None);
    settle().await;
    world.script.release();
    settle().await;
    assert_eq!(app.status_at_once(&world.token()), Some(200));
    assert_eq!(world.script.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_never_ends_is_given_up() {
    let world = World::new().await;
    let app = world.app();
    world.script.hold();
    let started_at = tokio::time::Instant::now();
    let asking = spawn_all(&app, &good_tokens(&world, 20));
    for answer in asking {
        assert_eq!(answer.await.unwrap(), 503);
    }
    let elapsed = started_at.elapsed();
    assert!(elapsed >= secs(5) && elapsed < secs(6), "after {elapsed:?}");
    assert_eq!(world.script.asked()[0].limits.timeout, secs(5));
    // What comes after all is too late, and harmless.
    world.script.release();
    settle().await;
    assert_eq!(app.status_at_once(&world.token()), Some(503));
    world.pass(1);
    assert_eq!(app.status(&world.token()).await, 200);
    assert_eq!(world.script.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_of_the_layer_ends_a_request_but_not_the_fetch() {
    let world = World::new().await;
    let layer = AuthLayer::builder(world.verifier()).clock(world.clock.clone()).timeout(secs(1)).build();
    let app = App::of(layer.unwrap());
    world.script.hold();
    let started_at = tokio::time::Instant::now();
    assert_eq!(app.status(&world.token()).await, 503);
    assert!(started_at.elapsed() < secs(2));
    world.script.release();
    settle().await;
    assert_eq!(app.status_at_once(&world.token()), Some(200));
    assert_eq!(world.script.count(), 1);
}

#[tokio::test]
async fn a_client_that_panics_is_an_outage() {
    for early in [true, false] {
        let world = World::new().await;
        let app = world.app();
        world.serve(Reply::Panics { early });
        for wait in [1, 2, 4] {
            let answer = app.ask(&world.token()).await;
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()[RETRY_AFTER], wait.to_string());
            assert_eq!(app.status_at_once(&world.token()), Some(503), "during the back-off");
            world.pass(wait);
        }
        assert_eq!(world.script.count(), 3);
        world.publish();
        assert_eq!(app.status(&world.token()).await, 200);
        // And so in the background.
        world.serve(Reply::Panics { early });
        world.pass(HOUR);
        assert_eq!(app.status_at_once(&world.token()), Some(200));
        settle().await;
        assert_eq!(world.script.count(), 5);
        assert_eq!(app.status_at_once(&world.token()), Some(200));
    }
}

#[tokio::test]
async fn the_pause_after_failures_doubles_up_to_a_minute() {
    let world = World::new().await;
    let app = world.app();
    world.goes_down();
    for (attempt, wait) in [1, 2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
        let answer = app.ask(&world.token()).await;
        assert_eq!((answer.status().as_u16(), world.script.count()), (503, attempt + 1));
        assert_eq!(answer.headers()[RETRY_AFTER], wait.to_string());
        world.clock.advance(secs(wait) - Duration::from_millis(1));
        assert_eq!(app.status_at_once(&world.token()), Some(503));
        assert_eq!(world.script.count(), attempt + 1, "before {wait} s have passed");
        world.clock.advance(Duration::from_millis(1));
    }
    world.publish();
    assert_eq!(app.status(&world.token()).await, 200);
    // A success starts the row anew.
    world.goes_down();
    world.pass(30);
    assert_eq!(app.ask(&world.stranger()).await.headers()[RETRY_AFTER], "1");
}

// Unknown keys.

#[tokio::test]
async fn a_new_key_is_found_by_one_fetch() {
    let (world, app) = warm().await;
    world.issuer.rotate_keys();
    world.publish();
    world.pass(30);
    world.script.hold();
    let asking = spawn_all(&app, &good_tokens(&world, 200));
    settle().await;
    assert_eq!(world.script.count(), 2);
    world.script.release();
    for answer in asking {
        assert_eq!(answer.await.unwrap(), 200);
    }
    assert_eq!(world.script.count(), 2);
}

#[tokio::test]
async fn for_a_token_without_key_id_too_a_key_of_its_kind_is_looked_for_in_a_newer_set() {
    let world = World::new().await;
    let keys = keys_of(&world);
    let (edwards, others): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|key| key["kty"] == "OKP");
    world.serve(Reply::document(set_of(&others)));
    let app = world.app();
    let token = || world.issuer.token().audience(AUDIENCE).algorithm(Algorithm::EdDsa).without_header("kid");
    assert_eq!(app.status(&world.token()).await, 200);
    assert_eq!(app.status(&token().mint()).await, 401);
    world.serve(Reply::document(set_of(&[others, edwards].concat())));
    world.pass(30);
    assert_eq!(app.status(&token().mint()).await, 200);
    assert_eq!(world.script.count(), 2);
}

#[tokio::test]
async fn unknown_keys_cause_no_fetch_during_the_cool_down() {
    let (world, app) = warm().await;
    for cooldown in [0, 29] {
        world.pass(cooldown);
        for _ in 0..5_000 {
            assert_eq!(app.status_at_once(&world.stranger()), Some(401));
        }
    }
    settle().await;
    assert_eq!(world.script.count(), 1);
    world.pass(1);
    // The fetch works, so that all of them are answered, and the next cool-down begins.
    for _ in 0..1_000 {
        assert_eq!(app.status(&world.stranger()).await, 401);
    }
    assert_eq!(world.script.count(), 2);
}

#[tokio::test]
async fn the_cool_down_can_be_set() {
    let world = World::new().await;
    let app = world.app_of(world.builder().remote_jwks(world.remote().cooldown(secs(300))).build().unwrap());
    assert_eq!(app.status(&world.token()).await, 200);
    world.pass(299);
    assert_eq!(app.status_at_once(&world.stranger()), Some(401));
    assert_eq!(world.script.count(), 1);
    world.pass(1);
    assert_eq!(app.status(&world.stranger()).await, 401);
    assert_eq!(world.script.count(), 2);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_does_not_hammer_a_provider_that_is_down() {
    let (world, app) = warm().await;
    world.pass(30);
    world.goes_down();
    for second in 0..60 {
        for _ in 0..100 {
            assert_eq!(app.status(&world.stranger()).await, 503, "in second {second}");
        }
        assert_eq!(app.status_at_once(&world.token()), Some(200), "in second {second}");
        world.pass(1);
    }
    let attempts = world.script.count() - 1;
    assert!((1..=10).contains(&attempts), "{attempts} attempts");
    world.publish();
    world.pass(60);
    assert_eq!(app.status(&world.stranger()).await, 401, "the fetch worked: the key is unknown indeed");
    for _ in 0..100 {
        assert_eq!(app.status_at_once(&world.stranger()), Some(401));
    }
    assert_eq!(world.script.count(), attempts + 2);
}

#[tokio::test]
async fn a_bad_signature_under_a_known_key_causes_no_fetch() {
    let (world, app) = warm().await;
    for pass in [0, 30, 600] {
        world.pass(pass);
        assert_eq!(app.status_at_once(&world.forged()), Some(401));
    }
    settle().await;
    assert_eq!(world.script.count(), 1);
}

#[tokio::test]
async fn a_known_key_does_not_wait_for_an_unknown_one() {
    let (world, app) = warm().await;
    world.pass(30);
    world.script.hold();
    let waiting = tokio::spawn(app.ask(&world.stranger()));
    settle().await;
    assert_eq!(world.script.count(), 2);
    for _ in 0..100 {
        assert_eq!(app.status_at_once(&world.token()), Some(200));
        assert_eq!(app.status_at_once(&world.forged()), Some(401));
    }
    assert!(!waiting.is_finished());
    world.script.release();
    assert_eq!(waiting.await.unwrap().status(), 401);
    assert_eq!(world.script.count(), 2);
}

// Refresh, rotation, withdrawal.

#[tokio::test]
async fn keys_are_refreshed_in_the_background() {
    let (world, app) = warm().await;
    world.pass(HOUR - 1);
    assert_eq!(app.status_at_once(&world.token()), Some(200));
    settle().await;
    assert_eq!(world.script.count(), 1);
    world.pass(1);
    world.script.hold();
    let tokens = good_tokens(&world, 10);
    for _ in 0..100 {
        for token in &tokens {
            assert_eq!(app.status_at_once(token), Some(200));
        }
        settle().await;
    }
    assert_eq!(world.script.count(), 2);
    world.script.release();
    settle().await;
    assert_eq!(app.status_at_once(&tokens[0]), Some(200));
    settle().await;
    assert_eq!(world.script.count(), 2);
}

#[tokio::test]
async fn a_token_dies_with_its_key() {
    let (world, app) = warm().await;
    let later = world.clock_at(3 * HOUR);
    let token = world.issuer.token().audience(AUDIENCE).expires_at(later).mint();
    assert_eq!(app.status_at_once(&token), Some(200));
    world.issuer.rotate_keys();
    world.publish();
    world.pass(HOUR);
    assert_eq!(app.status_at_once(&token), Some(200));
    settle().await;
    assert_eq!((app.status_at_once(&token), world.script.count()), (Some(200), 2), "both are published");
    world.issuer.withdraw_old_keys();
    world.publish();
    world.pass(HOUR - 1);
    assert_eq!(app.status(&world.stranger()).await, 401);
    assert_eq!((app.status_at_once(&token), world.script.count()), (Some(401), 3));
    assert_eq!(app.status_at_once(&world.token()), Some(200));
}

#[tokio::test]
async fn the_generation_grows_exactly_when_a_key_leaves() {
    let world = World::new().await;
    let verifier = world.verifier();
    let app = world.app_of(verifier.clone());
    world.issuer.rotate_keys();
    let keys = keys_of(&world);
    let (old, new) = (&keys[4..], &keys[..4]);
    let reversed: Vec<_> = keys.iter().rev().cloned().collect();
    let renamed: Vec<_> = new.iter().map(|key| with(key, json!({ "kid": "renamed" }))).collect();
    let narrowed = [with(&new[0], json!({ "alg": "PS256" })), new[1].clone(), new[2].clone(), new[3].clone()];
    let replaced = [with(&old[0], json!({ "kid": new[0]["kid"] })), new[1].clone(), new[2].clone()];
    let noted = new.iter().map(|key| with(key, json!({ "x5t": "note" }))).collect::<Vec<_>>();
    let mut expected = 0;
    for (what, document, grows) in [
        ("the first keys", set_of(old), false),
        ("the same keys", set_of(old), false),
        ("further keys", set_of(&keys), false),
        ("another order", set_of(&reversed), false),
        ("the old keys leave", set_of(new), true),
        ("a member that does not matter", set_of(&noted), false),
        ("an outage", String::new(), false),
        ("a key loses algorithms", set_of(&narrowed), true),
        ("it gets them back", set_of(new), false),
        ("another key under a known id", set_of(&replaced), true),
        ("another id for each key", set_of(&renamed), true),
        ("one key is left", set_of(&renamed[..1]), true),
        ("an outage again", "<html>".to_owned(), false),
        ("all keys are others", set_of(old), true),
    ] {
        world.serve(Reply::document(document));
        world.pass(60);
        app.status(&world.stranger()).await;
        expected += u64::from(grows);
        assert_eq!(verifier.generation(), expected, "{what}");
    }
}

fn with(key: &Value, members: Value) -> Value {
    let mut key = key.clone();
    key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    key
}

#[tokio::test(start_paused = true)]
async fn an_older_answer_does_not_replace_a_newer_one() {
    let (world, app) = warm().await;
    // The answer to this refresh, with the old keys, is held back for longer than the refresh may take.
    world.pass(HOUR);
    world.script.hold();
    assert_eq!(app.status_at_once(&world.token()), Some(200));
    settle().await;
    assert_eq!(world.script.count(), 2);
    tokio::time::advance(secs(6)).await;
    settle().await;
    world.issuer.rotate_keys();
    world.issuer.withdraw_old_keys();
    world.publish();
    world.pass(1);
    let waiting = tokio::spawn(app.ask(&world.token()));
    settle().await;
    assert_eq!(world.script.count(), 3);
    world.script.release();
    assert_eq!(waiting.await.unwrap().status(), 200);
    settle().await;
    assert_eq!(app.status_at_once(&world.token()), Some(200), "the newer keys stay");
}

#[test]
fn readers_see_the_old_keys_or_the_new_ones_and_never_none() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let far = world.clock_at(DAY);
    let token = |algorithm| world.issuer.token().algorithm(algorithm).audience(AUDIENCE).expires_at(far);
    let stays = token(Algorithm::Es256).mint();
    let changes = token(Algorithm::EdDsa).mint();
    let keys = keys_of(&world);
    let with_it = Reply::document(set_of(&keys)).with("cache-control", "no-store");
    let without = Reply::document(set_of(&keys[..3])).with("cache-control", "no-store");
    world.serve(with_it.clone());
    let app = world.app();
    assert_eq!(runtime.block_on(app.status(&stays)), 200);
    let done = AtomicBool::new(false);
    let read = || {
        let _runtime = runtime.enter();
        let (mut seen, mut turns) = (HashSet::new(), 0_u32);
        while !done.load(Ordering::SeqCst) || turns < 100 {
            assert_eq!(app.status_at_once(&stays), Some(200));
            // It may have to wait for a fetch, if its key is not there and the cool-down is over.
            seen.extend(app.status_at_once(&changes));
            turns += 1;
        }
        seen
    };
    thread::scope(|scope| {
        let _runtime = runtime.enter();
        let readers: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
        for turn in 0..200 {
            let (reply, expected) = if turn % 2 == 0 { (&without, 401) } else { (&with_it, 200) };
            world.serve(reply.clone());
            world.pass(60);
            while app.status_at_once(&changes) != Some(expected) {
                assert!(!readers.iter().any(thread::ScopedJoinHandle::is_finished), "a reader failed");
                thread::yield_now();
            }
        }
        done.store(true, Ordering::SeqCst);
        let seen: HashSet<_> = readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect();
        assert_eq!(seen, HashSet::from([200, 401]));
    });
}

#[tokio::test]
async fn what_an_answer_says_of_its_age_is_held_within_bounds() {
    for (value, expected) in [
        ("max-age=0", 60),
        ("no-store", 60),
        ("no-cache", 60),
        ("public, max-age=0, must-revalidate", 60),
        ("max-age=59", 60),
        ("max-age=600", 600),
        ("MAX-AGE = 600", 600),
        ("max-age=315360000", DAY),
        ("max-age=99999999999999999999999999", DAY),
        ("max-age=-1", HOUR),
        ("max-age=1.5", HOUR),
        ("max-age=", HOUR),
        ("max-age", HOUR),
        ("garbage, =, ,;\"", HOUR),
        ("", HOUR),
    ] {
        let world = World::new().await;
        let remote = world.remote().max_stale(secs(30 * DAY));
        let app = world.app_of(world.builder().remote_jwks(remote).build().unwrap());
        world.serve(Reply::document(world.issuer.jwk_set()).with("cache-control", value));
        assert_eq!(app.status(&world.token()).await, 200);
        world.pass(expected - 1);
        assert_eq!(app.status_at_once(&world.token()), Some(200));
        settle().await;
        assert_eq!(world.script.count(), 1, "{value:?}: before {expected} s");
        world.pass(1);
        assert_eq!(app.status_at_once(&world.token()), Some(200));
        settle().await;
        assert_eq!(world.script.count(), 2, "{value:?}: after {expected} s");
    }
}

#[tokio::test]
async fn a_skewed_date_of_an_answer_is_ignored() {
    for date in ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "yesterday"] {
        let world = World::new().await;
        let app = world.app();
        let reply = Reply::document(world.issuer.jwk_set());
        world.serve(reply.with("date", date).with("expires", date).with("age", "999999999"));
        assert_eq!(app.status(&world.token()).await, 200);
        world.pass(HOUR - 1);
        assert_eq!(app.status_at_once(&world.token()), Some(200));
        settle().await;
        assert_eq!(world.script.count(), 1, "{date}");
        let expired = world.issuer.token().audience(AUDIENCE).expired_since(secs(60)).mint();
        assert_eq!(app.status_at_once(&expired), Some(401), "{date}");
    }
}

// Outages.

#[tokio::test]
async fn keys_serve_until_they_are_too_old_and_not_beyond() {
    let (world, app) = warm().await;
    world.goes_down();
    world.pass(DAY - 1);
    assert_eq!(app.status_at_once(&world.token()), Some(200));
    settle().await;
    world.pass(2);
    let answer = app.ask(&world.token()).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key(RETRY_AFTER));
    assert_eq!(app.status(&world.forged()).await, 503);
    assert_eq!(app.status(&world.stranger()).await, 503);
    world.publish();
    world.pass(60);
    assert_eq!(app.status(&world.token()).await, 200);
}

#[tokio::test]
async fn keys_that_grew_too_old_unused_are_fetched_again_first() {
    let (world, app) = warm().await;
    world.issuer.rotate_keys();
    world.issuer.withdraw_old_keys();
    world.publish();
    world.pass(10 * DAY);
    assert_eq!(app.status_at_once(&world.forged()), None, "the old keys are not asked");
    settle().await;
    assert_eq!(app.status_at_once(&world.token()), Some(200));
    assert_eq!(world.script.count(), 2);
}

#[tokio::test]
async fn a_partition_is_survived_and_forgotten() {
    let (world, app) = warm().await;
    world.pass(HOUR);
    world.goes_down();
    for second in 0..600 {
        assert_eq!(app.status_at_once(&world.token()), Some(200), "in second {second}");
        settle().await;
        world.pass(1);
    }
    let attempts = world.script.count() - 1;
    assert!((10..=20).contains(&attempts), "{attempts} attempts");
    world.issuer.rotate_keys();
    world.publish();
    let healed_after = (0..=60).find(|_| {
        world.pass(1);
        app.status_at_once(&world.stranger()).is_none()
    });
    assert!(healed_after.is_some(), "no attempt within a minute");
    settle().await;
    assert_eq!(app.status_at_once(&world.token()), Some(200), "the new key is known");
}

/// Answers that hold no keys, whatever they hold.
fn useless_answers(world: &World) -> Vec<(String, Reply)> {
    let keys = keys_of(world);
    let good = set_of(&keys);
    let list = Value::from(keys.clone()).to_string();
    let named = |id: usize| with(&keys[0], json!({ "kid": format!("k{id}") }));
    let broken = |members: Value| set_of(&[with(&keys[0], members)]);
    let oct = json!({ "kty": "oct", "kid": "rsa-1", "k": URL_SAFE_NO_PAD.encode([7; 64]) });
    let mut answers: Vec<_> = [
        ("HTML", "<html><body>Sign in</body></html>".to_owned()),
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("an object without keys", "{}".to_owned()),
        ("keys: null", r#"{"keys":null}"#.to_owned()),
        ("keys: an object", format!(r#"{{"keys":{}}}"#, keys[0])),
        ("keys: a string", r#"{"keys":"rsa-1"}"#.to_owned()),
        ("an array", list.clone()),
        ("a key", keys[0].to_string()),
        ("keys twice", format!(r#"{{"keys":{list},"keys":{list}}}"#)),
        ("Keys, with a capital", good.replace("\"keys\"", "\"Keys\"")),
        ("no keys", set_of(&[])),
        ("shared secrets", set_of(&[oct])),
        ("no objects", set_of(&[json!(null), json!(1), json!("x"), json!([])])),
        ("another use", broken(json!({ "use": "enc" }))),
        ("another operation", broken(json!({ "key_ops": ["wrapKey"] }))),
        ("an unknown kind", broken(json!({ "kty": "XYZ" }))),
        ("an unknown algorithm", broken(json!({ "alg": "RS1" }))),
        ("a short modulus", broken(json!({ "n": URL_SAFE_NO_PAD.encode([0xFF; 128]) }))),
        ("an even modulus", broken(json!({ "n": URL_SAFE_NO_PAD.encode([0xFE; 256]) }))),
        ("an exponent of one", broken(json!({ "e": "AQ" }))),
        ("101 keys", set_of(&(0..101).map(named).collect::<Vec<_>>())),
        ("a long document", format!("{good}{}", " ".repeat(256 * 1024 + 1 - good.len()))),
        ("a cut document", good.split_at(good.len() - 1).0.to_owned()),
        ("trailing data", format!("{good}{good}")),
        ("deep nesting", format!("{}{}", "[".repeat(50_000), "]".repeat(50_000))),
    ]
    .map(|(what, body)| (what.to_owned(), Reply::document(body)))
    .into();
    for status in [201, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 410, 429, 500, 502, 503] {
        let status_code = http::StatusCode::from_u16(status).unwrap();
        let reply = Reply::Document(status_code, http::HeaderMap::new(), good.clone().into());
        let reply = reply.with("location", "/evil-jwks").with("etag", "\"1\"");
        answers.push((format!("status {status}"), reply));
    }
    answers.push(("no answer".to_owned(), Reply::Fails));
    answers
}

#[tokio::test]
async fn a_useless_answer_to_a_refresh_leaves_the_keys_as_they_are() {
    let world = World::new().await;
    for (what, reply) in useless_answers(&world) {
        let (logs, _listening) = listen();
        world.publish();
        let app = world.app();
        assert_eq!(app.status(&world.token()).await, 200);
        world.serve(reply);
        world.pass(HOUR);
        assert_eq!(app.status_at_once(&world.token()), Some(200), "{what}");
        settle().await;
        // An issuer that publishes secrets is another thing to warn of.
        let warnings = if what == "shared secrets" { 2 } else { 1 };
        assert_eq!(logs.count(Level::WARN), warnings, "{what}: {}", logs.text());
        assert_eq!(logs.count(Level::ERROR), 0, "{what}");
        assert_eq!(app.status_at_once(&world.token()), Some(200), "{what}");
        assert_eq!(app.status_at_once(&world.forged()), Some(401), "{what}");
        world.publish();
        world.pass(1);
        assert_eq!(app.status_at_once(&world.token()), Some(200), "{what}");
        settle().await;
        assert_eq!(logs.count(Level::WARN), warnings, "{what}: {}", logs.text());
    }
}

#[tokio::test]
async fn a_useless_answer_to_the_first_fetch_is_an_outage() {
    let world = World::new().await;
    for (what, reply) in useless_answers(&world) {
        let asked = world.script.count();
        let app = world.app();
        world.serve(reply);
        assert_eq!(app.status(&world.token()).await, 503, "{what}");
        assert_eq!(world.script.count(), asked + 1, "{what}: nothing else is fetched");
        world.publish();
        world.pass(1);
        assert_eq!(app.status(&world.token()).await, 200, "{what}");
    }
}

#[tokio::test]
async fn as_many_keys_and_bytes_as_allowed_are_read() {
    let world = World::new().await;
    let key = keys_of(&world).remove(0);
    let named = |id: usize| with(&key, json!({ "kid": format!("k{id}") }));
    let mut keys: Vec<_> = (0..99).map(named).collect();
    keys.push(key.clone());
    let document = set_of(&keys);
    assert!(document.len() < 256 * 1024);
    let padded = format!("{document}{}", " ".repeat(256 * 1024 - document.len()));
    for document in [document, padded] {
        world.serve(Reply::document(document));
        assert_eq!(world.app().status(&world.token()).await, 200);
    }
    assert!(world.script.asked().iter().all(|asked| asked.limits.max_body == 256 * 1024));
}

#[tokio::test]
async fn a_provider_that_asks_for_patience_gets_it() {
    for (value, wait) in [
        ("120", 120),
        ("1000000000000", 300),
        ("99999999999999999999999999999999999999", 300),
        ("-1", 1),
        ("0", 1),
        ("1.5", 1),
        ("soon", 1),
        ("", 1),
        ("Thu, 01 Jan 2026 00:01:30 GMT", 90),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1),
    ] {
        for status in [429, 503] {
            let world = World::new().await;
            let app = world.app();
            world.serve(Reply::status(status).with("retry-after", value));
            let answer = app.ask(&world.token()).await;
            assert_eq!(answer.status(), 503, "{value:?}");
            assert_eq!(answer.headers()[RETRY_AFTER], wait.min(120).to_string(), "{value:?}");
            world.publish();
            world.pass(wait - 1);
            assert_eq!(app.status_at_once(&world.token()), Some(503), "{value:?}");
            world.pass(1);
            assert_eq!(app.status(&world.token()).await, 200, "{value:?}");
            assert_eq!(world.script.count(), 2, "{value:?}");
        }
    }
}

#[tokio::test]
async fn patience_is_kept_in_the_background_and_in_discovery_too() {
    let (world, app) = warm().await;
    world.serve(Reply::status(429).with("retry-after", "120"));
    world.pass(HOUR);
    for (pass, count) in [(0, 2), (119, 2), (1, 3)] {
        world.pass(pass);
        assert_eq!(app.status_at_once(&world.token()), Some(200));
        settle().await;
        assert_eq!(world.script.count(), count);
    }
    let world = World::new().await;
    let metadata = format!("{}/.well-known/openid-configuration", world.issuer.issuer());
    world.script.set(&metadata, Reply::status(429).with("retry-after", "120"));
    let app = world.app_of(world.builder().build().unwrap());
    assert_eq!(app.ask(&world.token()).await.headers()[RETRY_AFTER], "120");
    world.pass(119);
    assert_eq!(app.status_at_once(&world.token()), Some(503));
    assert_eq!(world.script.urls(), [metadata]);
}

#[tokio::test]
async fn another_issuer_that_hangs_is_nobody_elses_problem() {
    let (world, other) = (World::new().await, World::new().await);
    other.script.hold();
    let app = world.app_of(other.verifier().or(world.verifier()));
    assert_eq!(app.status(&world.token()).await, 200);
    let waiting = tokio::spawn(app.ask(&other.token()));
    settle().await;
    for _ in 0..100 {
        assert_eq!(app.status_at_once(&world.token()), Some(200));
    }
    // The keys of one are no keys of the other, whatever they are called.
    let crossed = world.issuer.token().audience(AUDIENCE).claim("iss", other.issuer.issuer()).mint();
    let crossed = tokio::spawn(app.ask(&crossed));
    other.script.release();
    assert_eq!(waiting.await.unwrap().status(), 200);
    let _ = crossed.await.unwrap();
    assert_eq!((world.script.count(), other.script.count()), (1, 1));
}

// What a document may hold.

#[tokio::test]
async fn private_members_are_never_used_or_shown() {
    let (logs, _listening) = listen();
    let world = World::new().await;
    let secret = |name: &str| URL_SAFE_NO_PAD.encode(format!("S3cr3t-canary of {name}").repeat(4));
    let members = json!({
        "d": secret("d"), "p": secret("p"), "q": secret("q"), "dp": secret("dp"), "dq": secret("dq"),
        "qi": secret("qi"), "k": secret("k"),
    });
    let mut keys: Vec<_> = keys_of(&world).iter().map(|key| with(key, members.clone())).collect();
    keys.push(json!({ "kty": "oct", "kid": "shared", "k": secret("k") }));
    world.serve(Reply::document(set_of(&keys)));
    let verifier = world.verifier();
    let app = world.app_of(verifier.clone());
    assert_eq!(app.status(&world.token()).await, 200, "the public part is good");
    assert_eq!(logs.count(Level::WARN), 1, "{}", logs.text());
    let shared = world.issuer.token().algorithm(Algorithm::Hs256).header("kid", "shared").audience(AUDIENCE);
    assert_eq!(app.status_at_once(&shared.mint()), Some(401));
    let shown = format!("{} {verifier:?} {verifier:#?} {:?}", logs.text(), AuthLayer::new(verifier.clone()));
    for member in members.as_object().unwrap().values() {
        assert!(!shown.contains(&member.as_str().unwrap()[..12]), "{shown}");
    }
    assert!(!shown.contains("S3cr3t"), "{shown}");
}

#[tokio::test]
async fn a_key_id_means_one_key_of_a_kind() {
    let world = World::new().await;
    let keys = keys_of(&world);
    let same = |key: &Value| with(key, json!({ "kid": "same" }));
    let (rsa, p256, ed25519) = (same(&keys[0]), same(&keys[1]), same(&keys[3]));
    let token =
        |algorithm| world.issuer.token().algorithm(algorithm).header("kid", "same").audience(AUDIENCE).mint();
    let other_kinds = vec![rsa.clone(), p256.clone(), ed25519];
    world.serve(Reply::document(set_of(&other_kinds)));
    let app = world.app();
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa] {
        assert_eq!(app.status(&token(algorithm)).await, 200, "{algorithm}");
    }
    // The same id for two, or for very many, of which nobody can say which is meant.
    let signed = token(Algorithm::Rs256);
    world.issuer.rotate_keys();
    let other = same(&keys_of(&world)[0]);
    world.issuer.withdraw_old_keys();
    let named = |key: &Value| with(key, json!({ "alg": "RS256" }));
    let noted = |number: usize| with(&rsa, json!({ "note": number }));
    for same_kind in [
        vec![rsa.clone(), other.clone(), p256.clone()],
        vec![other.clone(), rsa.clone(), p256.clone()],
        vec![named(&rsa), named(&other), p256.clone()],
        vec![rsa.clone(), with(&rsa, json!({ "n": "AQ" })), p256.clone()],
        (0..64).map(noted).chain([p256.clone()]).collect(),
    ] {
        world.serve(Reply::document(set_of(&same_kind)));
        let app = world.app();
        assert_eq!(app.status(&signed).await, 401);
        world.pass(31);
        assert_eq!(app.status_at_once(&signed), Some(401), "no fetch would help");
    }
}

#[tokio::test]
async fn a_monstrous_key_is_skipped_and_the_others_serve() {
    let world = World::new().await;
    let keys = keys_of(&world);
    let b64 = |length: usize| URL_SAFE_NO_PAD.encode(vec![0xFF; length]);
    let large = |id: &str, n: usize, e: usize| json!({ "kty": "RSA", "kid": id, "n": b64(n), "e": b64(e) });
    let mut set = vec![large("n", 2_048, 3), large("e", 256, 512), large("both", 2_048, 512)];
    set.push(with(&keys[0], json!({ "kid": "e-of-64-bits", "e": b64(8) })));
    set.extend(keys);
    world.serve(Reply::document(set_of(&set)));
    let app = world.app();
    assert_eq!(app.status(&world.token()).await, 200);
    for id in ["n", "e", "both", "e-of-64-bits"] {
        let token = world.issuer.token().audience(AUDIENCE).header("kid", id).mint();
        assert_eq!(app.status_at_once(&token), Some(401), "{id}");
    }
}

#[tokio::test]
async fn ten_thousand_foreign_issuers_cost_nothing() {
    let world = World::new().await;
    let app = world.app();
    let now = 1_767_225_600;
    for number in 0..10_000 {
        let claims = json!({ "iss": format!("https://{number}.example"), "aud": AUDIENCE, "exp": now + 300 });
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = encode(json!({ "alg": "RS256", "kid": "rsa-1" }));
        let token = format!("{header}.{}.{}", encode(claims), URL_SAFE_NO_PAD.encode([1; 256]));
        assert_eq!(app.status_at_once(&token), Some(401));
    }
    assert_eq!(world.script.count(), 0);
}

// Discovery.

const TENANT: &str = "https://idp.example.com/tenant";
const PLACES: [&str; 3] = [
    "https://idp.example.com/tenant/.well-known/openid-configuration",
    "https://idp.example.com/.well-known/oauth-authorization-server/tenant",
    "https://idp.example.com/.well-known/openid-configuration/tenant",
];
const KEYS: &str = "https://idp.example.com/tenant/keys";

fn metadata(issuer: &str, jwks_uri: &str) -> Reply {
    Reply::document(json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string())
}

/// A world whose tokens are those of the tenant, and a service that discovers its keys.
async fn tenant() -> (World, App, String) {
    let world = World::new().await;
    world.script.set(KEYS, Reply::document(world.issuer.jwk_set()));
    let builder = JwtVerifier::builder(TENANT, AUDIENCE);
    let builder = builder.clock(world.clock.clone()).http_client(world.script.clone());
    let app = world.app_of(builder.build().unwrap());
    let token = world.issuer.token().claim("iss", TENANT).audience(AUDIENCE).mint();
    (world, app, token)
}

#[tokio::test]
async fn metadata_are_found_in_each_of_their_places() {
    for place in PLACES {
        for missing in [404, 400, 401, 403, 302, 500] {
            let (world, app, token) = tenant().await;
            for other in PLACES {
                world.script.set(other, Reply::status(missing));
            }
            world.script.set(place, metadata(TENANT, KEYS));
            assert_eq!(app.status(&token).await, 200, "{place}, {missing} elsewhere");
            let asked = world.script.urls();
            let expected = PLACES.iter().position(|own| *own == place).unwrap() + 2;
            assert_eq!(asked.len(), expected);
            assert_eq!(asked[..expected - 1], PLACES[..expected - 1]);
            assert_eq!(asked[expected - 1], KEYS);
        }
    }
}

#[tokio::test]
async fn the_issuer_at_the_root_of_a_host_has_two_places() {
    for issuer in ["https://idp.example.com", "https://idp.example.com/"] {
        let world = World::new().await;
        let builder = JwtVerifier::builder(issuer, AUDIENCE).clock(world.clock.clone());
        let app = world.app_of(builder.http_client(world.script.clone()).build().unwrap());
        let token = world.issuer.token().claim("iss", issuer).audience(AUDIENCE).mint();
        assert_eq!(app.status(&token).await, 503);
        let oauth = "https://idp.example.com/.well-known/oauth-authorization-server";
        assert_eq!(world.script.urls(), ["https://idp.example.com/.well-known/openid-configuration", oauth]);
        world.script.set(oauth, metadata(issuer, KEYS));
        world.script.set(KEYS, Reply::document(world.issuer.jwk_set()));
        world.pass(1);
        assert_eq!(app.status(&token).await, 200);
    }
}

/// Metadata that name no keys of the tenant.
fn foreign_metadata() -> Vec<(&'static str, Reply)> {
    let named = |members: Value| Reply::document(members.to_string());
    let twice = |first: &str, second: &str| {
        Reply::document(format!(r#"{{"issuer":"{first}","issuer":"{second}","jwks_uri":"{KEYS}"}}"#))
    };
    vec![
        ("another issuer", metadata("https://evil.example", KEYS)),
        ("a final slash", metadata(&format!("{TENANT}/"), KEYS)),
        ("another case", metadata("https://IDP.example.com/tenant", KEYS)),
        ("the issuer above", metadata("https://idp.example.com", KEYS)),
        ("no issuer", named(json!({ "jwks_uri": KEYS }))),
        ("an issuer that is no string", named(json!({ "issuer": [TENANT], "jwks_uri": KEYS }))),
        ("two issuers", twice("https://evil.example", TENANT)),
        ("two issuers, the other way", twice(TENANT, "https://evil.example")),
        ("no keys", named(json!({ "issuer": TENANT }))),
        ("keys that are no string", named(json!({ "issuer": TENANT, "jwks_uri": [KEYS] }))),
        ("keys over http elsewhere", metadata(TENANT, "http://keys.example.net/jwks")),
        ("keys over http on the same host", metadata(TENANT, "http://idp.example.com/jwks")),
        ("keys on loopback", metadata(TENANT, "http://127.0.0.1:8080/jwks")),
        ("keys in a file", metadata(TENANT, "file:///etc/passwd")),
        ("keys in the address", metadata(TENANT, "data:application/json,{}")),
        ("keys with a password", metadata(TENANT, "https://u:p@idp.example.com/tenant/keys")),
        ("keys at a relative address", metadata(TENANT, "/tenant/keys")),
        ("no address", metadata(TENANT, "")),
        ("HTML", Reply::document("<html>Sign in</html>")),
        ("an array", Reply::document(format!(r#"[{{"issuer":"{TENANT}","jwks_uri":"{KEYS}"}}]"#))),
        ("nothing", Reply::document("")),
    ]
}

#[tokio::test]
async fn foreign_metadata_are_never_used() {
    for (what, reply) in foreign_metadata() {
        let (world, app, token) = tenant().await;
        for place in PLACES {
            world.script.set(place, reply.clone());
        }
        for _ in 0..2 {
            assert_eq!(app.status(&token).await, 503, "{what}");
        }
        assert_eq!(world.script.urls(), PLACES, "{what}: nothing else is asked");
        world.script.set(PLACES[0], metadata(TENANT, KEYS));
        world.pass(1);
        assert_eq!(app.status(&token).await, 200, "{what}");
    }
}

#[tokio::test]
async fn behind_foreign_metadata_the_next_place_is_looked_at() {
    for (what, reply) in foreign_metadata() {
        let (world, app, token) = tenant().await;
        world.script.set(PLACES[0], reply);
        world.script.set(PLACES[1], metadata(TENANT, KEYS));
        assert_eq!(app.status(&token).await, 200, "{what}");
        assert_eq!(world.script.urls(), [PLACES[0], PLACES[1], KEYS], "{what}");
    }
}

#[tokio::test]
async fn metadata_that_are_too_long_are_no_metadata() {
    let (world, app, token) = tenant().await;
    let long = json!({ "issuer": TENANT, "jwks_uri": KEYS, "x": "x".repeat(1024 * 1024) });
    for place in PLACES {
        world.script.set(place, Reply::document(long.to_string()));
    }
    assert_eq!(app.status(&token).await, 503);
    assert!(!world.script.urls().contains(&KEYS.to_owned()));
}

#[tokio::test]
async fn a_host_that_is_unwell_is_not_asked_for_the_other_places() {
    for reply in [Reply::Fails, Reply::status(503), Reply::status(429)] {
        let (world, app, token) = tenant().await;
        world.script.set(PLACES[0], reply);
        world.script.set(PLACES[1], metadata(TENANT, KEYS));
        assert_eq!(app.status(&token).await, 503);
        assert_eq!(world.script.urls(), [PLACES[0]]);
    }
}

#[tokio::test]
async fn a_discovered_address_is_kept_while_it_works() {
    let (world, app, token) = tenant().await;
    world.script.set(PLACES[0], metadata(TENANT, KEYS));
    assert_eq!(app.status(&token).await, 200);
    let mint = || {
        let claims = world.issuer.token().claim("iss", TENANT).audience(AUDIENCE);
        claims.mint()
    };
    for count in [3, 4] {
        world.pass(HOUR);
        assert_eq!(app.status_at_once(&mint()), Some(200));
        settle().await;
        assert_eq!(world.script.count(), count, "only the keys");
    }
    // The keys move, and the metadata tell where.
    let moved = "https://keys.example.net/keys";
    world.script.set(KEYS, Reply::status(404));
    world.script.set(PLACES[0], metadata(TENANT, moved));
    world.script.set(moved, Reply::document(world.issuer.jwk_set()));
    for pass in [HOUR, 1] {
        world.pass(pass);
        assert_eq!(app.status_at_once(&mint()), Some(200));
        settle().await;
    }
    assert_eq!(world.script.urls()[4..], [KEYS, PLACES[0], moved]);
}

#[tokio::test]
async fn requests_to_the_provider_tell_nothing_of_the_token() {
    let (world, app, token) = tenant().await;
    world.script.set(PLACES[2], metadata(TENANT, KEYS));
    assert_eq!(app.status(&token).await, 200);
    let asked = world.script.asked();
    assert_eq!(asked.len(), 4);
    for request in asked {
        assert_eq!(request.method, "GET");
        assert!(request.body.is_empty());
        assert_eq!(request.headers.get_all(ACCEPT).iter().collect::<Vec<_>>(), ["application/json"]);
        let others = request.headers.keys().filter(|name| **name != ACCEPT && **name != USER_AGENT);
        assert_eq!(others.count(), 0, "{:?}", request.headers);
        assert!(PLACES.contains(&&*request.url) || request.url == KEYS);
    }
}

// Runtimes.

#[test]
fn a_verifier_needs_no_runtime() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    drop(runtime);
    let app = world.app();
    assert!(Handle::try_current().is_err());
    assert_eq!(park_on(app.status(&world.token())), 200);
    world.goes_down();
    world.pass(30);
    assert_eq!(park_on(app.status(&world.stranger())), 503);
    assert_eq!(park_on(app.status(&world.token())), 200);
    world.serve(Reply::Panics { early: false });
    world.pass(1);
    assert_eq!(park_on(app.status(&world.stranger())), 503);
    world.publish();
    world.pass(2);
    assert_eq!(park_on(app.status(&world.stranger())), 401);
    assert_eq!(world.script.count(), 4);
}

#[test]
fn a_runtime_without_a_timer_will_do() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    drop(runtime);
    let app = world.app();
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert_eq!(app.status(&world.token()).await, 200);
        world.pass(HOUR);
        assert_eq!(app.status_at_once(&world.token()), Some(200));
        settle().await;
        assert_eq!(world.script.count(), 2);
    });
}

#[test]
fn without_a_runtime_too_one_fetch_serves_all_who_wait() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    drop(runtime);
    let app = world.app();
    world.script.hold();
    thread::scope(|scope| {
        let ask = || scope.spawn(|| park_on(app.status(&world.token())));
        let first = ask();
        while world.script.count() == 0 {
            thread::yield_now();
        }
        let others = [ask(), ask(), ask()];
        assert_eq!(app.status_at_once(&world.token()), None);
        world.script.release();
        assert_eq!(first.join().unwrap(), 200);
        others.into_iter().for_each(|other| assert_eq!(other.join().unwrap(), 200));
    });
    assert_eq!(world.script.count(), 1);
}

#[test]
fn without_a_runtime_a_caller_who_leaves_ends_its_fetch_and_blocks_nobody() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    drop(runtime);
    let app = world.app();
    world.script.hold();
    assert_eq!(app.status_at_once(&world.token()), None);
    world.script.release();
    world.pass(1);
    assert_eq!(park_on(app.status(&world.token())), 200);
}

#[test]
fn a_runtime_that_ends_during_a_fetch_does_not_wedge_the_next() {
    let first = Builder::new_current_thread().enable_all().build().unwrap();
    let world = first.block_on(World::new());
    let app = world.app();
    world.script.hold();
    first.block_on(async {
        assert_eq!(app.status_at_once(&world.token()), None);
        settle().await;
        assert_eq!(world.script.count(), 1);
    });
    drop(first);
    world.script.release();
    let second = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    world.pass(1);
    assert_eq!(second.block_on(app.status(&world.token())), 200);
    // And so for a refresh in the background.
    world.script.hold();
    world.pass(HOUR);
    second.block_on(async { assert_eq!(app.status_at_once(&world.token()), Some(200)) });
    drop(second);
    world.script.release();
    let third = Builder::new_current_thread().enable_all().build().unwrap();
    world.pass(60);
    third.block_on(async {
        assert_eq!(app.status_at_once(&world.token()), Some(200));
        settle().await;
        world.pass(60);
        assert_eq!(app.status_at_once(&world.token()), Some(200));
        let asked = world.script.count();
        assert_eq!(app.status(&world.stranger()).await, 401);
        assert_eq!(world.script.count(), asked + 1);
    });
}

#[tokio::test(start_paused = true)]
async fn a_thousand_layers_leave_nothing_behind() {
    let world = World::new().await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    let token = world.token();
    for _ in 0..1_000 {
        assert_eq!(world.app().status(&token).await, 200);
    }
    // With a fetch under way each.
    world.script.hold();
    for _ in 0..100 {
        assert_eq!(world.app().status_at_once(&token), None);
    }
    settle().await;
    tokio::time::advance(secs(6)).await;
    settle().await;
    assert_eq!(world.script.owners(), 1);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
}

// Time.

#[tokio::test]
async fn a_token_ends_at_the_second_that_it_says() {
    let world = World::new().await;
    let now = 1_767_225_600;
    for (leeway, claim, value, expected) in [
        (0, "exp", json!(now + 1), 200),
        (0, "exp", json!(now), 401),
        (0, "exp", json!(now - 1), 401),
        (0, "exp", json!(f64::from(now) + 0.5), 200),
        (60, "exp", json!(now - 59), 200),
        (60, "exp", json!(now - 60), 401),
        (60, "exp", json!(f64::from(now) - 59.5), 200),
        (300, "exp", json!(now - 299), 200),
        (300, "exp", json!(now - 300), 401),
        (0, "nbf", json!(now), 200),
        (0, "nbf", json!(now + 1), 401),
        (60, "nbf", json!(now + 60), 200),
        (60, "nbf", json!(now + 61), 401),
        (0, "iat", json!(now), 200),
        (0, "iat", json!(now + 1), 401),
        (60, "iat", json!(now + 60), 200),
        (60, "iat", json!(now + 61), 401),
        (0, "exp", json!(0), 401),
        (0, "exp", json!(-1), 401),
        (0, "exp", json!(2_147_483_648_u64), 200),
        (0, "exp", json!(4_294_967_296_u64), 200),
        (0, "exp", json!(253_402_300_799_u64), 200),
        (0, "exp", json!(253_402_300_800_u64), 401),
        (0, "exp", json!(18_446_744_073_709_551_615_u64), 401),
        (0, "exp", json!(1e308), 401),
        (0, "exp", json!("1767229200"), 401),
    ] {
        let keys = |builder: JwtVerifierBuilder| builder.jwk_set(world.issuer.jwk_set());
        let verifier = keys(world.builder()).leeway(secs(leeway)).build().unwrap();
        let token = world.issuer.token().audience(AUDIENCE).claim(claim, value.clone()).mint();
        let app = world.app_of(verifier);
        assert_eq!(app.status_at_once(&token), Some(expected), "{claim} {value}, leeway {leeway}");
    }
}

#[tokio::test]
async fn a_token_ends_while_the_service_runs() {
    let (world, app) = warm().await;
    let token = world.token();
    world.pass(359);
    assert_eq!(app.status_at_once(&token), Some(200));
    world.pass(1);
    assert_eq!(app.status_at_once(&token), Some(401));
}

#[tokio::test]
async fn a_wall_clock_before_its_time_refuses_and_does_not_panic() {
    let epoch = SystemTime::UNIX_EPOCH;
    for (warm_first, wall) in [
        (true, epoch - secs(365 * DAY)),
        (true, epoch - Duration::from_nanos(1)),
        (true, epoch),
        (true, epoch + secs(1)),
        (false, epoch - secs(365 * DAY)),
        (false, epoch),
    ] {
        let world = World::new().await;
        let app = world.app();
        let token = world.token();
        let timeless = world.issuer.token().audience(AUDIENCE).without_claim("iat").mint();
        if warm_first {
            assert_eq!(app.status(&token).await, 200);
        }
        world.clock.set_now(wall);
        assert_eq!(app.status(&token).await, 401, "{wall:?}");
        if wall < epoch {
            assert_eq!(app.status(&timeless).await, 401, "{wall:?}");
        }
        // Nor does a fetch at such a time.
        world.serve(Reply::status(503).with("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT"));
        world.pass(HOUR);
        let _ = app.status(&world.stranger_at(wall + secs(HOUR))).await;
        settle().await;
    }
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_unlocks_no_fetch() {
    let ten_years = secs(3_650 * DAY);
    let (world, app) = warm().await;
    let now = world.clock_at(0);
    for wall in [now + ten_years, now - ten_years, now] {
        world.clock.set_now(wall);
        assert_eq!(app.status_at_once(&world.stranger()), Some(401), "cool-down");
        assert_eq!(app.status_at_once(&world.token()), Some(200), "no refresh is due, nothing is too old");
    }
    settle().await;
    assert_eq!(world.script.count(), 1);
    world.goes_down();
    world.pass(30);
    assert_eq!(app.status(&world.stranger()).await, 503);
    for wall in [now + ten_years, now - ten_years] {
        world.clock.set_now(wall);
        assert_eq!(app.status_at_once(&world.stranger()), Some(503), "back-off");
    }
    assert_eq!(world.script.count(), 2);
}

/// How often the clocks are read for a decision that needs no waiting.
async fn readings(token: impl Fn(&World) -> String, expected: u16) -> (usize, usize) {
    let world = World::new().await;
    let clock = CountingClock::new(world.clock.clone());
    let builder = world.builder().remote_jwks(world.remote()).clock(clock.clone());
    let app = App::new(builder.build().unwrap(), clock.clone());
    assert_eq!(app.status(&world.token()).await, 200);
    let token = token(&world);
    clock.take_readings();
    assert_eq!(app.status_at_once(&token), Some(expected));
    clock.take_readings()
}

#[tokio::test]
async fn a_decision_without_waiting_reads_each_clock_once() {
    let token = |world: &World| world.issuer.token().audience(AUDIENCE);
    let (wall, monotonic) = readings(|world| world.token(), 200).await;
    assert!(wall == 1 && monotonic <= 1, "a good token: {wall} and {monotonic}");
    let (wall, monotonic) = readings(World::forged, 401).await;
    assert!(wall == 1 && monotonic <= 1, "a forged one: {wall} and {monotonic}");
    let (wall, monotonic) = readings(|world| token(world).expired_since(secs(100)).mint(), 401).await;
    assert_eq!((wall, monotonic), (1, 0), "an expired one");
    let (wall, monotonic) = readings(|_| "malformed".to_owned(), 401).await;
    assert_eq!((wall, monotonic), (1, 0), "a malformed one");
}

#[tokio::test]
async fn the_refusal_of_an_unknown_key_reads_each_clock_once_too() {
    let (wall, monotonic) = readings(World::stranger, 401).await;
    assert!(wall == 1 && monotonic <= 1, "{wall} and {monotonic}");
}

#[tokio::test]
async fn with_configured_keys_the_wall_clock_alone_is_read() {
    let world = World::new().await;
    let clock = CountingClock::new(world.clock.clone());
    let builder = JwtVerifier::builder(world.issuer.issuer(), AUDIENCE).jwk_set(world.issuer.jwk_set());
    let app = App::new(builder.clock(clock.clone()).build().unwrap(), clock.clone());
    clock.take_readings();
    assert_eq!(app.status_at_once(&world.token()), Some(200));
    assert_eq!(clock.take_readings(), (1, 0));
}

#[tokio::test]
async fn an_absurd_age_is_found_by_build() {
    let world = World::new().await;
    for remote in [
        world.remote().cooldown(Duration::MAX),
        world.remote().max_age(Duration::MAX),
        world.remote().max_stale(Duration::MAX),
        world.remote().timeout(Duration::MAX),
        RemoteJwks::discovered().max_age(secs(u64::MAX)).max_stale(secs(u64::MAX)),
    ] {
        assert!(world.builder().remote_jwks(remote).build().is_err());
    }
    assert!(world.builder().leeway(Duration::MAX).build().is_err());
    assert!(world.builder().leeway(secs(u64::MAX)).build().is_err());
    assert!(world.builder().max_token_age(Duration::MAX).build().is_err());
    let layer = AuthLayer::builder(world.verifier()).timeout(Duration::MAX);
    assert!(layer.build().is_err());
}

#[tokio::test]
async fn a_client_can_be_shared() {
    let world = World::new().await;
    let client: Arc<Script> = Arc::new(world.script.clone());
    let builder = JwtVerifier::builder(world.issuer.issuer(), AUDIENCE).clock(world.clock.clone());
    let app = world.app_of(builder.jwks_uri(world.issuer.jwks_uri()).http_client(client).build().unwrap());
    assert_eq!(app.status(&world.token()).await, 200);
}

#[tokio::test]
async fn a_document_of_keys_with_one_name_does_not_take_the_place_of_good_keys() {
    let world = World::new().await;
    let (app, token) = (world.app(), world.token());
    assert_eq!(app.status(&token).await, 200);
    let twice: Vec<Value> =
        keys_of(&world).iter().flat_map(|key| [key.clone(), with(key, json!({ "note": 1 }))]).collect();
    world.serve(Reply::document(set_of(&twice)));
    world.pass(3_601);
    let token = world.token();
    assert_eq!(app.status(&token).await, 200);
    settle().await;
    assert_eq!(world.script.count(), 2, "the document was fetched");
    assert_eq!(app.status(&token).await, 200, "and is of no use");
    world.publish();
    world.pass(2);
    assert_eq!(app.status(&token).await, 200);
    settle().await;
    assert_eq!(world.script.count(), 3, "after the back-off it is tried again");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_known_serves_while_the_metadata_hang() {
    let (world, app, token) = tenant().await;
    world.script.set(PLACES[0], metadata(TENANT, KEYS));
    assert_eq!(app.status(&token).await, 200);
    // A fetch from the known address fails, which makes it doubtful.
    world.script.set(KEYS, Reply::Fails);
    world.pass(60);
    let stranger = world.issuer.token().claim("iss", TENANT).audience(AUDIENCE).header("kid", "other").mint();
    assert_eq!(app.status(&stranger).await, 503);
    for place in PLACES {
        world.script.set(place, Reply::Hangs);
    }
    world.issuer.rotate_keys();
    world.script.set(KEYS, Reply::document(world.issuer.jwk_set()));
    world.pass(2);
    let rotated = world.issuer.token().claim("iss", TENANT).audience(AUDIENCE).mint();
    assert_eq!(app.status(&rotated).await, 200);
}

#[test]
fn a_fetch_in_a_runtime_that_stands_still_is_given_up() {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (still, other) = (runtime(), runtime());
    let world = still.block_on(World::new());
    let (app, token) = (world.app(), world.token());
    world.script.hold();
    let left = still.block_on(async { tokio::time::timeout(Duration::ZERO, app.ask(&token)).await });
    assert!(left.is_err(), "the caller leaves, and its runtime is driven no further");
    world.script.release();
    world.pass(7);
    assert_eq!(other.block_on(app.status(&token)), 200);
    // Late, the first fetch ends too, and changes nothing.
    still.block_on(settle());
    assert_eq!(other.block_on(app.status(&world.token())), 200);
}
