//! One request, from head to reply.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{DATE, SERVER};
use http::{HeaderName, Method, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use crate::account::Accounts;
use crate::buckets;
use crate::call::{Call, HostNames};
use crate::clock::{self, Clock};
use crate::content::upper_hex;
use crate::control;
use crate::deletion;
use crate::fault::{Fault, FaultScript};
use crate::log::{LiveRecord, RequestLog};
use crate::operations::{self, Arrival, not_allowed};
use crate::pace::Pace;
use crate::refusal::Refusal;
use crate::reply::{self, Reply, ResponseBody};
use crate::store::{NewObject, Place, Store};
use crate::terms::{Payer, traffic_limit};
use crate::wire::Wire;

/// Everything the connections of a simulator share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) region: String,
    pub(crate) names: HostNames,
    pub(crate) store: Store,
    pub(crate) accounts: Accounts,
    pub(crate) clock: Clock,
    pub(crate) script: FaultScript,
    pub(crate) log: Arc<RequestLog>,
    /// The rate of all connections together.
    pub(crate) total_pace: Arc<Pace>,
    /// The rate of each connection by itself.
    pub(crate) each_pace: Arc<Pace>,
    pub(crate) control: Control,
    pub(crate) payer: Payer,
    pub(crate) requests: AtomicU64,
}

/// Whether other processes may steer the simulator over HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Control {
    /// The paths below `/-/sim/` are keys like any other.
    #[default]
    Closed,
    /// Requests to `/-/sim/...` steer the simulator.
    Open,
}

impl Service {
    /// Answers one request; an error closes the connection without a response.
    pub(crate) async fn answer(
        self: Arc<Self>,
        wire: Arc<Wire>,
        connection: u64,
        request: Request<Incoming>,
    ) -> io::Result<Response<ResponseBody>> {
        let (head, body) = request.into_parts();
        if self.control == Control::Open && head.uri.path().starts_with(control::PREFIX) {
            let reply = match collect(body).await? {
                Ok(body) => control::answer(&self, &head, &body),
                Err(refusal) => Reply::refuse(&refusal, &head.method, "", ""),
            };
            let body = ResponseBody::new(reply.body, &[], None);
            let mut response = Response::new(body);
            *response.status_mut() = reply.status;
            *response.headers_mut() = reply.headers;
            return Ok(response);
        }
        let call = match Call::read(&head, &self.names, |name| self.store.has_bucket(name)) {
            Ok(call) => call,
            Err(refusal) => return Ok(self.refuse_unread(&wire, connection, &head, &refusal)),
        };
        let record = self.log.begin(connection, &call);
        let mut faults = self.script.take(&call);
        if let Ok(Some(bytes_per_second)) = traffic_limit(&call) {
            faults.push(Fault::Trickle { bytes_per_second, after: 0 });
        }
        self.interfere(&call, &faults).await?;
        let mut reply = self.reply(&call, &record, &faults, body).await?;
        faults.iter().for_each(|fault| reply.distort(fault));
        record.set_status(reply.status.as_u16());
        let guard = wire.begin(record, reply::wire_plan(&faults));
        Ok(reply.into_response(&call.method, &faults, guard))
    }

