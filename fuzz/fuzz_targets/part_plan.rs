//! Drives `ossget_fuzz::part_plan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ossget_fuzz::part_plan(bytes));
