//! One connection: its requests, and the scripts that answer them.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::answer::Answer;
use super::script::{Ending, Script, Step};
use super::server::Shared;
use crate::call::{Call, HostNames};

/// One request and how it was answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// Which connection it came on, from 0.
    pub connection: u64,
    /// When it had arrived, since the server was started.
    pub at: Duration,
    /// The method.
    pub method: String,
    /// The request line and the headers as sent, signatures included.
    pub head: String,
    /// The range asked for; none without one of the form `bytes=a-b`.
    pub range: Option<Range<u64>>,
    /// The status of the right answer.
    pub status: u16,
    /// Bytes of the right body, foreign and flipped ones included, handed to the operating system.
    pub sent: u64,
}

/// The exchanges so far.
#[derive(Debug)]
pub(super) struct Log {
    started: Instant,
    exchanges: Mutex<Exchanges>,
}

#[derive(Debug, Default)]
struct Exchanges {
    /// How many have been forgotten.
    forgotten: usize,
    kept: Vec<Exchange>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), exchanges: Mutex::default() }
    }

    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        self.lock().kept.clone()
    }

    pub(super) fn clear(&self) {
        let mut all = self.lock();
        all.forgotten += all.kept.len();
        all.kept.clear();
    }

    fn begin(&self, exchange: Exchange) -> usize {
        let mut all = self.lock();
        all.kept.push(Exchange { at: self.started.elapsed(), ..exchange });
        all.forgotten + all.kept.len() - 1
    }

    /// A log that was cleared meanwhile has lost the exchange.
    fn change(&self, index: usize, change: impl FnOnce(&mut Exchange)) {
        let mut all = self.lock();
        let index = index.checked_sub(all.forgotten);
        if let Some(exchange) = index.and_then(|index| all.kept.get_mut(index)) {
            change(exchange);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Exchanges> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Whether a connection can take another request.
enum After {
    Open,
    Over,
}

pub(super) struct Connection {
    stream: Stream,
    number: u64,
    shared: Arc<Shared>,
    /// Not yet sent: what belongs together leaves in one write.
    pending: Vec<u8>,
    flip_next: bool,
}

impl Connection {
    pub(super) fn new(stream: Stream, number: u64, shared: Arc<Shared>) -> Self {
        Self { stream, number, shared, pending: Vec::new(), flip_next: false }
    }

    /// Answers requests until the connection is over.
    pub(super) async fn serve(&mut self) -> io::Result<()> {
        while let Some(head) = self.request().await? {
            let Some(call) = read_call(&head) else { return Ok(()) };
            let serial = self.shared.serial();
            let answer = Answer::new(&self.shared.content, &call, serial);
            let index = self.shared.log.begin(Exchange {
                connection: self.number,
                at: Duration::ZERO,
                method: call.method.to_string(),
                range: call.header("range").and_then(parse_range),
                status: answer.status.as_u16(),
                sent: 0,
                head,
            });
            let script = self.shared.scripts.take(&call).into_iter().next();
            let script = script.unwrap_or_else(|| Script::new([Step::Rest]));
            if let After::Over = self.play(&script, answer, index).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Ends the connection with a reset.
    pub(super) fn reset(self) {
        let _ = self.stream.tcp().set_zero_linger();
    }

    /// The next request's head, or `None` when the client has closed.
    async fn request(&mut self) -> io::Result<Option<String>> {
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            let mut more = [0; 4096];
            let many = match &mut self.stream {
                Stream::Plain(stream) => stream.read(&mut more).await?,
                Stream::Tls(stream) => stream.read(&mut more).await?,
            };
            if many == 0 {
                return Ok(None);
            }
            read.extend_from_slice(&more[..many]);
        }
        Ok(Some(String::from_utf8_lossy(&read).into_owned()))
    }

    async fn play(&mut self, script: &Script, mut answer: Answer, log: usize) -> io::Result<After> {
        if let Some(edit) = &script.head {
            answer.head = edit(&answer.head);
        }
        let mut at = 0;
        for step in &*script.steps {
            match step {
                Step::Send(bytes) => self.pending.extend_from_slice(bytes),
                Step::UpTo(place) => {
                    at = self.advance(&answer, (at, answer.index(*place)), log).await?;
                }
                Step::Rest => at = self.advance(&answer, (at, answer.len()), log).await?,
                Step::Flip => {
                    self.flip_next = true;
                    at = self.advance(&answer, (at, at + 1), log).await?;
                }
                Step::FlipNext => self.flip_next = true,
                Step::Foreign { from, bytes } => {
                    let foreign = self.shared.content.window(*from..from + bytes);
                    self.pending.extend(foreign);
                    self.count(&answer, (at, at + bytes), log);
                    at += bytes;
                }
                Step::Drip { to, bytes, every } => {
                    while at < answer.index(*to) {
                        let next = (at + bytes).min(answer.index(*to));
                        at = self.advance(&answer, (at, next), log).await?;
                        self.flush().await?;
                        tokio::time::sleep(*every).await;
                    }
                }
                Step::Flood(bytes) => loop {
                    self.pending.extend_from_slice(bytes);
                    self.flush().await?;
                },
                Step::Pause(time) => {
                    self.flush().await?;
                    tokio::time::sleep(*time).await;
                }
                Step::Stall => {
                    self.flush().await?;
                    std::future::pending::<()>().await;
                }
                Step::End(ending) => {
                    self.flush().await?;
                    self.end(*ending).await?;
                    return Ok(After::Over);
                }
            }
        }
        self.flush().await?;
        Ok(After::Open)
    }

    /// Sends the right response between two places; returns the second.
    async fn advance(
        &mut self,
        answer: &Answer,
        (mut at, end): (u64, u64),
        log: usize,
    ) -> io::Result<u64> {
        while at < end {
            let next = end.min(at + PIECE);
            let mut bytes = answer.bytes(at..next);
            if std::mem::take(&mut self.flip_next)
                && let Some(first) = bytes.first_mut()
            {
                *first ^= 1;
            }
            self.pending.extend(bytes);
            // Counted before it is sent: who has read it all finds it all in the log.
            self.count(answer, (at, next), log);
            at = next;
            if self.pending.len() as u64 >= 2 * PIECE {
                self.flush().await?;
            }
        }
        Ok(at)
    }

    fn count(&self, answer: &Answer, (start, end): (u64, u64), log: usize) {
        let head = answer.head_len();
        let body = end.saturating_sub(head) - start.saturating_sub(head);
        self.shared.log.change(log, |exchange| exchange.sent += body);
    }

    async fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(&self.pending).await?,
            Stream::Tls(stream) => {
                stream.write_all(&self.pending).await?;
                stream.flush().await?;
            }
        }
        self.pending.clear();
        Ok(())
    }

    async fn end(&mut self, ending: Ending) -> io::Result<()> {
        match (ending, &mut self.stream) {
            (Ending::Fin | Ending::Cut, Stream::Plain(stream)) => stream.shutdown().await?,
            (Ending::Fin, Stream::Tls(stream)) => stream.shutdown().await?,
            (Ending::Cut, Stream::Tls(stream)) => stream.get_mut().0.shutdown().await?,
            (Ending::Rst, stream) => {
                // A reset discards what the kernel has not delivered yet; give it the time to.
                tokio::time::sleep(RESET_DELAY).await;
                return stream.tcp().set_zero_linger();
            }
        }
        // To close with unread bytes would be a reset: wait for the client to leave.
        while self.request().await.is_ok_and(|request| request.is_some()) {}
        Ok(())
    }
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// The request that a head makes, if it is one.
fn read_call(head: &str) -> Option<Call> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let mut request = http::Request::builder().method(words.next()?).uri(words.next()?);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(()).ok()?.into_parts();
    let names = HostNames(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]);
    Call::read(&parts, &names, |_| false).ok()
}

fn parse_range(header: &str) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
}

const PIECE: u64 = 64 << 10;
const RESET_DELAY: Duration = Duration::from_millis(50);
