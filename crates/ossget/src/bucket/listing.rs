//! What is in a bucket.

use super::{Bucket, document, parameter};
use crate::Error;
use crate::patience::with_patience;
use crate::source::SourceError;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use std::time::SystemTime;

/// Which part of a bucket is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct List {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Only keys after this one, in the order of their bytes; it is none of them.
    pub start_after: Option<String>,
    /// Keys that are the same up to the next of these after the prefix are listed as one prefix.
    pub delimiter: Option<String>,
    /// Keys and prefixes at most, up to 1,000; the service's default is 100.
    pub max_keys: Option<u16>,
    /// Where an earlier page ended: its [`next`](Listing::next).
    pub token: Option<String>,
}

/// A page of a listing, in the order of the keys' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The objects.
    pub objects: Vec<Listed>,
    /// What several keys have in common up to the delimiter, with it.
    pub prefixes: Vec<String>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// An object as a listing has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The key, decoded.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written.
    pub last_modified: SystemTime,
    /// The ETag with its quotes, where there is one.
    pub etag: Option<String>,
    /// `Standard`, `IA`, `Archive` …, where it is told.
    pub storage_class: Option<String>,
}

impl Bucket {
    /// One page of what is in the bucket (ListObjectsV2).
    ///
    /// # Errors
    ///
    /// Those of the service, and [`Protocol`](crate::ErrorKind::Protocol) for an answer that cannot
    /// be read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed anywhere.
    pub async fn list(&self, list: &List) -> Result<Listing, Error> {
        let mut call = self.call(Method::GET, list.query());
        // V2 of the operation knows both; only one of them is a question with an answer.
        call.query.retain(|(name, _)| name != "start-after" || list.token.is_none());
        with_patience(self.patience, || async {
            let response = self.requests.exchange(&call).await?;
            let page: Page = document::read(response, self.read_timeout).await?;
            page.listing(list.token.as_deref()).map_err(|error| self.requests.told(error))
        })
        .await
    }
}

impl List {
    fn query(&self) -> Vec<(String, String)> {
        let mut query = vec![parameter("list-type", "2"), parameter("encoding-type", "url")];
        if !self.prefix.is_empty() {
            query.push(parameter("prefix", &self.prefix));
        }
        let further = [
            ("start-after", &self.start_after),
            ("delimiter", &self.delimiter),
            ("continuation-token", &self.token),
        ];
        for (name, value) in further {
            query.extend(value.as_ref().map(|value| parameter(name, value)));
        }
        query.extend(self.max_keys.map(|keys| parameter("max-keys", &keys.to_string())));
        query
    }
}

/// The document `ListBucketResult`.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(rename = "IsTruncated")]
    is_truncated: bool,
    #[serde(rename = "NextContinuationToken")]
    next: Option<String>,
    #[serde(rename = "Contents", default)]
    contents: Vec<Contents>,
    #[serde(rename = "CommonPrefixes", default)]
    prefixes: Vec<CommonPrefixes>,
}

#[derive(Debug, Deserialize)]
struct Contents {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Size")]
    size: u64,
    #[serde(rename = "LastModified")]
    last_modified: String,
    #[serde(rename = "ETag")]
    etag: Option<String>,
    #[serde(rename = "StorageClass")]
    storage_class: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CommonPrefixes {
    #[serde(rename = "Prefix")]
    prefix: String,
}

impl Page {
    fn listing(self, token: Option<&str>) -> Result<Listing, SourceError> {
        let next = self.next.as_deref().map(document::decoded).transpose()?;
        let next = next.filter(|next| self.is_truncated && !next.is_empty());
        if self.is_truncated && (next.is_none() || next.as_deref() == token) {
            // Asked again from the beginning, it would never end.
            return Err(SourceError::protocol(
                "the listing is cut short and cannot be gone on with",
            ));
        }
        let objects = self.contents.into_iter().map(Contents::listed);
        let prefixes = self.prefixes.into_iter().map(|it| document::decoded(&it.prefix));
        Ok(Listing {
            objects: objects.collect::<Result<_, _>>()?,
            prefixes: prefixes.collect::<Result<_, _>>()?,
            next,
        })
    }
}

impl Contents {
    fn listed(self) -> Result<Listed, SourceError> {
        let last_modified: Timestamp = self.last_modified.parse().map_err(|error| {
            SourceError::protocol("the listing has a date that is none").with_source(error)
        })?;
        Ok(Listed {
            key: document::decoded(&self.key)?,
            size: self.size,
            last_modified: last_modified.into(),
            etag: self.etag.filter(|etag| !etag.is_empty()),
            storage_class: self.storage_class,
        })
    }
}
