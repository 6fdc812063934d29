//! What is accepted keeps its promises, whatever the response.

use ossget_core::{ByteRange, Expectation, ObjectIdentity, ResponseHead, Verdict, judge};
use proptest::option;
use proptest::prelude::*;

/// Header values that are often right.
#[derive(Clone, Debug)]
struct Head {
    status: u16,
    content_range: Option<String>,
    content_length: Option<u64>,
    etag: Option<&'static str>,
    encoding: Option<&'static str>,
    content_type: Option<&'static str>,
    crc64: Option<&'static str>,
}

prop_compose! {
    fn heads()(
        status in prop_oneof![4 => Just(206), 3 => Just(200), 1 => any::<u16>()],
        bounds in option::weighted(0.9, (0_u64..12, 0_u64..12, 8_u64..12)),
        content_length in option::of(0_u64..12),
        etag in option::of(prop_oneof![4 => Just("\"A\""), 1 => Just("\"B\"")]),
        encoding in option::of(prop_oneof![4 => Just("identity"), 1 => Just("gzip")]),
        content_type in option::of(prop_oneof![
            4 => Just("text/plain"),
            1 => Just("multipart/byteranges")
        ]),
        crc64 in option::of(prop_oneof![4 => Just("7"), 1 => Just("8"), 1 => Just("x")]),
    ) -> Head {
        let content_range = bounds.map(|(first, last, total)| format!("bytes {first}-{last}/{total}"));
        Head { status, content_range, content_length, etag, encoding, content_type, crc64 }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_accepted_fits_what_was_asked(
        head in heads(),
        asked in (0_u64..10, 0_u64..=10),
        known in any::<bool>(),
    ) {
        let asked = ByteRange::new(asked.0, asked.1.max(asked.0 + 1)).unwrap();
        let mut identity = ObjectIdentity::new(10);
        if known {
            identity = identity.etag("\"A\"").crc64(7);
        }
        let given = ResponseHead::new(head.status)
            .content_range(head.content_range.as_deref().map(str::as_bytes))
            .content_length(head.content_length)
            .etag(head.etag.map(str::as_bytes))
            .content_encoding(head.encoding.map(str::as_bytes))
            .content_type(head.content_type.map(str::as_bytes))
            .crc64(head.crc64.map(str::as_bytes));
        let verdict = judge(&given, &Expectation { range: asked, identity: &identity });
        if let Verdict::Accept { range } = verdict {
            prop_assert!(head.status == 200 || head.status == 206);
            prop_assert_eq!(range.start(), asked.start());
            prop_assert!(!range.is_empty() && range.end() <= asked.end());
            prop_assert!(head.content_length.is_none_or(|length| length == range.len()));
            prop_assert!(!known || head.etag != Some("\"B\""));
            prop_assert!(!known || head.crc64 != Some("8"));
            prop_assert!(!known || head.etag == Some("\"A\"") || head.crc64 == Some("7"));
            prop_assert!(head.encoding != Some("gzip"));
            prop_assert!(head.content_type != Some("multipart/byteranges"));
            if head.status == 206 {
                let text = format!("bytes {}-{}/10", range.start(), range.end() - 1);
                prop_assert_eq!(head.content_range, Some(text));
            } else {
                prop_assert_eq!(range, ByteRange::new(0, 10).unwrap());
                prop_assert_eq!(head.content_length, Some(10));
            }
        }
    }
}
