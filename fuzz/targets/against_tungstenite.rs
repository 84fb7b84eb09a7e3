#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| barewire_fuzz::against_tungstenite::fuzz(
    &barewire_fuzz::script::Script::of(input)
));
