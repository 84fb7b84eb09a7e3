#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| barewire_fuzz::explain::fuzz(input));
