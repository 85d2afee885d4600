//! Looks for inputs that break `larder_fuzz::queue`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| larder_fuzz::queue::check(data));
