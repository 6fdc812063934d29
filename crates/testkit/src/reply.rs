//! Responses before they are sent.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::content::Content;
use crate::fault::Fault;
use crate::pace::Pace;
use crate::refusal::{self, Refusal};
use crate::wire::{BodyGuard, WirePlan};

/// A response whose body is not on its way yet.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody,
    pub(crate) length: Length,
}

/// Where a body comes from.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    Empty,
    Bytes(Bytes),
    Object { content: Content, range: Range<u64> },
}

impl ReplyBody {
    fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Object { range, .. } => range.end - range.start,
        }
    }
}

impl Reply {
    pub(crate) fn new(status: StatusCode) -> Self {
        let (headers, body) = (HeaderMap::new(), ReplyBody::Empty);
        Self { status, headers, body, length: Length::Stated }
    }

    pub(crate) fn xml(document: String) -> Self {
        let mut reply = Self::new(StatusCode::OK);
        reply.set(CONTENT_TYPE, "application/xml");
        reply.body = ReplyBody::Bytes(document.into());
        reply
    }

    /// The service's form of a refusal: a document, or a header when there can be no body.
    pub(crate) fn refuse(refusal: &Refusal, method: &Method, request_id: &str, host: &str) -> Self {
        let mut reply = Self::new(refusal.status);
        let document = refusal.xml(request_id, host);
        for (name, value) in &refusal.headers {
            reply.set(HeaderName::from_static(name), value);
        }
        if refusal.status == StatusCode::NOT_MODIFIED {
            return reply;
        }
        reply.set(HeaderName::from_static("x-oss-ec"), refusal.ec());
        if *method == Method::HEAD {
            let encoded = refusal::header_form(&document);
            reply.set(HeaderName::from_static("x-oss-err"), &encoded);
        } else {
            reply.set(CONTENT_TYPE, "application/xml");
            reply.body = ReplyBody::Bytes(document.into());
        }
        reply
    }

    /// Sets a header; a value that cannot stand in one is left out.
    pub(crate) fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.headers.insert(name, value);
        }
    }

    /// Applies what a fault does to the response's meaning.
    pub(crate) fn distort(&mut self, fault: &Fault) {
        match fault {
            Fault::WrongCrcHeader(crc) => self.set(CRC64, &crc.to_string()),
            Fault::NoCrcHeader => {
                self.headers.remove(CRC64);
            }
            Fault::WrongETag => self.set(ETAG, "\"00000000000000000000000000000000\""),
            Fault::Header { name, value } => {
                let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return };
                match value {
                    Some(value) => self.set(name, value),
                    None => {
                        self.headers.remove(name);
                    }
                }
            }
            Fault::ShortRange { bytes } if self.status == StatusCode::PARTIAL_CONTENT => {
                if let ReplyBody::Object { range, .. } = &mut self.body {
                    range.end = range.end.min(range.start.saturating_add(*bytes));
                }
                self.set_content_range(0);
            }
            Fault::WrongContentRange if self.status == StatusCode::PARTIAL_CONTENT => {
                self.set_content_range(1);
            }
            _ => {}
        }
    }

    /// States the range sent, moved by `shift`.
    pub(crate) fn set_content_range(&mut self, shift: u64) {
        if let ReplyBody::Object { content, range } = &self.body {
            let (first, last) = (range.start + shift, (range.end + shift).saturating_sub(1));
            let text = format!("bytes {first}-{last}/{}", content.size());
            self.set(CONTENT_RANGE, &text);
        }
    }

    /// Makes the response that is sent.
    pub(crate) fn into_response(
        mut self,
        method: &Method,
        faults: &[Fault],
        guard: BodyGuard,
    ) -> http::Response<ResponseBody> {
        let is_chunked = self.length == Length::Hidden
            || faults.iter().any(|fault| matches!(fault, Fault::Chunked));
        let has_length = self.headers.contains_key(CONTENT_LENGTH);
        let is_silent = *method == Method::HEAD || self.status == StatusCode::NOT_MODIFIED;
        if *method == Method::HEAD && !has_length && self.status.is_success() {
            self.headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.length()));
        }
        let body = if is_silent { ReplyBody::Empty } else { self.body };
        let body = ResponseBody::new(body, faults, guard);
        let body = if is_chunked { body.without_length() } else { body };
        let mut response = http::Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// An error the script asks for in place of the service's answer.
pub(crate) fn scripted_error(faults: &[Fault]) -> Option<Refusal> {
    faults.iter().find_map(|fault| {
        let Fault::Status { code, oss_code, retry_after } = fault else { return None };
        let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut refusal = Refusal::new(status, oss_code, "Injected by the fault script.");
        if let Some(value) = retry_after {
            refusal = refusal.header("retry-after", value);
        }
        Some(refusal)
    })
}

