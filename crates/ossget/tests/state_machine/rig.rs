//! Two servers with the same object, a folder, and what can be done to them.

use crate::{Damage, check};
use ossget::{Client, Credentials, Download, Downloaded, Error, Object, StaticCredentials};
use ossget_testkit::{Content, Fault, On, Simulator};
use proptest::test_runner::TestCaseError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::future::IntoFuture as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BUCKET: &str = "examplebucket";
const KEY: &str = "dir/object.bin";

/// Two servers with the same object, and a folder.
pub(crate) struct Rig {
    servers: Vec<(Simulator, Client)>,
    pub(crate) dir: TempDir,
    pub(crate) content: Content,
    /// What the destination must hold; nothing before the first success.
    published: Option<Content>,
    seed: u64,
    /// Whether a damaged checkpoint may have left a partial file that nobody knows.
    orphans: bool,
    /// Bytes that runs have kept of earlier ones.
    pub(crate) resumed: u64,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let mut servers = Vec::new();
        for _ in 0..2 {
            let server =
                Simulator::builder().bucket(BUCKET).credentials("id", "secret").start().await;
            let credentials = Credentials::new("id", "secret").expect("legal credentials");
            let client = Client::builder(server.endpoint(), StaticCredentials::new(credentials))
                .region("cn-hangzhou")
                .build();
            servers.push((server, client.expect("a client")));
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let content = Content::generated(0, 0);
        let (published, seed, orphans, resumed) = (None, 0, false, 0);
        let mut rig = Self { servers, dir, content, published, seed, orphans, resumed };
        rig.overwrite(2_000_003);
        rig
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("object.bin")
    }

    pub(crate) fn overwrite(&mut self, size: u64) {
        self.seed += 1;
        self.content = Content::generated(self.seed, size);
        for (server, _) in &self.servers {
            server.put_object(KEY, self.content.clone());
        }
    }

    /// A download that waits for what an earlier one may still be finishing.
    pub(crate) fn download(&self, server: usize) -> Download {
        self.unlocked();
        let object = Object::new(BUCKET, KEY).expect("a legal key");
        let download = self.servers[server].1.download(object, self.path());
        download.wait_lock(Duration::from_secs(30))
    }

