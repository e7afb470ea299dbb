//! Candidates take turns in short rounds, so that a busy machine disturbs all of them alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 300;
const ROUND: Duration = Duration::from_micros(400);
/// Looks at the clock only now and then: what is measured may be shorter than the look.
const BATCH: u32 = 16;

/// Something to measure. It says whether it did what it should.
pub(crate) type Candidate<'a> = (String, Box<dyn Fn() -> bool + 'a>);

/// Medians in nanoseconds, in the order of the candidates.
pub(crate) fn measure(candidates: &[Candidate<'_>]) -> Vec<f64> {
    let mut samples = vec![Vec::with_capacity(ROUNDS); candidates.len()];
    for _ in 0..ROUNDS {
        for ((_, run), samples) in candidates.iter().zip(&mut samples) {
            let (mut runs, started) = (0_u32, Instant::now());
            while started.elapsed() < ROUND {
                for _ in 0..BATCH {
                    assert!(black_box(run()));
                }
                runs += BATCH;
            }
            samples.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(runs));
        }
    }
    let median = |mut samples: Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
    };
    samples.into_iter().map(median).collect()
}
