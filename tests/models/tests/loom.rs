//! Every schedule of a few callers, as far as it needs no more than three preemptions.
//!
//! loom has no runtime, so the one who opens a flight does the work in its own future, and takes the flight with it when
//! it goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

use loom::future::block_on;
use loom::thread::{self, JoinHandle};
use tower_bearer_models::TokenVerifier;

use self::common::keys::{COOLDOWN, Keys, knows_the_key, static_keys, token};
use self::common::{Answer, Invalidation, Scene, give_up_after};

mod common;

/// Tries every schedule, and says how many there were.
fn model(name: &str, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    let schedules = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&schedules);
    let began = Instant::now();
    builder.check(move || {
        counted.fetch_add(1, SeqCst);
        run();
    });
    println!("{name}: {} schedules in {:.1} s", schedules.load(SeqCst), began.elapsed().as_secs_f64());
}

/// A caller on a thread of its own.
fn caller<T: 'static>(scene: &Scene, work: impl AsyncFnOnce(Scene) -> T + Send + 'static) -> JoinHandle<T> {
    let scene = scene.clone();
    thread::spawn(move || block_on(work(scene)))
}

fn once(_: u64) -> Answer {
    Answer::Good
}

#[test]
fn l1_callers_of_one_token_share_one_call_and_its_answer() {
    model("L1", || {
        let scene = Scene::new(|| Some(0), once, |builder| builder);
        let verify = async |scene: Scene| scene.verify("a").await;
        let others = [caller(&scene, verify), caller(&scene, verify)];
        let own = block_on(scene.verify("a")).unwrap();
        for other in others {
            assert_eq!(other.join().unwrap().unwrap().client(), own.client());
        }
        assert_eq!(scene.world.calls(), 1);
        scene.is_over();
    });
}

#[test]
fn l2_whoever_goes_away_the_others_are_answered() {
    for polls in 1..=2 {
        model(&format!("L2, gone after {polls} polls"), move || {
            let scene = Scene::new(|| Some(1), once, |builder| builder);
            // Leader or waiter, as the schedule will have it.
            let gone =
                caller(&scene, async move |scene: Scene| give_up_after(polls, scene.verify("a")).await);
            let stays = caller(&scene, async |scene: Scene| scene.verify("a").await);
            block_on(scene.verify("a")).unwrap();
            stays.join().unwrap().unwrap();
            gone.join().unwrap();
            scene.is_over();
        });
    }
}

#[test]
fn l3_a_panic_is_told_to_all_who_wait_and_the_next_call_verifies() {
    fn first_panics(call: u64) -> Answer {
        if call == 1 { Answer::Panic } else { Answer::Good }
    }
    model("L3", || {
        let scene = Scene::new(|| Some(0), first_panics, |builder| builder);
        let verify = async |scene: Scene| scene.verify("a").await;
        let others = [caller(&scene, verify), caller(&scene, verify)];
        let mut verdicts = vec![block_on(scene.verify("a"))];
        verdicts.extend(others.into_iter().map(|other| other.join().unwrap()));
        let told: Vec<_> = verdicts.iter().filter_map(|verdict| verdict.as_ref().err()).collect();
        assert!(!told.is_empty() && told.iter().all(|error| error.is_misconfigured()));
        // All were told, or some came when it was over.
        assert_eq!(scene.world.calls(), if told.len() == verdicts.len() { 1 } else { 2 });
        scene.is_over();
        block_on(scene.verify("a")).unwrap();
    });
}

const INVALIDATIONS: [Invalidation; 3] = [Invalidation::Token, Invalidation::Principal, Invalidation::All];

#[test]
fn l4_nothing_older_than_an_invalidation_is_given_after_it_returned() {
    for how in INVALIDATIONS {
        model(&format!("L4, in flight, {how:?}"), move || {
            let scene = Scene::new(|| Some(1), |_| Answer::True, |builder| builder);
            let other = caller(&scene, async |scene: Scene| scene.ask("a").await);
            scene.change(how, "a");
            // Each verdict is judged by what had returned when it was asked for.
            let _ = block_on(scene.ask("a"));
            let _ = other.join().unwrap();
            let _ = block_on(scene.ask("a"));
            scene.is_over();
        });
    }
}

#[test]
fn l4_nothing_older_is_given_to_whoever_only_looks_on() {
    for how in INVALIDATIONS {
        model(&format!("L4, looked up, {how:?}"), move || {
            let scene = Scene::new(|| Some(0), |_| Answer::Good, |builder| builder);
            let other = caller(&scene, async |scene: Scene| scene.verify("a").await);
            let webhook = caller(&scene, async move |scene: Scene| scene.change(how, "a"));
            let _ = block_on(scene.ask("a"));
            other.join().unwrap().unwrap();
            webhook.join().unwrap();
            block_on(scene.ask("a")).unwrap();
            scene.is_over();
        });
    }
}

