//! Reads a URL.

use super::{Store, StoreUrl};
use crate::v014::ObjectStoreSource;
use ossget::{Error, ErrorKind, Object};
use percent_encoding::percent_decode_str;
use std::str::FromStr;

impl FromStr for StoreUrl {
    type Err = Error;

    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for another scheme, a container or a key that is missing, a key that
    /// no path of object_store stands for.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        let (store, key) = match scheme.as_str() {
            "file" => (Store::Files, file(rest)?),
            "s3" | "gs" | "az" => {
                let (container, key) = rest.split_once('/').unwrap_or((rest, ""));
                (store(&scheme, container)?, key.to_owned())
            }
            _ => return Err(malformed()),
        };
        // The same check for all stores: it needs none of them.
        ObjectStoreSource::check(&key)?;
        Object::in_store(store.to_string(), key.as_str())?;
        Ok(Self { store, key })
    }
}

fn store(scheme: &str, container: &str) -> Result<Store, Error> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    // Azure has `$root` and `$web`.
    let name = container.strip_prefix('$').filter(|_| scheme == "az").unwrap_or(container);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(is_name) {
        return Err(malformed());
    }
    let container = container.to_owned();
    Ok(match scheme {
        "s3" => Store::S3(container),
        "gs" => Store::Gcs(container),
        _ => Store::Azure(container),
    })
}

/// The path, without its first slash. Not by a parser of URLs in general: those leave out line breaks,
/// take `\` for `/` and `..` for the component before it, and so name another file.
fn file(rest: &str) -> Result<String, Error> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = path.strip_prefix('/').ok_or_else(|| {
        Error::new(ErrorKind::Config, "the URL names no file of this machine")
            .with_hint("write it with three slashes: file:///path/to/file")
    })?;
    if path.contains(['?', '#']) {
        return Err(Error::new(ErrorKind::Config, "the URL of a file has a query or a fragment")
            .with_hint("write %3F for a question mark and %23 for a number sign"));
    }
    let decoded = percent_decode_str(path).decode_utf8();
    let decoded = decoded.map_err(|_| Error::new(ErrorKind::Config, "the path is not UTF-8"))?;
    Ok(decoded.into_owned())
}

fn malformed() -> Error {
    Error::new(
        ErrorKind::Config,
        "the source is none of s3://bucket/key, gs://bucket/key, az://container/key and file:///path",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_as_it_is() {
        for (text, store, key) in [
            ("s3://b/k", "s3://b", "k"),
            ("S3://b/dir/a b%20c?x#y", "s3://b", "dir/a b%20c?x#y"),
            ("gs://b_1.c/ü", "gs://b_1.c", "ü"),
            ("az://$root/k", "az://$root", "k"),
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!((url.object().bucket(), url.object().key()), (store, key));
            assert_eq!(url.to_string(), format!("{store}/{key}"));
        }
    }

    #[test]
    fn a_path_is_decoded_and_nothing_else_is_done_to_it() {
        for (text, key) in [
            ("file:///dir/a%20b%2541", "dir/a b%41"),
            ("file://localhost/dir/a", "dir/a"),
            ("file:///dir/a ", "dir/a "),
            (r"file:///dir/a\b", r"dir/a\b"),
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!((url.object().bucket(), url.object().key()), ("file://", key));
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in [
            "",
            "s3",
            "s3:/b/k",
            "s3://",
            "s3://b",
            "s3://b/",
            "s3:///k",
            "s3://a b/k",
            "s3://u:p@b/k",
            "s3://b//k",
            "s3://b/a/../k",
            "s3://b/dir/",
            "oss://b/k",
            "file://host/k",
            "file:///a?b",
            "file:///",
            "file:///dir/",
            "file:///dir/../a",
            "file:///n\nl",
            "file:///n%0Al",
            "file:///%FF",
            "s3://../k",
            "s3://$b/k",
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        }
    }
}
