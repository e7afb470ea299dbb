//! tower-bearer beside other crates, in one binary and one run. Prints Markdown.
//!
//!     cargo run --release --manifest-path benches/peers/Cargo.toml -- [time] [burst] [verdicts] [ROUNDS] [pure-rust]
//!
//! Without a part, all of them. `pure-rust` gives those who share `jsonwebtoken` its pure-Rust back end, which two of
//! them have by default.
#![allow(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

mod allocations;
mod app;
mod burst;
mod claims;
mod loopback;
mod markdown;
mod material;
mod peers;
mod rounds;
mod time;
mod vectors;
mod verdicts;
mod versions;

const ROUNDS: usize = 150;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |word: &str| arguments.iter().any(|argument| argument == word);
    let parts = ["time", "burst", "verdicts"];
    let is_wanted = |part: &str| is_asked(part) || !parts.iter().any(|part| is_asked(part));
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(ROUNDS);
    // Two back ends are compiled in: without one that is installed, each verification would panic.
    let installed = match is_asked("pure-rust") {
        true => (
            jsonwebtoken10::crypto::rust_crypto::DEFAULT_PROVIDER.install_default().is_ok(),
            jsonwebtoken11::crypto::rust_crypto::DEFAULT_PROVIDER.install_default().is_ok(),
        ),
        false => (
            jsonwebtoken10::crypto::aws_lc::DEFAULT_PROVIDER.install_default().is_ok(),
            jsonwebtoken11::crypto::aws_lc::DEFAULT_PROVIDER.install_default().is_ok(),
        ),
    };
    assert_eq!(installed, (true, true));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("{}", versions::text());
    if is_wanted("time") {
        println!("{}", time::run(&runtime, rounds));
    }
    if is_wanted("burst") {
        println!("{}", runtime.block_on(burst::run()));
    }
    if is_wanted("verdicts") {
        let (text, wrong) = runtime.block_on(verdicts::run());
        println!("{text}");
        assert_eq!(wrong, 0, "wrong verdicts of this crate");
    }
}
