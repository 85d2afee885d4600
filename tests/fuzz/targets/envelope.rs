//! Looks for inputs that break `larder_fuzz::envelope`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| larder_fuzz::envelope::check(data));
