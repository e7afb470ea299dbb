//! Random schedules of tasks, through what the crate offers to everybody.
//!
//! `SHUTTLE_SCHEDULES` says how many there are of each model, half of them uniformly random and half with few, well-chosen
//! preemptions. In each schedule chance also decides who goes away when, what the verifier does, and which limits run out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use tokio::task::{JoinHandle, spawn};
use tower_bearer_models::TokenVerifier;
use tower_bearer_models::cache::CacheLayerBuilder;
use tower_bearer_models::deadline::{self, Patience};

use self::common::keys::{COOLDOWN, Keys, knows_the_key, token};
use self::common::{Answer, Invalidation, Scene, TIME_TO_LIVE, World, give_up_after, wait};

mod common;

/// So many schedules of each model, unless there are to be others.
const SCHEDULES: usize = 100_000;
/// So many preemptions make most faults visible.
const DEPTH: usize = 4;

/// Runs schedules of a model, which returns its world when nothing is left in it that is of interest.
fn model<F: Future<Output = Arc<World>>>(name: &str, run: impl Fn() -> F + Send + Sync + 'static) {
    let schedules = std::env::var("SHUTTLE_SCHEDULES").ok();
    let schedules = schedules.map_or(SCHEDULES, |number| number.parse().expect("a number"));
    let began = Instant::now();
    let run = Arc::new(move || {
        block_on(async {
            let world = run().await;
            // The last task of the cache lets go of it. If one never did, the checker would run out of steps and say so.
            while Arc::strong_count(&world) > 1 {
                yield_now().await;
            }
            world.is_over();
        });
    });
    let random = Arc::clone(&run);
    let mut config = Config::new();
    // That it knows no weak memory: loom does.
    config.silence_warnings = true;
    Runner::new(RandomScheduler::new(schedules.div_ceil(2)), config.clone()).run(move || random());
    Runner::new(PctScheduler::new(DEPTH, schedules.div_ceil(2)), config).run(move || run());
    println!("{name}: {schedules} schedules in {:.1} s", began.elapsed().as_secs_f64());
}

/// A number below another, by chance.
fn below(end: u32) -> u32 {
    thread_rng().gen_range(0..end)
}

/// A caller that may go away: after some polls, or because its task is aborted.
fn caller(scene: &Scene, token: &'static str, may_leave: bool) -> JoinHandle<bool> {
    let scene = scene.clone();
    let asked = move |scene: Scene| async move {
        wait(below(3)).await;
        scene.ask(token).await.is_ok()
    };
    match if may_leave { below(4) } else { 3 } {
        0 => spawn(async move { give_up_after(below(6), asked(scene)).await.unwrap_or_default() }),
        1 => {
            let task = spawn(asked(scene));
            let abort = task.abort_handle();
            spawn(async move {
                wait(below(6)).await;
                abort.abort();
                task.await.unwrap_or_default()
            })
        }
        _ => spawn(asked(scene)),
    }
}

/// Waits for all of them, and until no flight is left in the table. Returns how many said yes.
async fn over(scene: &Scene, tasks: impl IntoIterator<Item = JoinHandle<bool>>) -> usize {
    let mut good = 0;
    for task in tasks {
        good += usize::from(task.await.expect("nobody aborts it"));
    }
    // What nobody waits for lands in a task of its own.
    while scene.handle.stats().in_flight() > 0 {
        yield_now().await;
    }
    good
}

fn defaults(builder: CacheLayerBuilder) -> CacheLayerBuilder {
    builder
}

fn some_waits() -> Option<u32> {
    Some(below(3))
}

/// What a verifier does on a bad day.
fn anything(_: u64) -> Answer {
    match below(8) {
        0 => Answer::Panic,
        1 => Answer::Unavailable,
        _ => Answer::True,
    }
}

fn invalidation() -> Invalidation {
    [Invalidation::Token, Invalidation::Principal, Invalidation::All][below(3) as usize]
}

