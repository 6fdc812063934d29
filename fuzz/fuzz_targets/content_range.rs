//! `Content-Range` as a server may send it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ossget_core::ContentRange;

fuzz_target!(|value: &[u8]| {
    let Ok(parsed) = ContentRange::parse(value) else { return };
    let range = parsed.range();
    assert!(!range.is_empty());
    assert!(parsed.total().is_none_or(|total| range.end() <= total));
    assert_eq!(ContentRange::parse(parsed.to_string().as_bytes()), Ok(parsed));
});
