//! Names that users, scripts and other people's buckets come up with.

use crate::canned::{Answer, Canned, all_text, assert_harmless, block_on, messages, source};
use async_trait::async_trait;
use ossget::{
    Client, Credentials, Durability, Endpoint, ErrorKind, Object, ObjectIdentity, RangeBody,
    Source, SourceError,
};
use ossget_core::{ByteRange, Failure};
use ossget_fs::NativeFileSystem;
use ossget_sign::encode_path;
use percent_encoding::percent_decode_str;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// An endpoint: what is understood is a host and nothing but a host, for us and for `http::Uri`,
/// and requests go there.
pub fn endpoint(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let endpoint = match Endpoint::parse(&text) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config);
            messages(&error).iter().for_each(|text| assert_harmless(text));
            return;
        }
    };
    let shown = endpoint.to_string();
    assert_eq!(Endpoint::parse(&shown).as_ref().ok(), Some(&endpoint), "{shown}");
    let host = endpoint.host();
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    assert!(!host.is_empty() && host.bytes().all(is_of_host), "{host}");
    let uri: http::Uri = shown.parse().expect("an endpoint is a URI");
    assert_eq!(uri.host(), Some(host.as_str()));
    assert!(uri.query().is_none() && uri.path() == "/", "{uri}");
    if let Some(authority) = uri.authority() {
        assert!(!authority.as_str().contains('@'), "{authority}");
    }
    let transport = Canned::new(Answer::new(404));
    let pair = Credentials::new("id", "secret").expect("credentials");
    let Ok(source) = source(&transport, &endpoint, pair) else {
        assert!(endpoint.is_plaintext() && !endpoint.is_loopback(), "{shown}");
        return;
    };
    let object = Object::new("bucket", "key").expect("an object");
    drop(block_on(source.probe(&object)));
    let requests = transport.requests();
    let [request] = &requests[..] else { panic!("{} requests", requests.len()) };
    let asked = request.uri().host().expect("a host");
    assert!(asked == host || asked.strip_prefix("bucket.") == Some(&host), "{asked} for {host}");
}

/// A source as the command line takes it: what is understood arrives at the service unchanged, and
/// nothing of it gets into another part of the request.
pub fn object_name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for parsed in [Object::parse(&text), Object::parse_literal(&text)] {
        match parsed {
            Ok(object) => arrives_unchanged(&object),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Config);
                messages(&error).iter().for_each(|text| assert_harmless(text));
            }
        }
    }
}

fn arrives_unchanged(object: &Object) {
    assert_harmless(&object.to_string());
    let (bucket, key) = (object.bucket(), object.key());
    let is_of_bucket =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    assert!((3..=63).contains(&bucket.len()) && bucket.bytes().all(is_of_bucket), "{bucket}");
    assert!((1..=1023).contains(&key.len()) && !key.starts_with(['/', '\\']));
    let literal = Object::parse_literal(&format!("oss://{bucket}/{key}")).expect("as it was");
    assert_eq!((literal.bucket(), literal.key()), (bucket, key));

    let transport = Canned::new(Answer::new(404));
    let endpoint = Endpoint::parse("oss-cn-hangzhou.aliyuncs.com").expect("an endpoint");
    let pair = Credentials::new("id", "secret").expect("credentials");
    let source = source(&transport, &endpoint, pair).expect("a source");
    let error = block_on(source.probe(object)).expect_err("it is refused");
    assert!(!all_text(&error).is_empty());
    let requests = transport.requests();
    let [request] = &requests[..] else { panic!("{} requests", requests.len()) };
    let uri = request.uri();
    assert_eq!(uri.host(), Some(&*format!("{bucket}.oss-cn-hangzhou.aliyuncs.com")));
    let path = uri.path().strip_prefix('/').expect("a path begins with a slash");
    assert_eq!(path, encode_path(key));
    assert!(percent_decode_str(path).decode_utf8().is_ok_and(|decoded| decoded == key));
    let version = uri.query().map(|query| {
        let id = query.strip_prefix("versionId=").expect("the only parameter");
        percent_decode_str(id).decode_utf8().expect("text").into_owned()
    });
    assert_eq!(version.as_deref(), object.version());
}

/// A key, downloaded into a folder: one file in that folder, or none anywhere.
pub fn key_to_path(bytes: &[u8]) {
    thread_local! {
        static FOLDERS: Folders = Folders::new();
    }
    let key = String::from_utf8_lossy(bytes);
    let Ok(object) = Object::new("bucket", key) else { return };
    FOLDERS.with(|folders| folders.download(object));
}

/// A folder within a folder, and what must not be touched beside it.
struct Folders {
    dir: TempDir,
    client: Client,
}

impl Folders {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(dir.path().join("inner")).expect("a writable folder");
        fs::create_dir(dir.path().join("inner-other")).expect("a writable folder");
        fs::write(dir.path().join("x"), "precious").expect("a writable folder");
        let client = Client::with_source(Arc::new(Empty), Arc::new(NativeFileSystem::new()));
        Self { dir, client }
    }

    fn download(&self, object: Object) {
        let inner = self.dir.path().join("inner");
        let name = object.key().rsplit('/').next().unwrap_or_default().to_owned();
        let download = self.client.download(object, &inner).durability(Durability::Process);
        let ended = block_on(download.into_future());
        let found = names_in(&inner);
        match ended {
            Ok(_) => assert_eq!(found, [inner.join(&name)]),
            Err(error) => {
                let kind = error.kind();
                assert!(matches!(kind, ErrorKind::Refused | ErrorKind::Storage), "{error:?}");
                assert_eq!(found, [] as [PathBuf; 0]);
            }
        }
        let beside = ["inner", "inner-other", "x"].map(|name| self.dir.path().join(name));
        assert_eq!(names_in(self.dir.path()), beside);
        assert_eq!(names_in(&beside[1]), [] as [PathBuf; 0]);
        assert_eq!(fs::read(&beside[2]).expect("it is there"), b"precious");
        for path in found {
            assert!(path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()));
            fs::remove_file(path).expect("our own file");
        }
    }
}

fn names_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a readable folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

/// A source of empty objects.
#[derive(Debug)]
struct Empty;

#[async_trait]
impl Source for Empty {
    async fn probe(&self, _: &Object) -> Result<ObjectIdentity, SourceError> {
        Ok(ObjectIdentity::new(0).etag("\"E\"").crc64(0))
    }

    async fn get_range(
        &self,
        _: &Object,
        _: ByteRange,
        _: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        Err(SourceError::new(Failure::Fatal, "an empty object has no ranges"))
    }
}
