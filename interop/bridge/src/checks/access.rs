//! Who may, and by what signature; and what was before.

use super::{object, read, refused, right, told};
use crate::rig::{Rig, Setting};
use crate::trial::{Finding, Trial};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore as _, ObjectStoreExt as _};
use ossget_testkit::{Content, Fault, On};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::new("a bucket that takes no signature of version 1 is read and written", |rig| {
            Box::pin(new_bucket(rig))
        })
        .within(Setting::New),
        Trial::new("an older version is read", |rig| Box::pin(older(rig)))
            .within(Setting::Versions),
        Trial::new("who may not is PermissionDenied", |rig| {
            Box::pin(turned_away(rig, "AccessDenied", "PermissionDenied"))
        }),
        Trial::new("who is not known is Unauthenticated", |rig| {
            Box::pin(turned_away(rig, "InvalidAccessKeyId", "Unauthenticated"))
        }),
        Trial::new("an archived object is not NotFound", |rig| {
            Box::pin(turned_away(rig, "InvalidObjectState", "Generic"))
        }),
    ]
}

async fn new_bucket(rig: &Rig) -> Finding {
    let path = Path::from("new");
    if let Err(error) = rig.store.put(&path, "bytes".into()).await {
        return Finding::No(told(&error));
    }
    right(read(rig, &path).await, b"bytes")
}

async fn older(rig: &Rig) -> Finding {
    let version = rig.sim.put_object("kept", Content::bytes("old"));
    rig.sim.put_object("kept", Content::bytes("new"));
    let options = GetOptions::new().with_version(version);
    let got = match rig.store.get_opts(&Path::from("kept"), options).await {
        Ok(got) => got.bytes().await,
        Err(error) => Err(error),
    };
    right(got, b"old")
}

async fn turned_away(rig: &Rig, code: &str, kind: &str) -> Finding {
    let (path, _) = object(rig).await;
    rig.sim.fault(On::get().always(), Fault::status(403, code));
    refused(rig.store.get(&path).await, &[kind])
}
