//! What a server says of an object.

use crate::source::{date, parse_date};
use crate::{Client, Error, Object, ObjectIdentity, ObjectUrl};
use http::HeaderMap;
use std::time::{Duration, SystemTime};

/// What a server says of an object, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectStat {
    /// Size, ETag, CRC-64 and whatever else tells the content from any other.
    pub identity: ObjectIdentity,
    /// The header fields of the answer that say something of the object, in lower case and in
    /// order: those of HTTP about the content, and those of the service but for its own about the
    /// request.
    pub headers: Vec<(String, String)>,
    /// The server's time when it answered, where it told.
    pub date: Option<SystemTime>,
}

impl ObjectStat {
    pub(crate) fn new(identity: ObjectIdentity, headers: &HeaderMap) -> Self {
        let mut told: Vec<(String, String)> = headers
            .iter()
            .filter(|(name, _)| is_of_the_object(name.as_str()))
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        told.sort();
        Self { identity, headers: told, date: date(headers) }
    }

    /// The value of a header field, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// When the object was written, where the server tells it, in whole seconds.
    #[must_use]
    pub fn last_modified(&self) -> Option<SystemTime> {
        parse_date(self.identity.last_modified.as_deref()?)
    }

    /// `x-oss-storage-class`: `Standard`, `IA`, `Archive` …
    #[must_use]
    pub fn storage_class(&self) -> Option<&str> {
        self.header("x-oss-storage-class")
    }
}

impl Client {
    /// The host that requests go to before a bucket is put in front of it, in lower case.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        self.source.host()
    }

    /// What the server says of the object now. A service that cannot be reached is tried again for
    /// as long as `patience`.
    ///
    /// # Errors
    ///
    /// As a download's.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed anywhere.
    pub async fn stat(&self, object: &Object, patience: Duration) -> Result<ObjectStat, Error> {
        crate::patience::with_patience(patience, || self.source.stat(object)).await
    }
}

impl Client {
    /// A URL by which whoever has it may read the object for so long, in whole seconds; V4 allows
    /// up to 7 days. `query` holds parameters that it is to have besides, decoded, such as
    /// `response-content-disposition` or `x-oss-traffic-limit`. Nothing is sent for it, as long as
    /// the credentials are at hand, so nobody has looked whether the object is there.
    ///
    /// Credentials that are temporary may end before the URL does; then it ends with them.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) for a time that is too long, a parameter that is part
    /// of a signature, a client that does not sign; and those of the provider of credentials.
    pub async fn sign_url(
        &self,
        object: &Object,
        query: &[(String, String)],
        lifetime: Duration,
    ) -> Result<ObjectUrl, Error> {
        Ok(self.source.sign_url(object, query, lifetime).await?)
    }
}

fn is_of_the_object(name: &str) -> bool {
    const OF_HTTP: [&str; 9] = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "etag",
        "expires",
        "last-modified",
    ];
    const OF_THE_REQUEST: [&str; 3] =
        ["x-oss-request-id", "x-oss-server-time", "x-oss-qos-delay-time"];
    OF_HTTP.contains(&name) || name.starts_with("x-oss-") && !OF_THE_REQUEST.contains(&name)
}
