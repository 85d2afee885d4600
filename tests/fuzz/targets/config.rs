//! Looks for inputs that break `larder_fuzz::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| larder_fuzz::config::check(data));