fn webhook(scene: &Scene, token: &'static str) -> JoinHandle<bool> {
    let scene = scene.clone();
    spawn(async move {
        wait(below(4)).await;
        scene.change(invalidation(), token);
        // Who asks after this is told nothing older.
        scene.ask(token).await.is_ok()
    })
}

#[test]
fn whoever_goes_away_the_others_share_one_answer() {
    model("callers leave", || async {
        deadline::be(Patience::Endless);
        let scene = Scene::new(some_waits, |_| Answer::Good, defaults);
        let leaving: Vec<_> = (0..3).map(|_| caller(&scene, "a", true)).collect();
        let staying: Vec<_> = (0..2).map(|_| caller(&scene, "a", false)).collect();
        assert_eq!(over(&scene, staying).await, 2);
        over(&scene, leaving).await;
        assert_eq!(scene.world.calls(), 1);
        scene.world
    });
}

#[test]
fn panics_outages_and_time_limits_leave_nobody_waiting() {
    model("faults", || async {
        deadline::be(Patience::Mixed);
        let scene = Scene::new(some_waits, anything, defaults);
        let callers: Vec<_> = (0..5).map(|number| caller(&scene, "a", number > 1)).collect();
        over(&scene, callers).await;
        scene.world
    });
}

#[test]
fn a_verifier_that_never_answers_is_given_up() {
    fn hangs(_: u64) -> Answer {
        if below(2) == 0 { Answer::Never } else { Answer::True }
    }
    model("hangs", || async {
        deadline::be(Patience::Limited);
        let scene = Scene::new(some_waits, hangs, defaults);
        let callers: Vec<_> = (0..4).map(|number| caller(&scene, "a", number > 1)).collect();
        over(&scene, callers).await;
        scene.world
    });
}

#[test]
fn nothing_older_than_an_invalidation_is_given_after_it_returned() {
    model("invalidations", || async {
        deadline::be(Patience::Endless);
        let scene = Scene::new(some_waits, |_| Answer::True, defaults);
        let mut tasks: Vec<_> = (0..4).map(|number| caller(&scene, "a", number > 1)).collect();
        tasks.extend((0..2).map(|_| webhook(&scene, "a")));
        over(&scene, tasks).await;
        let _ = scene.ask("a").await;
        scene.world
    });
}

#[test]
fn whoever_waited_is_not_given_what_was_invalidated_meanwhile() {
    model("received", || async {
        deadline::be(Patience::Endless);
        let scene = Scene::new(|| Some(0), |_| Answer::Good, defaults);
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let scene = scene.clone();
                spawn(async move {
                    let verdict = scene.verify("a").await;
                    scene.world.is_outdated("a", &verdict)
                })
            })
            .collect();
        let webhook = scene.clone();
        let webhook = spawn(async move {
            wait(below(12)).await;
            webhook.change(invalidation(), "a");
            false
        });
        let outdated = over(&scene, callers.into_iter().chain([webhook])).await;
        // What is remembered is looked up in one step, and given in another: something may come between.
        assert!(outdated == 0 || scene.handle.stats().hits() > 0, "given to those who waited for it");
        scene.world
    });
}

#[test]
fn nothing_older_is_given_by_a_verifier_that_sometimes_answers_at_once() {
    fn now_and_then() -> Option<u32> {
        below(3).checked_sub(1)
    }
    model("at once", || async {
        deadline::be(Patience::Endless);
        let scene = Scene::new(now_and_then, |_| Answer::True, defaults);
        let mut tasks: Vec<_> = (0..4).map(|_| caller(&scene, "a", false)).collect();
        tasks.extend((0..2).map(|_| webhook(&scene, "a")));
        over(&scene, tasks).await;
        scene.world
    });
}

