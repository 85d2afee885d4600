//! Looks for inputs that break `larder_fuzz::http`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| larder_fuzz::http::check(data));
