//! Reads with conditions.

use super::{object, refused};
use crate::rig::Rig;
use crate::trial::{Finding, Trial};
use chrono::{DateTime, TimeDelta, Utc};
use object_store::{GetOptions, ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::new("if_match of another ETag is Precondition", |rig| {
            Box::pin(asked(rig, |_| GetOptions::new().with_if_match(Some("other")), "Precondition"))
        }),
        Trial::new("if_none_match of the same ETag is NotModified", |rig| {
            let options = |meta: &ObjectMeta| GetOptions::new().with_if_none_match(etag(meta));
            Box::pin(asked(rig, options, "NotModified"))
        }),
        Trial::new("if_modified_since later is NotModified", |rig| {
            let options = |meta: &ObjectMeta| GetOptions::new().with_if_modified_since(later(meta));
            Box::pin(asked(rig, options, "NotModified"))
        }),
        Trial::new("if_unmodified_since earlier is Precondition", |rig| {
            Box::pin(asked(rig, unmodified, "Precondition"))
        }),
        Trial::new("head: if_none_match of the same ETag is NotModified", |rig| {
            let head = |meta: &ObjectMeta| {
                GetOptions::new().with_head(true).with_if_none_match(etag(meta))
            };
            Box::pin(asked(rig, head, "NotModified"))
        }),
        Trial::new("head: if_unmodified_since earlier is Precondition", |rig| {
            Box::pin(asked(rig, |meta| unmodified(meta).with_head(true), "Precondition"))
        }),
    ]
}

/// Conditions on the time may also be refused as a whole, as the suite has it.
async fn asked(rig: &Rig, options: fn(&ObjectMeta) -> GetOptions, kind: &str) -> Finding {
    let (path, _) = object(rig).await;
    let meta = match rig.store.head(&path).await {
        Ok(meta) => meta,
        Err(error) => return Finding::No(super::told(&error)),
    };
    let options = options(&meta);
    let is_of_time = options.if_modified_since.or(options.if_unmodified_since).is_some();
    let kinds = if is_of_time { vec![kind, "NotSupported"] } else { vec![kind] };
    refused(rig.store.get_opts(&path, options).await, &kinds)
}

fn etag(meta: &ObjectMeta) -> Option<String> {
    meta.e_tag.clone()
}

fn unmodified(meta: &ObjectMeta) -> GetOptions {
    GetOptions::new().with_if_unmodified_since(Some(meta.last_modified - HOURS))
}

fn later(meta: &ObjectMeta) -> Option<DateTime<Utc>> {
    Some(meta.last_modified + HOURS)
}

const HOURS: TimeDelta = TimeDelta::hours(10);
