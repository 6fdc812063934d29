//! A scripted server with one object, a folder, and the library between them.

use ossget::{
    Client, Credentials, DirectIo, Download, Downloaded, Durability, Endpoint, Error, Object,
    OssSource, Parallel, PartSize, Signing, StaticCredentials,
};
use ossget_fs::NativeFileSystem;
use ossget_testkit::scripted::{Authority, Certificate, Exchange, Script, ScriptedServer};
use ossget_testkit::{Content, On};
use ossget_transport::{HyperTransport, Limits};
use std::fs;
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "examplebucket";
pub(crate) const KEY: &str = "dir/object.bin";
/// The smallest part there may be.
pub(crate) const PART: u64 = 100 << 10;

pub(crate) struct Rig {
    pub(crate) server: ScriptedServer,
    pub(crate) patience: Patience,
    dir: TempDir,
}

/// How long the client waits for what.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) head: Duration,
    pub(crate) read: Duration,
    /// Without any progress.
    pub(crate) total: Duration,
}

impl Default for Patience {
    /// More than any test needs.
    fn default() -> Self {
        let long = Duration::from_secs(60);
        Self { connect: long, head: long, read: long, total: long }
    }
}

impl Rig {
    pub(crate) fn new(size: u64) -> Self {
        Self::of(ScriptedServer::start(Content::generated(7, size)).unwrap())
    }

    pub(crate) fn tls(size: u64) -> Self {
        let server = ScriptedServer::builder(Content::generated(7, size));
        Self::of(server.tls(authority(), Certificate::Good).start().unwrap())
    }

    pub(crate) fn of(server: ScriptedServer) -> Self {
        Self { server, patience: Patience::default(), dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn size(&self) -> u64 {
        self.server.content().size()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("object.bin")
    }

    /// A download in the smallest parts by four connections, with a client of its own.
    pub(crate) fn download(&self) -> Download {
        download_from(&self.server.endpoint(), self.path(), self.patience)
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The GETs so far.
    pub(crate) fn gets(&self) -> Vec<Exchange> {
        let all = self.server.exchanges().into_iter();
        all.filter(|exchange| exchange.method == "GET").collect()
    }

    /// Asserts that the destination holds the object and nothing lies beside it.
    pub(crate) fn assert_downloaded(&self) {
        let found = fs::read(self.path()).unwrap();
        assert!(found == self.server.content().window(0..self.size()), "wrong bytes");
        assert_eq!(self.files(), ["object.bin"]);
    }

    /// Puts something at the destination that a failed download must not touch.
    pub(crate) fn put_old(&self) {
        fs::write(self.path(), OLD).unwrap();
    }

    pub(crate) fn assert_untouched(&self) {
        assert_eq!(fs::read(self.path()).unwrap(), OLD);
    }

    /// Asserts that a checkpoint and a partial file lie beside the untouched destination.
    pub(crate) fn assert_kept(&self, error: &Error) {
        self.assert_untouched();
        assert!(error.is_resumable(), "{}", in_full(error));
        let files = self.files();
        assert_eq!(files.len(), 3, "{files:?}");
        assert!(files[0].ends_with(".ossget") && files[2].ends_with(".part"), "{files:?}");
    }

    /// Asserts that nothing but the untouched destination is left.
    pub(crate) fn assert_nothing_kept(&self) {
        self.assert_untouched();
        assert_eq!(self.files(), ["object.bin"]);
    }

    /// Asserts that there is a partial file to which no byte has been written.
    pub(crate) fn assert_nothing_written(&self) {
        self.assert_not_written(0..self.size());
    }

    /// Asserts that there is a partial file to which none of these bytes has been written. No
    /// part of the object is zeros.
    pub(crate) fn assert_not_written(&self, range: Range<u64>) {
        let files = self.files();
        let partial = files.iter().find(|name| name.ends_with(".part"));
        let partial = partial.unwrap_or_else(|| panic!("no partial file: {files:?}"));
        let bytes = fs::read(self.dir.path().join(partial)).unwrap();
        assert_eq!(bytes.len() as u64, self.size(), "all of it is reserved");
        let bytes = &bytes[range.start as usize..range.end as usize];
        assert!(bytes.iter().all(|byte| *byte == 0), "something was written");
    }

    /// Downloads with all GETs answered by `script`, and returns the error.
    pub(crate) async fn refused_always(&self, script: Script) -> Error {
        self.put_old();
        self.server.script(On::get().always(), script);
        let error = self.download().await.expect_err("it cannot succeed");
        self.assert_untouched();
        error
    }

    /// Downloads with the first GET answered by `script`, which must be got over.
    pub(crate) async fn recovered(&self, script: Script) -> Downloaded {
        self.server.script(On::get(), script);
        let done = self.download().await;
        let done = done.unwrap_or_else(|error| panic!("{}", in_full(&error)));
        self.assert_downloaded();
        done
    }

    /// How often the range that was asked for most often was asked for.
    pub(crate) fn most_asked(&self) -> usize {
        let starts: Vec<u64> =
            self.gets().iter().map(|get| get.range.clone().unwrap().start).collect();
        let count = |start| starts.iter().filter(|other| *other == start).count();
        starts.iter().map(count).max().unwrap_or(0)
    }

    /// How many probes there were.
    pub(crate) fn heads(&self) -> usize {
        self.server.exchanges().iter().filter(|exchange| exchange.method == "HEAD").count()
    }

    /// Downloads from the server as it should be, after a failed run, and asserts that only what
    /// was missing is fetched, which is at most `missing` bytes.
    pub(crate) async fn finish(&self, missing: u64) {
        self.server.clear_scripts();
        // A request of the failed run may still be on its way: it is none of the next one's.
        self.server.cut_off();
        self.server.restore();
        self.server.clear_exchanges();
        let patience = Patience::default();
        let done = download_from(&self.server.endpoint(), self.path(), patience).await.unwrap();
        self.assert_downloaded();
        let sent: u64 = self.gets().iter().map(|get| get.sent).sum();
        assert_eq!(done.fetched_bytes, sent);
        assert_eq!(done.resumed_bytes + done.fetched_bytes, self.size());
        assert!(done.fetched_bytes <= missing, "{} > {missing}", done.fetched_bytes);
    }
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

/// A download of the object from this endpoint in the smallest parts, by a client of its own.
pub(crate) fn download_from(endpoint: &str, path: PathBuf, patience: Patience) -> Download {
    download_by(&client_of(endpoint, patience), path, patience)
}

/// A download of the object by this client in the smallest parts.
pub(crate) fn download_by(client: &Client, path: PathBuf, patience: Patience) -> Download {
    client
        .download(Object::new(BUCKET, KEY).unwrap(), path)
        .part_size(PartSize::kib(100).unwrap())
        // Past the page cache a prefix is kept to whole blocks only: `download/direct.rs`.
        .direct_io(DirectIo::Off)
        .parallel(connections(4))
        // No fault of the network is about the disk, and syncs are slow.
        .durability(Durability::Process)
        .read_timeout(patience.read)
        .retry_max_time(patience.total)
}

/// A client that trusts the tests' authority.
pub(crate) fn client_of(endpoint: &str, patience: Patience) -> Client {
    let endpoint = Endpoint::parse(endpoint).unwrap();
    let tls = !endpoint.is_plaintext();
    let mut transport = HyperTransport::builder();
    if tls {
        transport = transport.extra_ca_file(authority_file()).unwrap();
    }
    let transport = Arc::new(transport.build().unwrap());
    let signing = Signing::v4(&endpoint, Some("cn-hangzhou")).unwrap();
    let credentials = StaticCredentials::new(Credentials::new("testid", "testsecret").unwrap());
    let source = OssSource::builder(transport, endpoint, signing, Arc::new(credentials))
        .limits(Limits::new(patience.connect, patience.head))
        .build()
        .unwrap();
    Client::with_source(Arc::new(source), Arc::new(NativeFileSystem::default()))
}

pub(crate) fn connections(count: u32) -> Parallel {
    Parallel::Fixed(NonZeroU32::new(count).unwrap())
}

/// The authority that all tests trust.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new().unwrap())
}

/// The file with the authority's certificate.
fn authority_file() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        authority().write_pem(folder.path().join("ca.pem")).unwrap();
        folder
    });
    folder.path().join("ca.pem")
}

