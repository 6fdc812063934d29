//! A part of the program that panics, where that does not end the process.

use crate::memory::{DESTINATION, Memory};
use crate::rig::{BUCKET, KEY};
use async_trait::async_trait;
use bytes::Bytes;
use ossget::{
    ByteRange, Client, Download, ErrorKind, Object, ObjectIdentity, RangeBody, Source, SourceError,
};
use ossget_fs::NativeFileSystem;
use ossget_testkit::file_system::{
    Disk, Observer, Operation, SectorSizes, SimulatedFileSystem, Step, Target,
};
use ossget_transport::{Body, BodyStream, TransportError};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const OLD: &[u8] = b"what was there before";
const PART: u64 = 100 << 10;
/// For what must come, however slow the machine is.
const LONG: Duration = Duration::from_secs(60);

/// A source that panics somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Panicking {
    Probe,
    Request,
    Body,
}

#[async_trait]
impl Source for Panicking {
    async fn probe(&self, _: &Object) -> Result<ObjectIdentity, SourceError> {
        assert_ne!(*self, Self::Probe, "on purpose");
        Ok(ObjectIdentity::new(4 * PART).etag("\"1\""))
    }

    async fn get_range(
        &self,
        _: &Object,
        range: ByteRange,
        _: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        assert_ne!(*self, Self::Request, "on purpose");
        Ok(RangeBody { granted: range, body: Body::new(*self), held_back: false })
    }
}

#[async_trait]
impl BodyStream for Panicking {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        panic!("on purpose")
    }
}

fn download(source: impl Source, path: &Path) -> Download {
    let client = Client::with_source(Arc::new(source), Arc::new(NativeFileSystem::default()));
    client.download(Object::new(BUCKET, KEY).unwrap(), path)
}

async fn ends_as_broken(download: Download, what: &str) {
    let ended = tokio::time::timeout(LONG, download.into_future()).await;
    let error = ended.unwrap_or_else(|_| panic!("{what}: it does not end")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{what}: {error}");
    let cause = std::error::Error::source(&error).expect("the panic");
    assert!(cause.to_string().contains("panic"), "{what}: {cause}");
}

/// Faults: 107.
#[tokio::test]
async fn a_panic_of_the_source_ends_the_download_with_an_error_and_lets_go_of_the_destination() {
    for source in [Panicking::Probe, Panicking::Request, Panicking::Body] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("object.bin");
        fs::write(&path, OLD).unwrap();
        ends_as_broken(download(source, &path), &format!("{source:?}")).await;
        assert_eq!(fs::read(&path).unwrap(), OLD, "{source:?}");

        // Its threads may take a moment to end.
        let object = Memory::new(PART, 4);
        object.let_arrive(object.size());
        let client = Client::with_source(object.clone(), Arc::new(NativeFileSystem::default()));
        let next = client.download(Object::new(BUCKET, KEY).unwrap(), &path).wait_lock(LONG);
        let done = next.await.unwrap_or_else(|error| panic!("{source:?}: {error}"));
        assert_eq!((done.bytes, done.crc64), (object.size(), object.crc64()), "{source:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{source:?}");
    }
}

/// A file system that panics where this is done to the partial file.
#[derive(Debug, Clone, Copy)]
struct PanickingAt(Operation);

impl Observer for PanickingAt {
    fn before(&self, step: &Step) {
        assert!(step.target != Target::Partial || step.operation != self.0, "on purpose");
    }
}

/// Faults: 107.
#[tokio::test]
async fn a_panic_of_the_file_system_ends_the_download_with_an_error_and_lets_go_of_the_destination()
{
    for operation in [Operation::Create, Operation::Write, Operation::Rename] {
        let sizes = SectorSizes { checkpoint: 4096, data: 4096 };
        let disk = Disk::new(sizes).with_file(DESTINATION, OLD);
        let object = Memory::new(PART, 4);
        object.let_arrive(object.size());
        let broken = SimulatedFileSystem::on(disk).observed(Arc::new(PanickingAt(operation)));
        ends_as_broken(object.download(&broken, 2), &format!("{operation}")).await;
        assert_eq!(broken.disk().read(DESTINATION).unwrap(), OLD, "{operation}");

        // Returns only once nothing is locked or open any more.
        let closing = broken.clone();
        tokio::task::spawn_blocking(move || closing.wait_until_closed()).await.unwrap();
        let mended = SimulatedFileSystem::on(broken.disk());
        let done = object.download(&mended, 2).await.unwrap();
        assert_eq!(done.crc64, object.crc64(), "{operation}");
        assert_eq!(mended.disk().names("/simulated/folder").len(), 1, "{operation}");
    }
}

/// Faults: 107.
#[tokio::test]
async fn a_panic_in_a_commit_ends_the_download_with_an_error_and_lets_go_of_the_destination() {
    let sizes = SectorSizes { checkpoint: 4096, data: 4096 };
    let object = Memory::new(PART, 4);
    object.let_arrive(object.size());
    let disk = Disk::new(sizes).with_file(DESTINATION, OLD);
    let panicking = Arc::new(PanickingAt(Operation::SyncData));
    let broken = SimulatedFileSystem::on(disk).observed(panicking);
    let ended = tokio::time::timeout(LONG, object.download(&broken, 2).into_future()).await;
    let error = ended.expect("nobody waits for what never comes").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert_eq!(broken.disk().read(DESTINATION).unwrap(), OLD);

    let mended = SimulatedFileSystem::on(broken.disk());
    let done = object.download(&mended, 2).await.unwrap();
    assert_eq!((done.resumed_bytes, done.crc64), (0, object.crc64()));
}
