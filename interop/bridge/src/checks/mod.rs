//! What the suite does not ask.

mod access;
mod conditions;
mod creating;
mod keeping;
mod keys;
mod many;
mod ranges;
mod reading;
mod uploading;

use crate::rig::Rig;
use crate::trial::{Finding, Trial, brief};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _};
use ossget_testkit::{Close, Content, Fault};

pub(crate) fn trials() -> Vec<Trial> {
    [
        reading::trials(),
        ranges::trials(),
        conditions::trials(),
        creating::trials(),
        uploading::trials(),
        keeping::trials(),
        keys::trials(),
        many::trials(),
        access::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An object that is there already, in more than one piece on the wire, and that can be read as long as
/// nothing goes wrong: else an error would prove nothing.
async fn object(rig: &Rig) -> (Path, Content) {
    let content = Content::generated(7, SIZE);
    rig.sim.put_object(KEY, content.clone());
    let path = Path::from(KEY);
    let got = read(rig, &path).await.expect("the object is there");
    assert!(got == content.window(0..SIZE), "its bytes are right");
    rig.sim.clear_requests();
    (path, content)
}

/// Another one of the same size, to be put in its place.
fn other() -> Content {
    Content::generated(8, SIZE)
}

async fn read(rig: &Rig, path: &Path) -> Result<Bytes, Error> {
    rig.store.get(path).await?.bytes().await
}

/// Nothing wrong may be taken for right; an error will do.
fn never_wrong(got: Result<Bytes, Error>, right: &[u8]) -> Finding {
    match got {
        Ok(got) => compared(&got, right),
        Err(error) => Finding::Yes(told(&error)),
    }
}

/// The right bytes, and nothing less.
fn right(got: Result<Bytes, Error>, right: &[u8]) -> Finding {
    match got {
        Ok(got) => compared(&got, right),
        Err(error) => Finding::No(told(&error)),
    }
}

fn compared(got: &[u8], right: &[u8]) -> Finding {
    if got.len() != right.len() {
        return Finding::No(format!("success with {} of {} bytes", got.len(), right.len()));
    }
    match got.iter().zip(right).filter(|(got, right)| got != right).count() {
        0 => Finding::Yes("the right bytes".into()),
        wrong => Finding::No(format!("success with {wrong} of {} bytes wrong", right.len())),
    }
}

/// An error of one of these kinds, and no other.
fn refused<T>(got: Result<T, Error>, kinds: &[&str]) -> Finding {
    match got {
        Ok(_) => Finding::No("success".into()),
        Err(error) if kinds.contains(&name(&error)) => Finding::Yes(name(&error).into()),
        Err(error) => Finding::No(told(&error)),
    }
}

fn told(error: &Error) -> String {
    format!("{}: {}", name(error), brief(&error.to_string()))
}

const fn name(error: &Error) -> &'static str {
    match error {
        Error::Generic { .. } => "Generic",
        Error::NotFound { .. } => "NotFound",
        Error::InvalidPath { .. } => "InvalidPath",
        Error::NotSupported { .. } => "NotSupported",
        Error::AlreadyExists { .. } => "AlreadyExists",
        Error::Precondition { .. } => "Precondition",
        Error::NotModified { .. } => "NotModified",
        Error::NotImplemented { .. } => "NotImplemented",
        Error::PermissionDenied { .. } => "PermissionDenied",
        Error::Unauthenticated { .. } => "Unauthenticated",
        _ => "another error",
    }
}

/// A connection that breaks in the middle of the object.
fn cut() -> Fault {
    Fault::CutAfter { bytes: SIZE / 3, how: Close::Fin }
}

/// The service does it, and nobody hears of it.
fn unheard() -> Fault {
    Fault::CutHead { bytes: 5, how: Close::Fin }
}

const KEY: &str = "dir/object.bin";
const SIZE: u64 = 3_000_000;