/// An error with all that lies beneath it.
pub(crate) fn in_full(error: &Error) -> String {
    let mut text = format!("{:?}: {error}", error.kind());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// The bytes that at least one of these responses delivered, in order.
pub(crate) fn delivered(gets: &[Exchange]) -> Vec<Range<u64>> {
    let sent = |get: &Exchange| get.range.clone().map(|range| range.start..range.start + get.sent);
    let mut sorted: Vec<_> = gets.iter().filter_map(sent).collect();
    sorted.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

const OLD: &[u8] = b"what was there before";

/// A response with an error document of the service's, for the rest of which its headers are.
pub(crate) fn refusal(status: &str, code: &str, headers: &str) -> Script {
    let document = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    Script::raw(raw(status, headers, &document))
}

/// A response of exactly this.
pub(crate) fn raw(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

/// A head with another value, or without the header where that is empty.
pub(crate) fn with_header(head: &str, name: &str, value: &str) -> String {
    let start = format!("{}: ", name.to_ascii_lowercase());
    let mut lines: Vec<String> = head
        .trim_end()
        .split("\r\n")
        .filter(|line| !line.to_ascii_lowercase().starts_with(&start))
        .map(str::to_owned)
        .collect();
    if !value.is_empty() {
        lines.push(format!("{name}: {value}"));
    }
    lines.join("\r\n") + "\r\n\r\n"
}

/// The right response with this header, or without it where the value is empty.
pub(crate) fn header(name: &'static str, value: impl Into<String>) -> Script {
    let value = value.into();
    Script::head(move |head| with_header(head, name, &value))
}
