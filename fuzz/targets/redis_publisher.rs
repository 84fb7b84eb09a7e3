#![no_main]
use barewire_fuzz::script::Script;
libfuzzer_sys::fuzz_target!(|input: &[u8]| barewire_fuzz::redis_publisher::fuzz(&Script::of(
    input
)));
