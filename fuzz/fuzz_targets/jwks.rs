#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_bearer_fuzz::run(tower_bearer_fuzz::jwks::check, input));
