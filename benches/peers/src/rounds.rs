//! Candidates take turns in short rounds, so that a busy machine disturbs all of them alike.

use std::time::Duration;

/// What a candidate does in one of its turns, about.
const TURN: Duration = Duration::from_micros(400);
const CALLS: std::ops::RangeInclusive<usize> = 4..=256;

/// Something to measure: how long so many calls take.
pub(crate) type Candidate<'a> = Box<dyn Fn(usize) -> Duration + 'a>;

/// Nanoseconds a call, a sample for each round.
pub(crate) type Samples = Vec<f64>;

/// Samples in the order of the candidates. Every second round goes through them backwards.
pub(crate) fn measure(candidates: &[Candidate<'_>], rounds: usize) -> Vec<Samples> {
    let calls: Vec<usize> = candidates.iter().map(|run| calls(run)).collect();
    let mut samples = vec![Vec::with_capacity(rounds); candidates.len()];
    for round in 0..rounds {
        let mut turn = |index: usize| {
            let took = candidates[index](calls[index]);
            samples[index].push(took.as_secs_f64() * 1e9 / calls[index] as f64);
        };
        match round % 2 {
            0 => (0..candidates.len()).for_each(&mut turn),
            _ => (0..candidates.len()).rev().for_each(&mut turn),
        }
    }
    samples
}

fn calls(run: &Candidate<'_>) -> usize {
    run(16);
    let one = run(16) / 16;
    let calls = TURN.as_nanos() / one.as_nanos().max(1);
    usize::try_from(calls).unwrap().clamp(*CALLS.start(), *CALLS.end())
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median of what one took of the other's time, round by round.
pub(crate) fn ratio(of: &[f64], to: &[f64]) -> f64 {
    median(&of.iter().zip(to).map(|(of, to)| of / to).collect::<Vec<_>>())
}
