//! Steering by other processes: JSON over HTTP, below `/-/sim/`.

use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::content::Content;
use crate::refusal::Refusal;
use crate::reply::{Reply, ReplyBody};
use crate::service::Service;
use crate::spec::FaultSpec;

/// What the paths of control requests begin with.
pub(crate) const PREFIX: &str = "/-/sim/";

/// Answers a control request.
pub(crate) fn answer(service: &Service, head: &http::request::Parts, body: &[u8]) -> Reply {
    let outcome = match (&head.method, &head.uri.path()[PREFIX.len()..]) {
        (&Method::GET, "requests") => Ok(json!(service.log.records())),
        (&Method::DELETE, "requests") => {
            service.log.clear();
            Ok(json!({}))
        }
        (&Method::DELETE, "faults") => {
            service.script.clear();
            Ok(json!({}))
        }
        (&Method::POST, "faults") => read(body).and_then(|order| add_fault(service, &order)),
        (&Method::POST, "object") => read(body).and_then(|order| put(service, order)),
        (&Method::POST, "throttle") => read(body).map(|order| throttle(service, &order)),
        (&Method::POST, "clock") => read(body).map(|ClockOrder { offset_seconds }| {
            service.clock.set_offset(offset_seconds);
            json!({})
        }),
        (&Method::POST, "expire-tokens") => {
            service.accounts.expire_tokens();
            Ok(json!({}))
        }
        _ => Err((StatusCode::NOT_FOUND, "no such control".to_owned())),
    };
    let (status, value) = match outcome {
        Ok(value) => (StatusCode::OK, value),
        Err((status, message)) => (status, json!({ "error": message })),
    };
    let mut reply = Reply::new(status);
    reply.set(CONTENT_TYPE, "application/json");
    reply.body = ReplyBody::Bytes(value.to_string().into());
    reply
}

type Outcome = Result<serde_json::Value, (StatusCode, String)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    /// As on the command line.
    spec: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectOrder {
    bucket: String,
    key: String,
    /// The content itself, or none for a generated object.
    text: Option<String>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    seed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThrottleOrder {
    /// Of all connections together; null lifts the limit.
    total: Option<u64>,
    /// Of each connection; null lifts the limit.
    each: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockOrder {
    offset_seconds: i64,
}

fn add_fault(service: &Service, order: &FaultOrder) -> Outcome {
    let spec: FaultSpec = order.spec.parse().map_err(bad)?;
    service.script.add(spec.on, spec.fault);
    Ok(json!({}))
}

fn put(service: &Service, order: ObjectOrder) -> Outcome {
    if !service.store.has_bucket(&order.bucket) {
        let refusal = Refusal::no_such_bucket(&order.bucket);
        return Err((refusal.status, refusal.message));
    }
    let content = match order.text {
        Some(text) => Content::bytes(text),
        None => Content::generated(order.seed, order.size),
    };
    let (etag, crc64) = (content.etag(), content.crc64());
    let version = service.put(&order.bucket, &order.key, content);
    Ok(json!({ "etag": etag, "crc64": crc64.to_string(), "version_id": version }))
}

fn throttle(service: &Service, order: &ThrottleOrder) -> serde_json::Value {
    service.total_pace.set(order.total);
    service.each_pace.set(order.each);
    json!({})
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(bad)
}

fn bad(error: impl std::fmt::Display) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, error.to_string())
}
