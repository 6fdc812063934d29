//! Keys that some layer in between likes to change.

use std::fmt::Write as _;

/// What a key may hold that some layer in between likes to change.
pub const KEYS: &[&str] = &[
    // Dots, which URL types resolve.
    ".",
    "..",
    "...",
    ".hidden",
    "a/.",
    "a/..",
    "./a",
    "../a",
    "a/./b",
    "a/../b",
    "../../etc/passwd",
    "a/b/../../c",
    ".../...",
    "%2e%2e/a",
    "%2E/..%2f",
    "a..b",
    "..a/b..",
    // Slashes, which they collapse.
    "a//b",
    "a///b",
    "a/",
    "a//",
    "a/b/",
    "dir//../x",
    "a/%2F/b",
    "a\\b",
    "a\\..\\b",
    // What has a meaning in URLs.
    "a%41",
    "%",
    "%%",
    "%zz",
    "%00",
    "100%",
    "a+b",
    "a b",
    " ",
    " a",
    "a ",
    "a  b",
    "+",
    "a?b",
    "?",
    "?a=b",
    "a#b",
    "#",
    "a&b=c",
    "a=b",
    "a;b",
    "a:b",
    "http://a/b",
    "oss://b/k",
    "a@b",
    "a,b",
    "a!b",
    "$(a)",
    "a'b",
    "a\"b",
    "<a>",
    "[a]",
    "{a}",
    "a|b",
    "a^b",
    "`a`",
    "~",
    "a*b",
    "-a",
    "--help",
    "k?versionId=1",
    "a.part",
    "a.ossget",
    // Control characters and what reorders text.
    "a\tb",
    "a\nb",
    "a\r\nb",
    "\u{1}",
    "a\u{1b}[31mb",
    "a\u{7f}b",
    "a\u{85}b",
    "a\u{202e}b",
    "a\u{feff}b",
    // Other scripts, in both normal forms, and beyond the basic plane.
    "é",
    "e\u{301}",
    "ä/ö/ü",
    "文件/数据.bin",
    "данные",
    "日本語",
    "🎉/🚀.bin",
    "\u{10ffff}",
    "ﬁ",
    "İ",
];

/// As OSS wants the path: everything but unreserved characters and slashes, in upper-case hex.
/// Written down a second time on purpose.
#[must_use]
pub fn encoded(key: &str) -> String {
    let mut text = String::new();
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}
