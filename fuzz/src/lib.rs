//! What the fuzz targets ask, and the oracles that answer it without the crate.
//!
//! One module for each target, with a function `check` that panics where the crate does something else than it should.
//! Beside them stand what several need: a strict reader of JSON, one of base64url, one of challenges, the rules for
//! claims. None of these shares code with the crate.

use std::sync::Once;
use std::time::Duration;

use cpu_time::ThreadTime;

pub mod authorization_header;
pub mod challenge_round_trip;
pub mod claims;
pub mod github_answer;
pub mod introspection_answer;
pub mod jose_header;
pub mod jwks;
pub mod jws_compact;

pub mod answers;
pub mod base64url;
pub mod challenge;
pub mod jose;
pub mod json;
pub mod keys;
pub mod lab;
pub mod logs;
pub mod rules;
pub mod service;

/// The longest time that an input may take, however long it is. Instrumented code is several times slower than other.
const LONGEST: Duration = Duration::from_millis(100);
/// The most memory that an input may take at a time, that of the oracle included.
const MOST_MEMORY: u64 = 8 * 1024 * 1024;

/// Runs one input through a target, and sees to it that it takes neither long nor much memory.
pub fn run(check: fn(&[u8]), input: &[u8]) {
    static WARM: Once = Once::new();
    // What is set up once is not counted.
    WARM.call_once(|| check(input));
    // Of this thread alone: whatever else the machine does is not counted either.
    let start = ThreadTime::now();
    let memory = allocation_counter::measure(|| check(input));
    let took = start.elapsed();
    assert!(took < LONGEST, "an input of {} bytes took {took:?}", input.len());
    assert!(memory.bytes_max < MOST_MEMORY, "an input of {} bytes took {memory:?}", input.len());
}
