//! `Content-Range` against a parser written another way.

use ossget_core::{ByteRange, ContentRange, ContentRangeError};
use proptest::prelude::*;

/// What a value grants: first, last, total; or the total of an unsatisfied range; or nothing.
#[derive(Debug, PartialEq)]
enum Reading {
    Granted(u64, u64, Option<u64>),
    Unsatisfied(u64),
    Nothing,
}

/// Takes the value apart from its end, in wide numbers.
fn naive(value: &[u8]) -> Reading {
    read(value).unwrap_or(Reading::Nothing)
}

fn read(value: &[u8]) -> Option<Reading> {
    let text = std::str::from_utf8(value).ok()?;
    let (head, total) = text.rsplit_once('/')?;
    let (unit, range) = head.rsplit_once(' ')?;
    if unit.to_lowercase() != "bytes" {
        return None;
    }
    let total = if total == "*" { None } else { Some(wide(total)?) };
    if range == "*" {
        return Some(Reading::Unsatisfied(u64::try_from(total?).ok()?));
    }
    let (first, last) = range.rsplit_once('-')?;
    let (first, last) = (wide(first)?, wide(last)?);
    let ends_within = total.is_none_or(|total| last < total && total <= u128::from(u64::MAX));
    if first > last || last >= u128::from(u64::MAX) || !ends_within {
        return None;
    }
    let narrow = |number| u64::try_from(number).ok();
    Some(Reading::Granted(narrow(first)?, narrow(last)?, total.and_then(narrow)))
}

/// Reads at least one digit, into a number that saturates far above 64 bits.
fn wide(text: &str) -> Option<u128> {
    let mut number = 0_u128;
    for character in text.chars() {
        let digit = "0123456789".find(character)?;
        number = number.saturating_mul(10).saturating_add(digit as u128);
    }
    (!text.is_empty()).then_some(number)
}

fn parsed(value: &[u8]) -> Reading {
    match ContentRange::parse(value) {
        Ok(value) => {
            Reading::Granted(value.range().start(), value.range().end() - 1, value.total())
        }
        Err(ContentRangeError::Unsatisfied { total }) => Reading::Unsatisfied(total),
        Err(_) => Reading::Nothing,
    }
}

fn numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0_u64..20).prop_map(|n| n.to_string()),
        2 => any::<u64>().prop_map(|n| n.to_string()),
        2 => (u128::from(u64::MAX) - 2..=u128::from(u64::MAX) + 2).prop_map(|n| n.to_string()),
        1 => "[0-9]{0,45}",
        1 => Just("*".to_owned()),
    ]
}

/// Values that follow the grammar, but for a byte here and there.
fn near() -> impl Strategy<Value = Vec<u8>> {
    let units = prop_oneof![5 => Just("bytes"), 1 => Just("Bytes"), 1 => Just("items")];
    let ranges = prop_oneof![
        5 => (numbers(), numbers()).prop_map(|(first, last)| format!("{first}-{last}")),
        1 => Just("*".to_owned()),
    ];
    let value = (units, ranges, numbers())
        .prop_map(|(unit, range, total)| format!("{unit} {range}/{total}"));
    let mutation = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>(), 0..3));
    (value, mutation).prop_map(|(value, mutation)| {
        let mut bytes = value.into_bytes();
        if let Some((at, byte, kind)) = mutation {
            let at = at.index(bytes.len());
            let byte = b" -/*,0+\t"[usize::from(byte) % 8];
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn values_near_the_grammar_are_read_as_the_naive_parser_reads_them(value in near()) {
        prop_assert_eq!(parsed(&value), naive(&value));
    }

    #[test]
    fn any_bytes_are_read_as_the_naive_parser_reads_them(
        value in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        prop_assert_eq!(parsed(&value), naive(&value));
    }

    #[test]
    fn what_is_displayed_is_read_back(
        bounds in any::<(u64, u64)>(),
        beyond in prop::option::of(any::<u64>()),
    ) {
        let (start, end) = (bounds.0.min(bounds.1), bounds.0.max(bounds.1));
        let total = beyond.map(|beyond| end.saturating_add(beyond));
        if let Some(value) = ContentRange::new(ByteRange::new(start, end).unwrap(), total) {
            prop_assert_eq!(ContentRange::parse(value.to_string().as_bytes()), Ok(value));
        }
    }
}