    /// Does what faults do before the request is looked at.
    async fn interfere(&self, call: &Call, faults: &[Fault]) -> io::Result<()> {
        for fault in faults {
            match fault {
                Fault::Latency(delay) => tokio::time::sleep(*delay).await,
                Fault::DropBeforeHead => return Err(io::ErrorKind::ConnectionAborted.into()),
                Fault::StallBeforeHead => std::future::pending().await,
                Fault::ReplaceObjectNow(content) => {
                    if let (Some(bucket), Some(key)) = (&call.bucket, &call.key) {
                        self.put(bucket, key, content.clone());
                    }
                }
                Fault::DeleteObjectNow => {
                    if let (Some(bucket), Some(key)) = (&call.bucket, &call.key) {
                        self.store.delete(bucket, key, None);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The service's answer, or the scripted error, with the headers all have.
    async fn reply(
        &self,
        call: &Call,
        record: &LiveRecord,
        faults: &[Fault],
        body: Incoming,
    ) -> io::Result<Reply> {
        let request_id = self.next_id();
        // Also what is refused: while it still sends, a client sees the end and not the refusal.
        let body = match call.method {
            Method::PUT | Method::POST => collect(body).await?,
            _ => Ok(Bytes::new()),
        };
        let scripted = reply::scripted_error(faults);
        if let Some(refusal) = scripted.as_ref().filter(|refusal| refusal.code.is_empty()) {
            return Ok(reply::foreign_error(refusal));
        }
        let outcome = match scripted {
            Some(refusal) => Err(refusal),
            None => match self.accounts.check(call, self.clock.now()) {
                Ok(form) => {
                    record.set_signature(form);
                    // Only now: a signature may cover the range.
                    body.and_then(|body| self.act(&without_ignored(call, faults), body))
                }
                Err(refusal) => Err(refusal),
            },
        };
        let mut reply = outcome.unwrap_or_else(|refusal| {
            Reply::refuse(&refusal, &call.method, &request_id, &call.host)
        });
        self.stamp(&mut reply, &request_id);
        Ok(reply)
    }

    /// What an authorised request does.
    fn act(&self, call: &Call, body: Bytes) -> Result<Reply, Refusal> {
        let Some(bucket) = call.bucket.as_deref() else {
            return match call.method {
                Method::GET => Ok(buckets::list_buckets(&self.store, &self.region)),
                _ => Err(not_allowed(call)),
            };
        };
        if !self.store.has_bucket(bucket) {
            return Err(Refusal::no_such_bucket(bucket));
        }
        self.payer.check(call)?;
        traffic_limit(call)?;
        let key = call.key.as_deref().unwrap_or_default();
        let place = Place { bucket, key };
        let arrival = Arrival { store: &self.store, call, place, body, now: self.clock.now() };
        if !key.is_empty() {
            return operations::on_object(&arrival);
        }
        match call.method {
            Method::GET => buckets::read(&self.store, call, bucket, &self.region),
            Method::POST if call.parameter("delete").is_some() => {
                deletion::delete_multiple(&arrival)
            }
            _ => Err(not_allowed(call)),
        }
    }

    /// Puts an object in place without a request; its version id, if versions are kept.
    pub(crate) fn put(&self, bucket: &str, key: &str, content: crate::Content) -> Option<String> {
        let new = NewObject::plain(content, self.clock.now());
        self.store.put(bucket, key, new).version.clone()
    }

    /// A request that cannot even be read is refused and logged by its target alone.
    fn refuse_unread(
        &self,
        wire: &Wire,
        connection: u64,
        head: &http::request::Parts,
        refusal: &Refusal,
    ) -> Response<ResponseBody> {
        let call = Call {
            method: head.method.clone(),
            host: String::new(),
            path: head.uri.path().to_owned(),
            bucket: None,
            key: None,
            query: Vec::new(),
            headers: head.headers.clone(),
        };
        let request_id = self.next_id();
        let mut reply = Reply::refuse(refusal, &head.method, &request_id, "");
        self.stamp(&mut reply, &request_id);
        let record = self.log.begin(connection, &call);
        record.set_status(reply.status.as_u16());
        let guard = wire.begin(record, reply::wire_plan(&[]));
        reply.into_response(&head.method, &[], guard)
    }

    fn stamp(&self, reply: &mut Reply, request_id: &str) {
        reply.set(SERVER, "AliyunOSS");
        reply.set(DATE, &clock::http_date(self.clock.now()));
        reply.set(HeaderName::from_static("x-oss-request-id"), request_id);
        reply.set(HeaderName::from_static("x-oss-server-time"), "1");
        reply.set(http::header::CONNECTION, "keep-alive");
    }

    /// 24 upper-case hex digits, like the service's.
    fn next_id(&self) -> String {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        let seconds = self.clock.now().as_second().to_be_bytes();
        let mixed = count.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        format!("{}{}", upper_hex(&seconds[4..]), upper_hex(&mixed))
    }
}

/// The request as the service takes it when it overlooks a header.
fn without_ignored<'a>(call: &'a Call, faults: &[Fault]) -> Cow<'a, Call> {
    let mut call = Cow::Borrowed(call);
    if faults.iter().any(|fault| matches!(fault, Fault::IgnoreRange)) {
        call.to_mut().headers.remove(http::header::RANGE);
    }
    call
}

/// The body, unless it is too large; an error is a client that left.
async fn collect(body: Incoming) -> io::Result<Result<Bytes, Refusal>> {
    let too_large =
        || Refusal::entity_too_large("Your proposed upload exceeds the maximum allowed size.");
    if body.size_hint().lower() > MAX_BODY {
        return Ok(Err(too_large()));
    }
    let limit = usize::try_from(MAX_BODY).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(Ok(collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(Err(too_large())),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// What a body may hold: a larger object is uploaded in parts.
const MAX_BODY: u64 = 5 << 30;