#[test]
fn l4_nothing_older_is_given_by_a_verifier_that_answers_at_once() {
    for how in INVALIDATIONS {
        model(&format!("L4, at once, {how:?}"), move || {
            let scene = Scene::new(|| None, |_| Answer::True, |builder| builder);
            let other = caller(&scene, async |scene: Scene| scene.ask("a").await);
            let webhook = caller(&scene, async move |scene: Scene| scene.change(how, "a"));
            let _ = block_on(scene.ask("a"));
            let _ = other.join().unwrap();
            webhook.join().unwrap();
            let _ = block_on(scene.ask("a"));
            scene.is_over();
        });
    }
}

/// What a verifier knows without waiting.
fn at_hand(keys: &Keys, kid: &str) -> Option<bool> {
    let now: SystemTime = keys.world.before("").wall();
    keys.verifier.verify_now(&token(kid), now).as_ref().map(knows_the_key)
}

#[test]
fn l5_a_reader_sees_the_old_keys_or_the_new_ones() {
    model("L5", || {
        let keys = Keys::new(&[&["both", "old"], &["both", "new"]], || 0);
        assert!(knows_the_key(&block_on(keys.verifier.verify(&token("old")))));
        keys.world.advance(COOLDOWN);
        let swap = keys.clone();
        let swap =
            thread::spawn(move || assert!(knows_the_key(&block_on(swap.verifier.verify(&token("new"))))));
        let reader = keys.clone();
        let reader = thread::spawn(move || assert_eq!(at_hand(&reader, "both"), Some(true)));
        let generation = keys.verifier.generation();
        let has_old = at_hand(&keys, "old") == Some(true);
        assert!(!has_old || generation == 0, "a withdrawn key in the new generation");
        let has_new = at_hand(&keys, "new") == Some(true);
        assert!(!has_new || keys.verifier.generation() == 1, "new keys in the old generation");
        assert!(has_old || has_new, "neither the old keys nor the new ones");
        swap.join().unwrap();
        reader.join().unwrap();
        assert_eq!(keys.issuer.fetches(), 2);
    });
}

#[test]
fn l5_keys_that_are_swapped_by_hand_are_the_old_ones_or_the_new_ones() {
    model("L5, by hand", || {
        let keys = Keys::configured(&["both", "old"]);
        let swap = keys.clone();
        let swap = thread::spawn(move || {
            swap.verifier.replace_keys(static_keys(&["both", "new"])).unwrap();
            assert_eq!((at_hand(&swap, "old"), at_hand(&swap, "new")), (Some(false), Some(true)));
        });
        let reader = keys.clone();
        let reader = thread::spawn(move || assert_eq!(at_hand(&reader, "both"), Some(true)));
        let generation = keys.verifier.generation();
        let has_old = at_hand(&keys, "old") == Some(true);
        assert!(!has_old || generation == 0, "a removed key in the new generation");
        let has_new = at_hand(&keys, "new") == Some(true);
        assert!(!has_new || keys.verifier.generation() == 1, "new keys in the old generation");
        assert!(has_old || has_new, "neither the old keys nor the new ones");
        swap.join().unwrap();
        reader.join().unwrap();
        assert_eq!(keys.issuer.fetches(), 0);
    });
}

/// Three tokens whose keys nobody knows: how many fetches do they cause together?
fn unknown_keys(keys: &Keys) {
    let ask = |kid: &'static str| {
        let keys = keys.clone();
        move || assert!(!knows_the_key(&block_on(keys.verifier.verify(&token(kid)))))
    };
    let others = [thread::spawn(ask("x")), thread::spawn(ask("y"))];
    ask("z")();
    others.into_iter().for_each(|other| other.join().unwrap());
}

#[test]
fn l6_unknown_keys_cause_one_fetch_after_the_cooldown() {
    model("L6, keys at hand", || {
        let keys = Keys::new(&[&["known"]], || 0);
        assert!(knows_the_key(&block_on(keys.verifier.verify(&token("known")))));
        keys.world.advance(COOLDOWN);
        unknown_keys(&keys);
        assert_eq!(keys.issuer.fetches(), 2);
    });
}

#[test]
fn l6_unknown_keys_cause_one_fetch_in_the_beginning() {
    model("L6, no keys yet", || {
        let keys = Keys::new(&[&["known"]], || 0);
        unknown_keys(&keys);
        assert_eq!(keys.issuer.fetches(), 1);
    });
}

#[test]
fn l7_the_bound_holds_and_what_is_over_is_not_given() {
    for waits in [|| None, || Some(0)] {
        model(&format!("L7, {}", if waits().is_some() { "in flight" } else { "at once" }), move || {
            let scene = Scene::new(waits, once, |builder| builder.max_entries(2));
            scene.world.expire_after(Duration::from_secs(50));
            block_on(scene.verify("a")).unwrap();
            let bounded = |scene: &Scene| assert!(scene.handle.stats().entries() <= 2);
            let clock = caller(&scene, async |scene: Scene| scene.world.advance(60));
            let other = caller(&scene, async move |scene: Scene| {
                for token in ["b", "c"] {
                    scene.verify(token).await.unwrap();
                    assert!(scene.handle.stats().entries() <= 2);
                }
            });
            block_on(scene.ask("a")).unwrap();
            bounded(&scene);
            clock.join().unwrap();
            other.join().unwrap();
            block_on(scene.ask("a")).unwrap();
            bounded(&scene);
            scene.is_over();
        });
    }
}
