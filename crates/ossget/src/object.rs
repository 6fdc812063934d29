//! The name of an object.

use crate::error::printable;
use crate::{Error, ErrorKind};
use ossget_core::{Locator, SourceKind};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::fmt;

/// The name of an object: a bucket, a key, and a version id where a certain version is meant.
///
/// Names are checked when made, so that whatever is built of them is what was meant.
///
/// ```
/// use ossget::Object;
///
/// let object = Object::new("examplebucket", "exampledir/exampleobject.txt")?;
/// assert_eq!(object.to_string(), "oss://examplebucket/exampledir/exampleobject.txt");
/// assert_eq!(object, Object::parse("oss://examplebucket/exampledir/exampleobject.txt")?);
/// # Ok::<(), ossget::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    locator: Locator,
    version: Option<String>,
}

impl Object {
    /// The object `key` in `bucket`.
    ///
    /// The key is literal: nothing in it is decoded or normalised, so `a/../b`, `%41` and `a//b`
    /// stand for themselves.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] unless the bucket has 3 to 63 characters of `a-z`, `0-9`, `-` and
    /// `_`, the last two not at the ends, and the key has 1 to 1023 bytes and does not begin with
    /// `/` or `\`. Sources: the OSS documentation ("Bucket naming conventions", "Object naming
    /// conventions"); `_` is found in old buckets and allowed by the Java SDK.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Result<Self, Error> {
        let (bucket, key) = (bucket.into(), key.into());
        if !is_bucket(&bucket) {
            return Err(refused("bucket name", &bucket, BUCKET_BOUND));
        }
        if !(1..=MAX_KEY).contains(&key.len()) {
            let length = format_args!("{} bytes long", key.len());
            return Err(Error::config("key", length, "1 to 1023 bytes long"));
        }
        if key.starts_with(['/', '\\']) {
            return Err(refused("key", &key, "without a slash or backslash at its beginning"));
        }
        let locator = Locator { kind: SourceKind::Oss, container: bucket, key };
        Ok(Self { locator, version: None })
    }

    /// Means this version of the object, not the latest one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the id is empty, longer than 1024 bytes, or holds anything but
    /// visible ASCII other than `?` `&` `#` `/`. The service's ids are of letters, digits and a
    /// few of `-._*` (`null` for an object from before versioning).
    pub fn version_id(mut self, id: impl Into<String>) -> Result<Self, Error> {
        let id = id.into();
        if !is_version_id(&id) {
            return Err(refused("version id", &id, "1 to 1024 letters, digits and signs"));
        }
        self.version = Some(id);
        Ok(self)
    }

    /// Reads `oss://bucket/key` or `oss://bucket/key?versionId=ID`.
    ///
    /// The key is literal, see [`Object::new`]; only a trailing `?versionId=ID` is special.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the text is not of that form, or for a name that [`Object::new`]
    /// or [`Object::version_id`] refuses.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Some((name, id)) = text.rsplit_once(VERSION_ID) else {
            return Self::parse_literal(text);
        };
        Self::parse_literal(name)?.version_id(id).map_err(|error| {
            error.with_hint("if the key really ends like this, give it as a literal key")
        })
    }

    /// Reads `oss://bucket/key` where the key may end in `?versionId=…` itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the text is not of that form, or for a name that [`Object::new`]
    /// refuses.
    pub fn parse_literal(text: &str) -> Result<Self, Error> {
        let scheme = text.get(..SCHEME.len()).filter(|it| it.eq_ignore_ascii_case(SCHEME));
        let name = scheme.and_then(|_| text.get(SCHEME.len()..));
        match name.and_then(|name| name.split_once('/')) {
            Some((bucket, key)) => Self::new(bucket, key),
            // Not shown: it may be a presigned URL.
            None => {
                Err(Error::new(ErrorKind::Config, "the source is not of the form oss://bucket/key"))
            }
        }
    }

    /// The object `key` of a store that is not OSS; `store` tells it from all other stores, such as its
    /// URL, and holds no secret.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] unless the key has 1 to 1023 bytes and the store's name 1 to 1024.
    pub fn in_store(store: impl Into<String>, key: impl Into<String>) -> Result<Self, Error> {
        let (container, key) = (store.into(), key.into());
        for (field, len, most, bound) in [
            ("key", key.len(), MAX_KEY, "1 to 1023 bytes long"),
            ("the store's name", container.len(), MAX_STORE, "1 to 1024 bytes long"),
        ] {
            if !(1..=most).contains(&len) {
                return Err(Error::config(field, format_args!("{len} bytes long"), bound));
            }
        }
        let locator = Locator { kind: SourceKind::ObjectStore, container, key };
        Ok(Self { locator, version: None })
    }

    /// What a URL names: an origin and an encoded path without its first slash.
    pub(crate) fn of_url(origin: String, path: String) -> Self {
        let locator = Locator { kind: SourceKind::Http, container: origin, key: path };
        Self { locator, version: None }
    }

    /// The bucket; of what an [`ObjectUrl`](crate::ObjectUrl) names, scheme, host and port.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.locator.container
    }

    /// The key, not encoded; of what an [`ObjectUrl`](crate::ObjectUrl) names, the path as it is
    /// written there, without its first slash.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.locator.key
    }

    /// The last component of the key, decoded where a URL has it encoded: what a file is called
    /// that is downloaded into a directory. Empty for a key that ends in a slash.
    #[must_use]
    pub fn file_name(&self) -> Cow<'_, str> {
        let name = self.key().rsplit('/').next().unwrap_or_default();
        match self.locator.kind {
            SourceKind::Http => percent_decode_str(name).decode_utf8_lossy(),
            _ => name.into(),
        }
    }

    /// What tells the object from all others, wherever it comes from.
    pub(crate) const fn locator(&self) -> &Locator {
        &self.locator
    }

    /// The version id, where a certain version is meant.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl fmt::Display for Object {
    /// `oss://bucket/key`, control characters escaped; the version id is left out. A URL without
    /// its query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.locator.kind == SourceKind::Oss { SCHEME } else { "" };
        write!(f, "{scheme}{}/{}", self.bucket(), printable(self.key(), MAX_KEY))
    }
}

