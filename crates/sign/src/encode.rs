//! The percent-encoding of OSS, for paths, queries and what is signed of them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Percent-encodes a query name or value.
///
/// The UTF-8 bytes are kept where they are in `A-Z a-z 0-9 - . _ ~` (RFC 3986 "unreserved") and
/// become `%XX` with upper-case digits elsewhere: a space is `%20`, never `+`.
#[must_use]
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Percent-encodes an object key or a path: like [`encode`], but `/` is kept.
///
/// The result belongs on the wire as it is: runs of slashes, `.` and `..` are part of the key.
#[must_use]
pub fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_IN_PATH).to_string()
}

/// Writes decoded parameters as a query for the wire, in the order given, without a leading `?`.
///
/// A parameter with an empty value is written as its name alone, as the Go SDK does; the service
/// takes `acl` and `acl=` for the same.
#[must_use]
pub fn encode_query(query: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        query.iter().map(|(name, value)| pair(&encode(name), &encode(value))).collect();
    pairs.join("&")
}

/// Writes `name=value`, or the name alone if the value is empty.
pub(crate) fn pair(name: &str, value: &str) -> String {
    if value.is_empty() { name.to_owned() } else { format!("{name}={value}") }
}

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_exactly_the_unreserved_bytes() {
        for byte in 0..=0x7f_u8 {
            let text = char::from(byte).to_string();
            let kept = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            let expected = if kept { text.clone() } else { format!("%{byte:02X}") };
            assert_eq!(encode(&text), expected);
            assert_eq!(encode_path(&text), if byte == b'/' { "/" } else { &expected });
        }
    }

    #[test]
    fn encodes_utf8_bytes_with_upper_case_digits() {
        assert_eq!(encode("é 文"), "%C3%A9%20%E6%96%87");
        assert_eq!(encode_path("a//./../é+"), "a//./../%C3%A9%2B");
    }

    #[test]
    fn writes_a_parameter_without_value_as_its_name() {
        let query = [("acl", ""), ("a b", "c=d&e"), ("z", "")].map(|(n, v)| (n.into(), v.into()));
        assert_eq!(encode_query(&query), "acl&a%20b=c%3Dd%26e&z");
        assert_eq!(encode_query(&[]), "");
    }
}
