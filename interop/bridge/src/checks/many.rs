//! Many objects, and how many requests they take.

use super::told;
use crate::rig::Rig;
use crate::trial::{Finding, Trial};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectStore as _;
use object_store::path::Path;
use ossget_testkit::Content;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::new("1,000 objects are deleted by one request", |rig| Box::pin(deleted(rig))),
        Trial::new("1,000 objects are listed by one request", |rig| Box::pin(listed(rig))),
    ]
}

fn thousand(rig: &Rig) -> Vec<Path> {
    let keys = (0..1_000).map(|at| format!("p/{at:04}"));
    keys.inspect(|key| _ = rig.sim.put_object(key, Content::bytes("x"))).map(Path::from).collect()
}

async fn deleted(rig: &Rig) -> Finding {
    let paths = stream::iter(thousand(rig)).map(Ok).boxed();
    let deleted: Vec<Path> = match rig.store.delete_stream(paths).try_collect().await {
        Ok(deleted) => deleted,
        Err(error) => return Finding::No(told(&error)),
    };
    seen(rig, deleted.len())
}

async fn listed(rig: &Rig) -> Finding {
    thousand(rig);
    match rig.store.list(None).try_collect::<Vec<_>>().await {
        Ok(listed) => seen(rig, listed.len()),
        Err(error) => Finding::No(told(&error)),
    }
}

fn seen(rig: &Rig, objects: usize) -> Finding {
    let requests = rig.sim.requests().len();
    Finding::same(
        (objects, requests),
        (1_000, 1),
        format!("{objects} objects, {requests} requests"),
    )
}
