mod refusals;
mod requests;
mod verdicts;

use super::*;
use crate::credentials::{Anonymous, Credentials, StaticCredentials};
use crate::endpoint::Addressing;
use crate::source::canned::{Canned, Reply};
use http::header::AUTHORIZATION;
use ossget_core::Failure;
use ossget_sign::Signer;
use std::error::Error as StdError;
use std::time::SystemTime;

pub(super) const HOST: &str = "https://oss-cn-hangzhou.aliyuncs.com";
pub(super) const ETAG: &str = "\"5B3C1A2E053D763E1B002CC607C5A0FE\"";

/// Credentials whose secret parts must never be seen.
pub(super) fn temporary() -> Arc<dyn CredentialsProvider> {
    let pair = Credentials::new("STS.exampleid", "canary-secret").unwrap();
    Arc::new(StaticCredentials::new(pair.security_token("canary-token").unwrap()))
}

pub(super) fn builder(
    transport: &Arc<Canned>,
    endpoint: &str,
    credentials: Arc<dyn CredentialsProvider>,
) -> OssSourceBuilder {
    let endpoint = Endpoint::parse(endpoint).unwrap();
    let signing = Signing::v4(&endpoint, None).unwrap();
    OssSource::builder(Arc::clone(transport) as Arc<dyn Transport>, endpoint, signing, credentials)
}

/// A source with temporary credentials and what its transport answers.
pub(super) fn source(replies: impl IntoIterator<Item = Reply>) -> (OssSource, Arc<Canned>) {
    let transport = Canned::new(replies);
    (builder(&transport, HOST, temporary()).build().unwrap(), transport)
}

pub(super) fn object() -> Object {
    Object::new("examplebucket", "dir/a b.txt").unwrap()
}

pub(super) fn range(start: u64, end: u64) -> ByteRange {
    ByteRange::new(start, end).unwrap()
}

pub(super) fn pinned() -> ObjectIdentity {
    ObjectIdentity::new(1000).etag(ETAG).crc64(42)
}

/// A flawless answer to a GET of [100, 200).
pub(super) fn partial() -> Reply {
    Reply::new(206)
        .header("content-range", "bytes 100-199/1000")
        .header("content-length", "100")
        .header("etag", ETAG)
        .header("x-oss-hash-crc64ecma", "42")
        .body([[b'x'; 100]])
}

/// What `source` says to a GET of [100, 200).
pub(super) async fn get(source: &OssSource) -> Result<RangeBody, SourceError> {
    source.get_range(&object(), range(100, 200), &pinned()).await
}

/// Everything that an error says of itself.
pub(super) fn all_text(error: &(dyn StdError + 'static)) -> String {
    let mut text = format!("{error:?} {error:#?}");
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&format!(" {error}"));
        next = error.source();
    }
    text
}

#[test]
fn a_version_that_was_not_asked_for_is_no_answer() {
    let described = |version: Option<&str>| {
        let identity = ObjectIdentity::new(1);
        version.map_or_else(|| identity.clone(), |version| identity.clone().version_id(version))
    };
    assert!(of_version(described(Some("a")), Some("b")).is_err());
    let found = |described, asked| of_version(described, asked).unwrap().version_id;
    assert_eq!(found(described(Some("a")), Some("a")).as_deref(), Some("a"));
    assert_eq!(found(described(Some("a")), None).as_deref(), Some("a"));
    assert_eq!(found(described(None), Some("b")).as_deref(), Some("b"));
    assert_eq!(found(described(None), None), None);
}
