//! The socket under HTTP: counts what leaves, holds it to a rate, and breaks off where told.
//!
//! Faults that concern bytes rather than meaning are done here, below hyper, so that they happen at
//! exactly the byte the script names whatever hyper buffers.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::fault::Close;
use crate::log::{LiveRecord, RequestLog};
use crate::pace::Pace;

/// What one response does to its connection.
#[derive(Debug, Default)]
pub(crate) struct WirePlan {
    pub(crate) cut_head: Option<(u64, Close)>,
    pub(crate) cut_body: Option<(u64, Close)>,
    pub(crate) stall_body: Option<u64>,
    /// From which byte of the body on which rate holds.
    pub(crate) trickle: Option<(u64, Pace)>,
    pub(crate) excess: u64,
    pub(crate) raw: Option<Bytes>,
}

/// One connection, as its requests and its socket share it.
#[derive(Debug)]
pub(crate) struct Wire {
    log: Arc<RequestLog>,
    exchange: Mutex<Option<Exchange>>,
}

impl Wire {
    pub(crate) fn new(log: Arc<RequestLog>) -> Self {
        Self { log, exchange: Mutex::new(None) }
    }

    /// Begins a response; the guard tells when hyper has taken all of its body.
    pub(crate) fn begin(&self, record: Arc<LiveRecord>, plan: WirePlan) -> BodyGuard {
        let body_taken = Arc::new(AtomicBool::new(false));
        let exchange = Exchange {
            record,
            plan,
            head: HeadScan::default(),
            head_sent: 0,
            body_sent: 0,
            body_taken: body_taken.clone(),
        };
        self.end();
        *self.lock() = Some(exchange);
        BodyGuard(body_taken)
    }

