#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| patchlab_fuzz::header(bytes));