/// An error status without the service's document, as a proxy in between would send it.
pub(crate) fn foreign_error(refusal: &Refusal) -> Reply {
    let mut reply = Reply::new(refusal.status);
    let retry_after = refusal.headers.iter().find(|(name, _)| *name == RETRY_AFTER.as_str());
    if let Some((_, value)) = retry_after {
        reply.set(RETRY_AFTER, value);
    }
    reply.body = ReplyBody::Bytes(Bytes::from_static(b"injected by the fault script\n"));
    reply
}

/// What the faults of a request do to the connection.
pub(crate) fn wire_plan(faults: &[Fault]) -> WirePlan {
    let mut plan = WirePlan::default();
    for fault in faults {
        match fault {
            Fault::CutAfter { bytes, how } => plan.cut_body = Some((*bytes, *how)),
            Fault::CutHead { bytes, how } => plan.cut_head = Some((*bytes, *how)),
            Fault::StallAfter { bytes } => plan.stall_body = Some(*bytes),
            Fault::Trickle { bytes_per_second, after } => {
                plan.trickle = Some((*after, Pace::of(*bytes_per_second)));
            }
            Fault::Excess { bytes } => plan.excess = *bytes,
            Fault::Raw(bytes) => plan.raw = Some(bytes.clone()),
            _ => {}
        }
    }
    plan
}

/// A body on its way.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    body: ReplyBody,
    flips: Vec<u64>,
    shift: u64,
    pool: BytesMut,
    length: Length,
    _guard: Option<BodyGuard>,
}

/// Whether a response says beforehand how long its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Stated,
    Hidden,
}

impl ResponseBody {
    pub(crate) fn new(
        body: ReplyBody,
        faults: &[Fault],
        guard: impl Into<Option<BodyGuard>>,
    ) -> Self {
        let flips = faults.iter().filter_map(|fault| match fault {
            Fault::FlipByte { at } => Some(*at),
            _ => None,
        });
        let shift = faults.iter().find_map(|fault| match fault {
            Fault::WrongBytes { shift } => Some(*shift),
            _ => None,
        });
        Self {
            body,
            flips: flips.collect(),
            shift: shift.unwrap_or(0),
            pool: BytesMut::new(),
            length: Length::Stated,
            _guard: guard.into(),
        }
    }

    fn without_length(mut self) -> Self {
        self.length = Length::Hidden;
        self
    }

    /// The next piece of an object.
    fn produce(&mut self) -> io::Result<Option<Bytes>> {
        let ReplyBody::Object { content, range } = &mut self.body else {
            return Ok(None);
        };
        if range.is_empty() {
            return Ok(None);
        }
        let piece = range.start..range.end.min(range.start + PIECE);
        range.start = piece.end;
        let flips = self.flips.iter().filter(|at| piece.contains(at)).map(|at| at - piece.start);
        let flips: Vec<u64> = flips.collect();
        let bytes = if self.shift == 0 {
            content.piece(piece, &mut self.pool)?
        } else {
            shifted(content, piece, self.shift)?
        };
        if flips.is_empty() {
            return Ok(Some(bytes));
        }
        let mut damaged = Vec::from(bytes);
        for at in flips {
            damaged[at as usize] ^= 1;
        }
        Ok(Some(damaged.into()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let ReplyBody::Bytes(bytes) = &mut self.body {
            let bytes = std::mem::take(bytes);
            return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
        }
        Poll::Ready(self.produce().transpose().map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.length == Length::Stated && self.body.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Length::Stated => SizeHint::with_exact(self.body.length()),
            Length::Hidden => SizeHint::default(),
        }
    }
}

/// Bytes from further on in the object, going round at its end.
fn shifted(content: &Content, piece: Range<u64>, shift: u64) -> io::Result<Bytes> {
    let size = content.size();
    let mut bytes = vec![0; (piece.end - piece.start) as usize];
    let mut done = 0;
    while done < bytes.len() {
        let at = ((u128::from(piece.start) + done as u128 + u128::from(shift)) % u128::from(size))
            as u64;
        let length = (bytes.len() - done).min((size - at).min(PIECE) as usize);
        content.try_fill(at, &mut bytes[done..done + length])?;
        done += length;
    }
    Ok(bytes.into())
}

/// The header with the CRC-64 of the whole object.
pub(crate) const CRC64: HeaderName = HeaderName::from_static("x-oss-hash-crc64ecma");

const PIECE: u64 = 256 << 10;