#[test]
fn an_entry_that_is_refreshed_serves_until_it_is_invalidated_or_over() {
    model("refresh ahead", || async {
        deadline::be(Patience::Mixed);
        let scene = Scene::new(some_waits, anything, |builder| builder.refresh_ahead(20));
        let _ = scene.ask("a").await;
        scene.world.advance(85);
        let mut tasks: Vec<_> = (0..3).map(|number| caller(&scene, "a", number > 1)).collect();
        if below(2) == 0 {
            tasks.push(webhook(&scene, "a"));
        }
        let later = scene.clone();
        tasks.push(spawn(async move {
            wait(below(4)).await;
            later.world.advance(20);
            later.ask("a").await.is_ok()
        }));
        over(&scene, tasks).await;
        scene.world
    });
}

#[test]
fn what_is_over_and_what_has_no_room_is_not_given() {
    model("room and time", || async {
        deadline::be(Patience::Endless);
        let scene = Scene::new(some_waits, |_| Answer::Good, |builder| builder.max_entries(2));
        scene.world.expire_after(Duration::from_secs(50));
        let mut tasks: Vec<_> = ["a", "b", "c", "a"].map(|token| caller(&scene, token, false)).into();
        let later = scene.clone();
        tasks.push(spawn(async move {
            for _ in 0..2 {
                wait(below(4)).await;
                later.world.advance(TIME_TO_LIVE.as_secs() / 2 + 10);
                assert!(later.handle.stats().entries() <= 2);
            }
            true
        }));
        tasks.extend(["a", "b"].map(|token| caller(&scene, token, true)));
        over(&scene, tasks).await;
        assert!(scene.handle.stats().entries() <= 2);
        scene.world
    });
}

#[test]
fn one_place_for_several_tokens_is_passed_on() {
    model("one place", || async {
        deadline::be(Patience::Endless);
        let scene = Scene::new(some_waits, |_| Answer::Good, |builder| builder.max_upstream_calls(1));
        let leaving: Vec<_> = ["a", "b", "c"].map(|token| caller(&scene, token, true)).into();
        let staying: Vec<_> = ["b", "c", "a"].map(|token| caller(&scene, token, false)).into();
        assert_eq!(over(&scene, staying).await, 3);
        over(&scene, leaving).await;
        assert_eq!((scene.world.calls(), scene.world.most()), (3, 1));
        scene.world
    });
}

#[test]
fn one_place_and_one_turn_leave_nobody_waiting_on_a_bad_day() {
    model("everything", || async {
        deadline::be(Patience::Mixed);
        let scene = Scene::new(some_waits, anything, |builder| {
            builder.max_upstream_calls(1).max_waiting(1).refresh_ahead(20)
        });
        if below(2) == 0 {
            // Due for a refresh, which takes no place from those who wait.
            let _ = scene.ask("a").await;
            scene.world.advance(85);
        }
        let mut tasks: Vec<_> =
            ["a", "b", "a", "c", "b"].map(|token| caller(&scene, token, below(2) == 0)).into();
        tasks.push(webhook(&scene, "a"));
        if below(2) == 0 {
            tasks.push(webhook(&scene, "b"));
        }
        over(&scene, tasks).await;
        assert!(scene.world.most() <= 1, "more calls than places");
        scene.world
    });
}

#[test]
fn unknown_keys_cause_one_fetch_whoever_goes_away() {
    model("keys", || async {
        deadline::be(Patience::Endless);
        let keys = Keys::new(&[&["both", "old"], &["both", "new"]], || below(3));
        assert!(knows_the_key(&keys.verifier.verify(&token("old")).await));
        keys.world.advance(COOLDOWN);
        let tasks = ["x", "y", "new", "both"].map(|kid| {
            let keys = keys.clone();
            let stays = kid == "new" || kid == "both" || below(2) == 0;
            spawn(async move {
                wait(below(3)).await;
                let token = token(kid);
                let polls = if stays { u32::MAX } else { below(4) };
                let verdict = give_up_after(polls, keys.verifier.verify(&token)).await;
                let known = verdict.map(|verdict| knows_the_key(&verdict));
                assert!(known.is_none_or(|known| known == (kid == "new" || kid == "both")));
            })
        });
        for task in tasks {
            task.await.expect("nobody aborts it");
        }
        assert_eq!(keys.issuer.fetches(), 2);
        keys.world
    });
}
