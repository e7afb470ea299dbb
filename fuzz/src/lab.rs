//! What stands still while inputs change: the time, the parties, and futures that have nothing to wait for.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use tower_bearer::clock::Clock;

/// The time of the vectors, in seconds since 1970.
pub const NOW: u64 = 1_767_225_600;
/// The issuer of the vectors.
pub const ISSUER: &str = "https://issuer.example.com";
/// The audience of the vectors.
pub const AUDIENCE: &str = "https://api.example.com/mcp";

/// A wall clock that stands still. The other one makes a leap when it is told to: what a verifier remembers of an
/// answer that is as old as that has been forgotten.
#[derive(Clone, Copy, Debug)]
pub struct StandingClock;

static LEAPS: AtomicU64 = AtomicU64::new(0);

impl StandingClock {
    /// Moves the monotonic clock by a day.
    pub fn leap() {
        LEAPS.fetch_add(1, Ordering::Relaxed);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn instant(&self) -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        let leaps = LEAPS.load(Ordering::Relaxed);
        *START.get_or_init(Instant::now) + Duration::from_secs(24 * 60 * 60 * leaps)
    }
}

/// Runs a future that waits for nothing from outside.
pub fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future waits for something");
}

/// One of several, always the same for an input. To ask all of them each time would cost more than it finds.
pub fn one_of<'a, T>(all: &'a [T], input: &[u8]) -> &'a T {
    // FNV-1a.
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    &all[(hash >> 32) as usize % all.len()]
}
