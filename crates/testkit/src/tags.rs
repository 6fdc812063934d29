//! Tags of an object, as a header and as a document.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::call::Call;
use crate::document::{Document, Encoding};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::xml::{self, Element};

/// The tags of one object, by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags(BTreeMap<String, String>);

impl Tags {
    /// Those in the header `x-oss-tagging`: none without it.
    pub(crate) fn of(call: &Call) -> Result<Self, Refusal> {
        let Some(header) = call.header(TAGGING) else { return Ok(Self::default()) };
        Self::in_header(header).ok_or_else(|| {
            let message = "The header 'x-oss-tagging' shall be encoded as UTF-8 then URLEncoded \
                           URL query parameters without tag name duplicates.";
            Refusal::invalid_argument((TAGGING, header), message)
        })
    }

    /// Those in the document of a PutObjectTagging.
    pub(crate) fn in_document(body: &[u8]) -> Result<Self, Refusal> {
        let document = xml::read(body, "Tagging")?;
        let set = document.child("TagSet").ok_or_else(xml::malformed)?;
        let mut tags = BTreeMap::new();
        for tag in set.children("Tag") {
            let text = |name| tag.child(name).map(Element::text).ok_or_else(xml::malformed);
            let (key, value) = (text("Key")?, text("Value")?);
            if tags.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(Refusal::bad_request("RepeatedTags", "Tag keys must be unique."));
            }
        }
        let tags = Self(tags);
        if tags.are_valid() {
            Ok(tags)
        } else {
            let message = "The TagKey or the TagValue you have provided is invalid.";
            Err(Refusal::bad_request("InvalidTag", message))
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The answer to a GetObjectTagging.
    pub(crate) fn reply(&self) -> Reply {
        let mut document = Document::new("Tagging", Encoding::None);
        document.element("TagSet", |document| {
            for (key, value) in &self.0 {
                document.element("Tag", |document| {
                    document.plain("Key", key);
                    document.plain("Value", value);
                });
            }
        });
        document.reply()
    }

    fn in_header(header: &str) -> Option<Self> {
        let mut tags = BTreeMap::new();
        for pair in header.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if value.contains('=') || tags.insert(decode(key)?, decode(value)?).is_some() {
                return None;
            }
        }
        Some(Self(tags)).filter(Self::are_valid)
    }

    fn are_valid(&self) -> bool {
        let is_allowed = |c: char| c.is_alphanumeric() || " +-=._:/".contains(c);
        self.0.len() <= MAX_TAGS
            && self.0.iter().all(|(key, value)| {
                (1..=MAX_KEY).contains(&key.len())
                    && value.len() <= MAX_VALUE
                    && key.chars().chain(value.chars()).all(is_allowed)
            })
    }
}

/// As in a query: some clients write a space as a plus sign.
fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned())
}

const TAGGING: &str = "x-oss-tagging";
const MAX_TAGS: usize = 10;
/// Bytes of a key.
const MAX_KEY: usize = 128;
/// Bytes of a value.
const MAX_VALUE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        Tags(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_header_holds_tags_as_a_query_does() {
        for (header, expected) in [
            ("", Some(tags(&[]))),
            ("a=1&b=2", Some(tags(&[("a", "1"), ("b", "2")]))),
            ("a&b=", Some(tags(&[("a", ""), ("b", "")]))),
            ("a%3Db=c%2Bd+e", Some(tags(&[("a=b", "c+d e")]))),
            ("%E6%96%87=%E4%BB%B6", Some(tags(&[("文", "件")]))),
            ("a=1&a=2", None),
            ("aa=bb=cc", None),
            ("=1", None),
            ("a=%ff", None),
            ("a=%23", None),
        ] {
            assert_eq!(Tags::in_header(header), expected, "{header}");
        }
    }

    #[test]
    fn ten_tags_of_limited_length_are_the_most() {
        let many = |count: usize| (0..count).map(|n| format!("t{n}=v")).collect::<Vec<_>>();
        assert_eq!(Tags::in_header(&many(10).join("&")).unwrap().count(), 10);
        assert_eq!(Tags::in_header(&many(11).join("&")), None);
        assert!(Tags::in_header(&format!("{}={}", "k".repeat(128), "v".repeat(256))).is_some());
        assert_eq!(Tags::in_header(&"k".repeat(129)), None);
        assert_eq!(Tags::in_header(&format!("k={}", "v".repeat(257))), None);
    }
}
