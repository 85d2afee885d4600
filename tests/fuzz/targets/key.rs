//! Looks for inputs that break `larder_fuzz::key`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| larder_fuzz::key::check(data));