fn is_bucket(name: &str) -> bool {
    let is_inner = |byte: u8| is_edge(byte) || byte == b'-' || byte == b'_';
    let edges = [name.bytes().next(), name.bytes().next_back()];
    (3..=MAX_BUCKET).contains(&name.len())
        && name.bytes().all(is_inner)
        && edges.into_iter().flatten().all(is_edge)
}

const fn is_edge(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_version_id(id: &str) -> bool {
    (1..=MAX_VERSION_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"?&#/".contains(&byte))
}

fn refused(field: &str, value: &str, bound: &str) -> Error {
    if value.contains(['?', '&', '=', '@']) {
        // It may be the query of a presigned URL, or have a password in it.
        return Error::config(field, "(not shown)", bound);
    }
    Error::config(field, format_args!("`{}`", printable(value, SHOWN)), bound)
}

/// The longest bucket name in bytes.
pub(crate) const MAX_BUCKET: usize = 63;
const MAX_KEY: usize = 1023;
const MAX_VERSION_ID: usize = 1024;
const MAX_STORE: usize = 1024;
const SCHEME: &str = "oss://";
const VERSION_ID: &str = "?versionId=";
const BUCKET_BOUND: &str =
    "3 to 63 characters of a-z, 0-9 and - (or _), with a letter or digit at both ends";
/// Characters of a refused value that are shown.
const SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> (String, String, Option<String>) {
        let object = Object::parse(text).unwrap();
        (object.bucket().to_owned(), object.key().to_owned(), object.version)
    }

    /// Faults: 70.
    #[test]
    fn buckets_follow_the_documented_grammar() {
        let longest = "a".repeat(63);
        for bucket in ["abc", "a-b", "0a9", "a--b", "a_b", "xn--abc", longest.as_str()] {
            assert!(Object::new(bucket, "k").is_ok(), "{bucket}");
        }
        let too_long = "a".repeat(64);
        for bucket in [
            "",
            "ab",
            "Abc",
            "-abc",
            "abc-",
            "_abc",
            "abc_",
            "a.b",
            "a..b",
            "a b",
            "a/b",
            "a\nb",
            "127.0.0.1",
            "a.evil.com/",
            "bück",
            "a@b",
            "a:b",
            "a%2e",
            "a\0b",
            too_long.as_str(),
        ] {
            let error = Object::new(bucket, "k").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bucket}");
            assert!(!error.to_string().contains(['\n', '\0']));
        }
    }

    #[test]
    fn keys_are_counted_in_bytes_and_otherwise_free() {
        let longest = "é".repeat(511) + "x";
        for key in [
            "a", "a/../b", "./x", "..", "a//b", "dir/", "?a", "a\nb", "\u{1b}", "%41", "#", " ",
            &longest,
        ] {
            assert_eq!(Object::new("abc", key).unwrap().key(), key);
        }
        for key in ["", "/a", "\\a", &"é".repeat(512)] {
            assert_eq!(Object::new("abc", key).unwrap_err().kind(), ErrorKind::Config, "{key}");
        }
    }

    #[test]
    fn a_source_is_literal_but_for_a_trailing_version_id() {
        let plain = |key: &str| ("abc".to_owned(), key.to_owned(), None);
        for key in ["k", "a%41+#b", "a?b", "a?versionid=1", "a&versionId=1", "oss://abc/k", "d/"] {
            assert_eq!(names(&format!("oss://abc/{key}")), plain(key));
        }
        let version = |key: &str, id: &str| ("abc".to_owned(), key.to_owned(), Some(id.to_owned()));
        assert_eq!(names("oss://abc/k?versionId=CAEQ-_.*1"), version("k", "CAEQ-_.*1"));
        assert_eq!(names("OSS://abc/k?versionId=1?versionId=2"), version("k?versionId=1", "2"));
    }

    #[test]
    fn a_literal_key_may_end_like_a_version_id() {
        let object = Object::parse_literal("oss://abc/k?versionId=1").unwrap();
        assert_eq!((object.key(), object.version()), ("k?versionId=1", None));
    }

    /// Faults: 140.
    #[test]
    fn a_doubtful_version_id_is_refused_rather_than_guessed() {
        for id in ["", "a b", "a\r\nx: y", "a/b", "a&b=c", "é", &"a".repeat(1025)] {
            let error = Object::parse(&format!("oss://abc/k?versionId={id}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{id}");
            assert!(error.hint().unwrap().contains("literal"));
        }
    }

    #[test]
    fn what_is_no_source_is_refused_and_not_repeated() {
        for text in [
            "",
            "abc/k",
            "oss:/abc/k",
            "oss://abc",
            "https://h/k?Signature=canary",
            "össx//a/b",
            "🎉",
        ] {
            let error = Object::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(!error.to_string().contains("canary"));
        }
        for text in [
            "oss://id:canary@bucket/k",
            "oss://abc/k?versionId=v&x-oss-signature=canary",
            "oss://a?Signature=canary/k",
        ] {
            let error = Object::parse(text).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        assert!(Object::parse("oss://abc/").is_err());
        assert!(Object::parse("oss:///k").is_err());
    }

    /// Faults: 127.
    #[test]
    fn display_escapes_control_characters_and_leaves_the_version_out() {
        let object = Object::new("abc", "a\nb\u{1b}[1m/é").unwrap().version_id("v1").unwrap();
        assert_eq!(object.to_string(), "oss://abc/a\\nb\\u{1b}[1m/é");
    }
}
