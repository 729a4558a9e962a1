#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fivenines_fuzz::fuzzing::frame(octets));