    /// Waits until nobody holds the checkpoint: a dropped download may be writing its last slots.
    fn unlocked(&self) {
        let Some(path) = self.find(".ossget") else { return };
        let Ok(file) = File::open(path) else { return };
        let deadline = Instant::now() + Duration::from_secs(60);
        while matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            assert!(Instant::now() < deadline, "a run that is over keeps its lock");
            std::thread::yield_now();
        }
    }

    /// Requests from `start` on are refused.
    pub(crate) fn refuse(&self, server: usize, start: u64) {
        let on = On::get().range_start(move |at| at >= start).always();
        self.servers[server].0.fault(on, Fault::status(403, "AccessDenied"));
    }

    /// The server is well again.
    pub(crate) fn recover(&self, server: usize) {
        self.servers[server].0.clear_faults();
    }

    /// Runs a download until it asks for something from `start` on, which is never answered.
    async fn until(
        &self,
        server: usize,
        download: &mut (impl Future<Output = Result<Downloaded, Error>> + Unpin),
        start: u64,
    ) -> Option<Result<Downloaded, Error>> {
        let server = &self.servers[server].0;
        server.clear_requests();
        server.fault(On::get().range_start(move |at| at >= start).always(), Fault::StallBeforeHead);
        let asked = async {
            let from = |range: &str| {
                let first = range.strip_prefix("bytes=")?.split_once('-')?.0;
                first.parse::<u64>().ok()
            };
            while !server.requests().iter().any(|request| {
                request.method == "GET"
                    && request.range.as_deref().and_then(from).is_some_and(|at| at >= start)
            }) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            result = download => Some(result),
            () = asked => None,
        }
    }

    pub(crate) async fn cancel(
        &self,
        server: usize,
        download: Download,
        start: u64,
    ) -> Option<Result<Downloaded, Error>> {
        let handle = download.handle();
        let mut download = download.into_future();
        match self.until(server, &mut download, start).await {
            Some(result) => Some(result),
            None => {
                handle.cancel();
                Some(download.await)
            }
        }
    }

    pub(crate) async fn drop_midway(
        &self,
        server: usize,
        download: Download,
        start: u64,
    ) -> Option<Result<Downloaded, Error>> {
        let mut download = download.into_future();
        self.until(server, &mut download, start).await
    }

    fn find(&self, ending: &str) -> Option<PathBuf> {
        let entries = fs::read_dir(self.dir.path()).expect("a readable folder");
        let mut paths = entries.map(|entry| entry.expect("a readable folder").path());
        paths.find(|path| path.to_string_lossy().ends_with(ending))
    }

    pub(crate) fn damage(&mut self, damage: Damage, place: u16) {
        self.unlocked();
        let checkpoint = matches!(
            damage,
            Damage::CheckpointFlipped | Damage::CheckpointTruncated | Damage::CheckpointDeleted
        );
        let Some(path) = self.find(if checkpoint { ".ossget" } else { ".part" }) else { return };
        let file = OpenOptions::new().read(true).write(true).open(&path).expect("openable");
        let len = file.metadata().expect("a file").len();
        let at = u64::from(place) * len / 65_536;
        match damage {
            Damage::Zeroed => {
                let zeros = vec![0; usize::try_from((len - at).min(150_000)).expect("short")];
                file.write_all_at(&zeros, at).expect("writable");
            }
            Damage::Flipped => flip(&file, at, len),
            // The major version is refused, not healed, if it is an unknown one.
            Damage::CheckpointFlipped => {
                self.orphans = true;
                flip(&file, at.max(10), len);
            }
            Damage::CheckpointTruncated => {
                self.orphans = true;
                file.set_len(at).expect("can be cut");
            }
            Damage::Truncated => file.set_len(at).expect("can be cut"),
            Damage::Extended => file.write_all_at(b"more", len).expect("writable"),
            Damage::CheckpointDeleted => {
                self.orphans = true;
                fs::remove_file(&path).expect("removable");
            }
            Damage::Deleted => fs::remove_file(&path).expect("removable"),
            Damage::Copied => {
                let copy = self.dir.path().join("copy");
                fs::copy(&path, &copy).expect("can be copied");
                fs::rename(&copy, &path).expect("can be renamed");
            }
            Damage::Swapped => {
                fs::remove_file(&path).expect("removable");
                let other = Content::generated(u64::from(place) + 1_000, len);
                fs::write(&path, other.window(0..len)).expect("writable");
            }
        }
    }

    /// Whether the destination already holds the present object.
    pub(crate) fn published(&self) -> bool {
        self.published.as_ref().is_some_and(|published| published.etag() == self.content.etag())
    }

    pub(crate) fn published_now(&mut self) {
        self.published = Some(self.content.clone());
    }

    /// After a success nothing lies beside the destination.
    pub(crate) fn assert_alone(&self) -> Result<(), TestCaseError> {
        let alone = self.find(".part").is_none() && self.find(".ossget").is_none();
        check(alone || self.orphans, "something is left beside the destination")
    }

    /// The destination holds what the last success put there.
    pub(crate) fn assert_destination(&self) -> Result<(), TestCaseError> {
        let found = fs::read(self.path()).ok();
        let wanted = self.published.as_ref().map(|it| it.window(0..it.size()));
        check(found == wanted, "the destination holds a wrong file")?;
        let names: Vec<_> = fs::read_dir(self.dir.path()).expect("a readable folder").collect();
        check(names.len() <= 3 || self.orphans, "more than one partial file and one checkpoint")
    }
}

fn flip(file: &File, at: u64, len: u64) {
    if at < len {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("readable");
        file.write_all_at(&[byte[0] ^ 1], at).expect("writable");
    }
}
