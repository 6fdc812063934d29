//! What was asked and what was sent.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::call::Call;
use crate::claim::SignatureForm;

/// One request and how it was answered.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RequestRecord {
    /// Position in the order of arrival, from 0.
    pub index: u64,
    /// Which connection it came on, from 0.
    pub connection: u64,
    /// When it arrived, in milliseconds since the simulator started.
    pub at_ms: u64,
    /// The method.
    pub method: String,
    /// The path as sent, byte for byte.
    pub path: String,
    /// The bucket, if any.
    pub bucket: Option<String>,
    /// The decoded key, if any.
    pub key: Option<String>,
    /// The query as sent, without the values of signatures and tokens.
    pub query: String,
    /// The `Range` header as sent.
    pub range: Option<String>,
    /// The `If-Match` header as sent.
    pub if_match: Option<String>,
    /// The `User-Agent` header as sent.
    pub user_agent: Option<String>,
    /// How the request was signed; none until that was checked, or when it was refused.
    pub signature: Option<SignatureForm>,
    /// The status sent, if any.
    pub status: Option<u16>,
    /// Bytes of the body handed to the operating system.
    pub sent: u64,
    /// Whether the response has come to its end, whichever way.
    pub ended: bool,
}

/// All requests so far.
#[derive(Debug)]
pub(crate) struct RequestLog {
    started: Instant,
    records: Mutex<Vec<Arc<LiveRecord>>>,
    file: Option<Mutex<File>>,
}

/// A record that is still being written.
#[derive(Debug)]
pub(crate) struct LiveRecord {
    fixed: Mutex<RequestRecord>,
    sent: AtomicU64,
    ended: AtomicBool,
}

impl RequestLog {
    /// A log that also writes each record to a file when its response has ended.
    pub(crate) fn new(file: Option<File>) -> Self {
        Self { started: Instant::now(), records: Mutex::default(), file: file.map(Mutex::new) }
    }

    pub(crate) fn begin(&self, connection: u64, call: &Call) -> Arc<LiveRecord> {
        let header = |name| call.header(name).map(str::to_owned);
        let mut records = lock(&self.records);
        let record = Arc::new(LiveRecord {
            fixed: Mutex::new(RequestRecord {
                index: records.len() as u64,
                connection,
                at_ms: millis(self.started.elapsed()),
                method: call.method.to_string(),
                path: call.path.clone(),
                bucket: call.bucket.clone(),
                key: call.key.clone(),
                query: redact(&call.query),
                range: header("range"),
                if_match: header("if-match"),
                user_agent: header("user-agent"),
                signature: None,
                status: None,
                sent: 0,
                ended: false,
            }),
            sent: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        records.push(record.clone());
        record
    }

    /// Marks a response as ended; only the first time counts.
    pub(crate) fn end(&self, record: &LiveRecord) {
        if record.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(file) = &self.file {
            let mut line =
                serde_json::to_string(&record.snapshot()).expect("a record has only string keys");
            line.push('\n');
            // A log that cannot be written must not change what the client sees.
            let _ = lock(file).write_all(line.as_bytes());
        }
    }

    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        lock(&self.records).iter().map(|record| record.snapshot()).collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.records).clear();
    }
}

impl LiveRecord {
    pub(crate) fn set_signature(&self, form: SignatureForm) {
        lock(&self.fixed).signature = Some(form);
    }

    pub(crate) fn set_status(&self, status: u16) {
        lock(&self.fixed).status = Some(status);
    }

    pub(crate) fn set_sent(&self, bytes: u64) {
        self.sent.store(bytes, Ordering::Release);
    }

    fn snapshot(&self) -> RequestRecord {
        let mut record = lock(&self.fixed).clone();
        record.ended = self.ended.load(Ordering::Acquire);
        record.sent = self.sent.load(Ordering::Acquire);
        record
    }
}

/// Signatures and tokens stay out of logs that end up in reports.
fn redact(query: &[(String, String)]) -> String {
    const SECRET: [&str; 4] =
        ["x-oss-signature", "x-oss-security-token", "Signature", "security-token"];
    let shown = query.iter().map(|(name, value)| match value.as_str() {
        "" => (name.clone(), String::new()),
        _ if SECRET.contains(&name.as_str()) => (name.clone(), "redacted".to_owned()),
        value => (name.clone(), value.to_owned()),
    });
    ossget_sign::encode_query(&shown.collect::<Vec<_>>())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
