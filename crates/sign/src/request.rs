//! What is signed of a request.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, Method};

use crate::SignError;

/// A request as the signer sees it: what will be sent, before anything is encoded.
///
/// The host has no part in it: virtual-hosted, path-style and custom-domain requests for the same
/// object have the same signature.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// The bucket, or none for a request to the service itself.
    pub bucket: Option<&'a str>,
    /// The object's key, not encoded, or none for a request to the bucket.
    pub key: Option<&'a str>,
    /// The query as decoded names and values; an empty value means a name without a value.
    pub query: &'a [(String, String)],
    /// The headers that will be sent; those that are not signed may be left out.
    pub headers: &'a HeaderMap,
}

impl Request<'_> {
    /// The resource as V1 signs it and as V4 encodes it: `/`, `/bucket/` or `/bucket/key`.
    pub(crate) fn resource(&self) -> Result<String, SignError> {
        match (self.bucket, self.key.unwrap_or_default()) {
            (None, "") => Ok("/".to_owned()),
            (Some(bucket), key) if !bucket.is_empty() && !bucket.contains('/') => {
                Ok(format!("/{bucket}/{key}"))
            }
            _ => Err(SignError::Bucket),
        }
    }

    /// Refuses a query whose signature the service could compute in another way.
    pub(crate) fn check_query(&self) -> Result<(), SignError> {
        let mut seen = BTreeSet::new();
        for (name, _) in self.query {
            if name.is_empty() {
                return Err(SignError::EmptyQueryName);
            }
            if !seen.insert(name) {
                return Err(SignError::DuplicateQueryName { name: name.clone() });
            }
        }
        Ok(())
    }

    /// The value of a header as it is signed, empty if the header is absent.
    pub(crate) fn header(&self, name: &HeaderName) -> Result<String, SignError> {
        let mut joined = String::new();
        for (index, value) in self.headers.get_all(name).iter().enumerate() {
            let value = std::str::from_utf8(value.as_bytes())
                .map_err(|_| SignError::HeaderNotUtf8 { name: name.clone() })?;
            if index > 0 {
                joined.push(',');
            }
            joined.push_str(trim(value));
        }
        Ok(joined)
    }

    /// The lines `name:value\n` of the headers that `is_signed`, sorted by name.
    pub(crate) fn header_lines(
        &self,
        is_signed: impl Fn(&str) -> bool,
    ) -> Result<String, SignError> {
        let mut names: Vec<&HeaderName> =
            self.headers.keys().filter(|name| is_signed(name.as_str())).collect();
        names.sort_unstable_by_key(|name| name.as_str());
        let mut lines = String::new();
        for name in names {
            lines.push_str(&format!("{name}:{}\n", self.header(name)?));
        }
        Ok(lines)
    }
}

/// Only the ends are trimmed, and only of what HTTP calls whitespace: inner runs of spaces are
/// signed as they are (unlike in AWS SigV4). Go, JavaScript, Java and the documentation trim, the
/// Python SDKs do not; any HTTP stack strips the ends on the wire.
fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn request<'a>(
        bucket: Option<&'a str>,
        key: Option<&'a str>,
        headers: &'a HeaderMap,
    ) -> Request<'a> {
        Request { method: &Method::GET, bucket, key, query: &[], headers }
    }

    #[test]
    fn builds_the_resource_from_bucket_and_key() {
        let headers = HeaderMap::new();
        let resource = |bucket, key| request(bucket, key, &headers).resource();
        assert_eq!(resource(None, None).unwrap(), "/");
        assert_eq!(resource(None, Some("")).unwrap(), "/");
        assert_eq!(resource(Some("b"), None).unwrap(), "/b/");
        assert_eq!(resource(Some("b"), Some("/k//../")).unwrap(), "/b//k//../");
    }

    #[test]
    fn refuses_a_bucket_that_would_name_another_object() {
        let headers = HeaderMap::new();
        for (bucket, key) in [(None, Some("k")), (Some(""), Some("k")), (Some("b/c"), Some("k"))] {
            assert_eq!(request(bucket, key, &headers).resource(), Err(SignError::Bucket));
        }
    }

    #[test]
    fn trims_each_value_of_a_header_and_joins_them_with_a_comma() {
        let mut headers = HeaderMap::new();
        headers.append("x-oss-b", HeaderValue::from_static("  one  two\t"));
        headers.append("x-oss-b", HeaderValue::from_static(" three"));
        headers.append("x-oss-a", HeaderValue::from_static(""));
        let request = request(None, None, &headers);
        let lines = request.header_lines(|_| true).unwrap();
        assert_eq!(lines, "x-oss-a:\nx-oss-b:one  two,three\n");
    }

    #[test]
    fn trims_only_the_whitespace_that_http_strips() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes("\u{3000}a\u{a0}".as_bytes()).unwrap();
        headers.insert("x-oss-a", value);
        let lines = request(None, None, &headers).header_lines(|_| true).unwrap();
        assert_eq!(lines, "x-oss-a:\u{3000}a\u{a0}\n");
    }

    #[test]
    fn refuses_a_signed_header_that_is_not_utf8_and_ignores_an_unsigned_one() {
        let mut headers = HeaderMap::new();
        headers.insert("x-oss-a", HeaderValue::from_bytes(&[0xff]).unwrap());
        let request = request(None, None, &headers);
        let name = HeaderName::from_static("x-oss-a");
        assert_eq!(request.header_lines(|_| true), Err(SignError::HeaderNotUtf8 { name }));
        assert_eq!(request.header_lines(|_| false).unwrap(), "");
    }

    #[test]
    fn refuses_duplicate_and_empty_query_names() {
        let headers = HeaderMap::new();
        let check = |query: &[(&str, &str)]| {
            let query: Vec<_> = query.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            Request { query: &query, ..request(None, None, &headers) }.check_query()
        };
        assert_eq!(check(&[("a", "1"), ("A", "1"), ("b", "")]), Ok(()));
        let duplicate = Err(SignError::DuplicateQueryName { name: "a".into() });
        assert_eq!(check(&[("a", "1"), ("b", ""), ("a", "1")]), duplicate);
        assert_eq!(check(&[("", "1")]), Err(SignError::EmptyQueryName));
    }
}
