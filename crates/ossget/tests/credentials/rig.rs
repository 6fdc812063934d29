//! What the tests share: surroundings without anything of this machine's, and secrets to look for.

use ossget::{CredentialsSource, Error, Issued, Surroundings};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Surroundings with these variables only.
pub(crate) fn around(variables: &[(&str, &str)]) -> Surroundings {
    let variables: HashMap<String, OsString> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    Surroundings::with_lookup(move |name| variables.get(name).cloned())
}

/// A home directory with these files.
pub(crate) fn home(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(&dir.path().join(name), text);
    }
    dir
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The answer of the metadata, and of a credentials URI, for credentials that end in so many
/// seconds.
pub(crate) fn answer(id: &str, seconds: i64) -> String {
    let end = jiff::Timestamp::now().as_second() + seconds;
    let end = jiff::Timestamp::from_second(end).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{id}","AccessKeySecret":"canary-secret-{id}",
            "SecurityToken":"canary-token-{id}","Expiration":"{end}",
            "LastUpdated":"2026-01-01T00:00:00Z"}}"#
    )
}

pub(crate) async fn id(source: &impl CredentialsSource) -> String {
    let issued = issue(source).await.unwrap_or_else(|error| panic!("{}", in_full(&error)));
    issued.credentials().access_key_id().to_owned()
}

/// Asks a source; nothing that it or its error says of itself may hold a secret.
pub(crate) async fn issue(source: &impl CredentialsSource) -> Result<Issued, Error> {
    let result = source.issue().await;
    let mut said = format!("{source:?} {source:#?} {} {result:?}", source.describe());
    if let Err(error) = &result {
        said += &in_full(error);
    }
    assert!(!said.contains("canary"), "{said}");
    result
}

/// An error with its hint and all that lies beneath it.
pub(crate) fn in_full(error: &Error) -> String {
    let mut text = format!("{:?}: {error} ({error:?}) hint {:?}", error.kind(), error.hint());
    let mut source = StdError::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// Asserts that a time is this one or a little less.
pub(crate) fn assert_about(found: Option<Duration>, seconds: u64) {
    let found = found.expect("an end");
    assert!(
        found <= Duration::from_secs(seconds) && found + SLACK >= Duration::from_secs(seconds),
        "{found:?}"
    );
}

/// The date of the service, in its header, so many seconds away from ours.
pub(crate) fn date(seconds: i64) -> String {
    let shift = Duration::from_secs(seconds.unsigned_abs());
    let now = SystemTime::now();
    let time = if seconds < 0 { now - shift } else { now + shift };
    let time = jiff::Timestamp::try_from(time).unwrap();
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

const SLACK: Duration = Duration::from_secs(60);