    fn end(&self) {
        if let Some(exchange) = self.lock().take() {
            self.log.end(&exchange.record);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Exchange>> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by a response body.
#[derive(Debug)]
pub(crate) struct BodyGuard(Arc<AtomicBool>);

impl Drop for BodyGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[derive(Debug)]
struct Exchange {
    record: Arc<LiveRecord>,
    plan: WirePlan,
    head: HeadScan,
    head_sent: u64,
    body_sent: u64,
    body_taken: Arc<AtomicBool>,
}

/// What may be written next.
enum Step {
    /// So much of the first non-empty buffer; the rate is the response's own.
    Some(usize),
    /// Bytes that take the response's place.
    Instead(Bytes),
    Nothing,
    Close(Close),
}

impl Exchange {
    /// Decides about a write of `first`.
    fn step(&self, first: &[u8]) -> Step {
        if let Some(raw) = &self.plan.raw {
            return match raw.is_empty() {
                true => Step::Close(Close::Fin),
                false => Step::Instead(raw.clone()),
            };
        }
        let mut allowed = first.len() as u64;
        if let Some(end) = self.head.end_in(first) {
            allowed = end;
            if let Some((at, how)) = self.plan.cut_head {
                allowed = allowed.min(at.saturating_sub(self.head_sent));
                if allowed == 0 {
                    return Step::Close(how);
                }
            }
            return Step::Some(allowed as usize);
        }
        if let Some((at, how)) = self.plan.cut_body {
            allowed = allowed.min(at.saturating_sub(self.body_sent));
            if allowed == 0 {
                return Step::Close(how);
            }
        }
        if let Some(at) = self.plan.stall_body {
            allowed = allowed.min(at.saturating_sub(self.body_sent));
            if allowed == 0 {
                return Step::Nothing;
            }
        }
        if let Some((after, _)) = &self.plan.trickle
            && self.body_sent < *after
        {
            allowed = allowed.min(after - self.body_sent);
        }
        Step::Some(allowed as usize)
    }

    /// Whether every write may pass as it is.
    fn is_plain(&self) -> bool {
        let WirePlan { cut_head, cut_body, stall_body, trickle, excess: _, raw } = &self.plan;
        cut_head.is_none()
            && cut_body.is_none()
            && stall_body.is_none()
            && trickle.is_none()
            && raw.is_none()
    }

    /// The response's own rate, where it applies.
    fn trickle(&self) -> Option<&Pace> {
        let (after, pace) = self.plan.trickle.as_ref()?;
        (self.head.is_over() && self.body_sent >= *after).then_some(pace)
    }

    /// Where the response stands once `length` bytes of `bufs` have been sent.
    fn after(&self, bufs: &[IoSlice<'_>], length: usize) -> (HeadScan, u64, u64) {
        let mut head = self.head;
        let (mut head_sent, mut body_sent) = (self.head_sent, self.body_sent);
        let mut left = length;
        for buf in bufs {
            let piece = &buf[..buf.len().min(left)];
            left -= piece.len();
            let of_head = head.advance(piece);
            head_sent += of_head;
            body_sent += piece.len() as u64 - of_head;
        }
        (head, head_sent, body_sent)
    }
}

/// Finds the empty line that ends the head.
#[derive(Debug, Clone, Copy, Default)]
struct HeadScan {
    /// How much of the end mark has been seen.
    matched: usize,
}

impl HeadScan {
    fn is_over(self) -> bool {
        self.matched == HEAD_END.len()
    }

    /// Takes bytes and returns how many of them belong to the head.
    fn advance(&mut self, bytes: &[u8]) -> u64 {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.is_over() {
                return index as u64;
            }
            self.matched = match byte == HEAD_END[self.matched] {
                true => self.matched + 1,
                false => usize::from(byte == HEAD_END[0]),
            };
        }
        bytes.len() as u64
    }

    /// How many of these bytes belong to the head; none when it is over already.
    fn end_in(mut self, bytes: &[u8]) -> Option<u64> {
        (!self.is_over()).then(|| self.advance(bytes))
    }
}

/// The socket of one connection.
#[derive(Debug)]
pub(crate) struct WireStream {
    stream: TcpStream,
    wire: Arc<Wire>,
    paces: [Arc<Pace>; 2],
    /// Bytes already booked with all rates.
    granted: u64,
    waiting: Option<Pin<Box<Sleep>>>,
    resetting: Option<Pin<Box<Sleep>>>,
}

impl WireStream {
    pub(crate) fn new(stream: TcpStream, wire: Arc<Wire>, paces: [Arc<Pace>; 2]) -> Self {
        Self { stream, wire, paces, granted: 0, waiting: None, resetting: None }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let wire = self.wire.clone();
        let mut guard = wire.lock();
        let Some(exchange) = guard.as_mut() else {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        };
        let is_paced = self.paces.iter().any(|pace| pace.chunk().is_some());
        if exchange.is_plain() && !is_paced {
            return self.poll_counted(cx, exchange, bufs);
        }
        let empty = IoSlice::new(&[]);
        let first = bufs.iter().find(|buf| !buf.is_empty()).unwrap_or(&empty);
        let allowed = match exchange.step(first) {
            Step::Some(allowed) => allowed,
            Step::Nothing => return Poll::Pending,
            Step::Close(how) => return self.poll_close(cx, how).map(Err),
            Step::Instead(raw) => {
                let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &raw))?;
                if let Some(raw) = &mut exchange.plan.raw {
                    raw.advance(sent);
                }
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        let allowed = ready!(self.poll_leave(cx, exchange, allowed));
        let sent = ready!(self.poll_counted(cx, exchange, &[IoSlice::new(&first[..allowed])]))?;
        self.granted = self.granted.saturating_sub(sent as u64);
        Poll::Ready(Ok(sent))
    }

    /// Writes and counts. The count is raised before the write, so that a client that has read
    /// everything never finds less in the log.
    fn poll_counted(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let before = exchange.body_sent;
        let whole = exchange.after(bufs, bufs.iter().map(|buf| buf.len()).sum());
        exchange.record.set_sent(whole.2);
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Ready(Ok(sent)) => {
                (exchange.head, exchange.head_sent, exchange.body_sent) =
                    exchange.after(bufs, sent);
                exchange.record.set_sent(exchange.body_sent);
                Poll::Ready(Ok(sent))
            }
            other => {
                exchange.record.set_sent(before);
                other
            }
        }
    }

    /// Waits until some of `wanted` bytes may be sent at the rates that hold.
    fn poll_leave(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
        wanted: usize,
    ) -> Poll<usize> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        let rates = || self.paces.iter().map(|pace| &**pace).chain(exchange.trickle());
        let Some(chunk) = rates().filter_map(Pace::chunk).min() else {
            return Poll::Ready(wanted);
        };
        if self.granted == 0 {
            let (now, bytes) = (Instant::now(), chunk.min(wanted as u64));
            let at = rates().map(|pace| pace.book(bytes, now)).max().unwrap_or(now);
            self.granted = bytes;
            if at > now {
                let mut sleep = Box::pin(tokio::time::sleep_until(at.into()));
                let poll = sleep.as_mut().poll(cx);
                if poll.is_pending() {
                    self.waiting = Some(sleep);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(wanted.min(self.granted as usize))
    }

    /// Ends the connection; what it returns makes hyper drop the socket.
    fn poll_close(&mut self, cx: &mut Context<'_>, how: Close) -> Poll<io::Error> {
        if how == Close::Rst {
            // A reset discards what the kernel has not sent yet; give it the time to.
            let delay = || Box::pin(tokio::time::sleep(RESET_DELAY));
            ready!(self.resetting.get_or_insert_with(delay).as_mut().poll(cx));
            if let Err(error) = self.stream.set_zero_linger() {
                return Poll::Ready(error);
            }
        }
        Poll::Ready(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the fault script"))
    }

    /// Does what is due when a whole response has left hyper.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.wire.clone();
        let mut guard = wire.lock();
        let Some(exchange) = guard.as_mut() else { return Poll::Ready(Ok(())) };
        if !exchange.head.is_over() || !exchange.body_taken.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        if let Some((at, how)) = exchange.plan.cut_body
            && at <= exchange.body_sent
        {
            return self.poll_close(cx, how).map(Err);
        }
        if exchange.plan.excess > 0 {
            while exchange.plan.excess > 0 {
                let length = EXCESS.len().min(exchange.plan.excess as usize);
                let bufs = [IoSlice::new(&EXCESS[..length])];
                exchange.plan.excess -= ready!(self.poll_counted(cx, exchange, &bufs))? as u64;
            }
            return self.poll_close(cx, Close::Fin).map(Err);
        }
        drop(guard);
        wire.end();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for WireStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for WireStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_ended(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for WireStream {
    fn drop(&mut self) {
        self.wire.end();
    }
}

const HEAD_END: &[u8; 4] = b"\r\n\r\n";
const EXCESS: &[u8; 4096] = &[b'X'; 4096];
const RESET_DELAY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_ends_with_its_empty_line_however_it_is_cut_up() {
        let response = b"HTTP/1.1 200 OK\r\r\na: b\r\n\r\n\r\n\r\nbody";
        let head = response.len() as u64 - 8;
        for cut in 0..response.len() {
            let mut scan = HeadScan::default();
            let (left, right) = response.split_at(cut);
            assert_eq!(scan.advance(left) + scan.advance(right), head, "cut at {cut}");
            assert!(scan.is_over());
        }
    }
}
