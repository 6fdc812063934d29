//! A client, a simulator with one object, and a folder.

use ossget::{Client, Credentials, Download, Object, Parallel, PartSize, StaticCredentials};
use ossget_testkit::{Content, Fault, On, Simulator};
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "examplebucket";
pub(crate) const KEY: &str = "dir/object.bin";

/// A client, a simulator with one object, and a folder to download it to.
pub(crate) struct Rig {
    pub(crate) sim: Simulator,
    pub(crate) client: Client,
    pub(crate) dir: TempDir,
    pub(crate) content: Content,
}

impl Rig {
    pub(crate) async fn new(size: u64) -> Self {
        let sim = Simulator::builder().bucket(BUCKET).credentials("id", "secret").start().await;
        let content = Content::generated(7, size);
        sim.put_object(KEY, content.clone());
        let client = client_of(&sim);
        Self { sim, client, dir: tempfile::tempdir().expect("the rig stands"), content }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("object.bin")
    }

    pub(crate) fn download(&self) -> Download {
        self.client
            .download(Object::new(BUCKET, KEY).expect("the rig stands"), self.path())
            .part_size(PartSize::kib(100).expect("the rig stands"))
            .parallel(Parallel::Fixed(NonZeroU32::new(4).expect("the rig stands")))
    }

    /// Lets the service refuse the second half of the object, so that the download ends there;
    /// and do something else to every answer.
    pub(crate) async fn stop_half_way(
        &self,
        download: Download,
        faults: impl IntoIterator<Item = Fault>,
    ) {
        let half = self.content.size() / 2;
        let second_half = On::get().range_start(move |start| start >= half).always();
        self.sim.fault(second_half, Fault::status(403, "AccessDenied"));
        for fault in faults {
            self.sim.fault(On::any().always(), fault);
        }
        let error = download.await.expect_err("it is refused");
        assert!(error.is_resumable(), "{error:?}");
        // What the download gave up may still be on its way to the simulator.
        tokio::time::sleep(Duration::from_millis(100)).await;
        eventually("all answers end", || self.sim.requests().iter().all(|it| it.ended)).await;
        self.sim.clear_faults();
        self.sim.clear_requests();
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .expect("the rig stands")
            .map(|entry| {
                entry.expect("the rig stands").file_name().into_string().expect("the rig stands")
            })
            .collect();
        names.sort();
        names
    }

    pub(crate) fn gets(&self) -> Vec<(u64, u64)> {
        let ranges = self.sim.requests().into_iter().filter(|r| r.method == "GET");
        let mut ranges: Vec<_> =
            ranges.map(|r| range_of(&r.range.expect("the rig stands"))).collect();
        ranges.sort_unstable();
        ranges
    }
}

pub(crate) fn checkpoint_in(dir: &Path) -> PathBuf {
    file_in(dir, "ossget")
}

pub(crate) fn partial_in(dir: &Path) -> PathBuf {
    file_in(dir, "part")
}

fn file_in(dir: &Path, extension: &str) -> PathBuf {
    let names = fs::read_dir(dir).expect("a folder");
    let mut paths = names.map(|entry| entry.expect("a name").path());
    let fits = |path: &PathBuf| path.extension().is_some_and(|end| end == extension);
    paths.find(fits).expect("such a file")
}

/// A client with connections of its own.
pub(crate) fn client_of(sim: &Simulator) -> Client {
    let credentials =
        StaticCredentials::new(Credentials::new("id", "secret").expect("the rig stands"));
    let client = Client::builder(sim.endpoint(), credentials).region("cn-hangzhou").build();
    client.expect("the rig stands")
}

/// `bytes=a-b` as a half-open range.
fn range_of(header: &str) -> (u64, u64) {
    let (first, last) = header
        .strip_prefix("bytes=")
        .expect("the rig stands")
        .split_once('-')
        .expect("the rig stands");
    (first.parse().expect("the rig stands"), last.parse::<u64>().expect("the rig stands") + 1)
}

pub(crate) fn assert_is(path: &Path, content: &Content) {
    let bytes = fs::read(path).expect("the rig stands");
    assert!(bytes == content.window(0..content.size()), "wrong bytes in {}", path.display());
}

/// Waits until this holds; it must, in the end.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool + Send) {
    let polling = async move {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), polling).await.expect(what);
}
