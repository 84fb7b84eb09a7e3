#![no_main]
use barewire_fuzz::script::Script;
libfuzzer_sys::fuzz_target!(|input: &[u8]| barewire_fuzz::redis_link::fuzz(&Script::of(input)));
