//! Keys that are not quite paths, and paths that are not quite keys.

use super::{compared, read, told};
use crate::rig::Rig;
use crate::trial::{Finding, Trial};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _};
use ossget_testkit::Content;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::new("a%2Fb and a/b are two objects", |rig| Box::pin(two(rig))),
        Trial::new("a folder's mark, dir/, is not listed as an object", |rig| {
            Box::pin(listed(rig, "dir/"))
        }),
        Trial::new("a key that no path can be, a//b, is not listed as another one", |rig| {
            Box::pin(listed(rig, "a//b"))
        }),
    ]
}

async fn two(rig: &Rig) -> Finding {
    let paths = [Path::from_iter(["a/b"]), Path::from_iter(["a", "b"])];
    for (path, text) in paths.iter().zip(["first", "second"]) {
        if let Err(error) = rig.store.put(path, text.into()).await {
            return Finding::No(told(&error));
        }
    }
    match read(rig, &paths[0]).await {
        Ok(got) if got == "second" => Finding::No("the second has replaced the first".into()),
        Ok(got) => compared(&got, b"first"),
        Err(error) => Finding::No(told(&error)),
    }
}

/// Other tools make such keys. What is listed is asked for next, by whoever lists.
async fn listed(rig: &Rig, key: &str) -> Finding {
    for key in [key, "d"] {
        rig.sim.put_object(key, Content::bytes("x"));
    }
    let names = match names(rig).await {
        Ok(names) => names,
        Err(error) => return Finding::No(told(&error)),
    };
    for path in &names {
        if let Err(error) = read(rig, path).await {
            return Finding::No(format!("{path:?} is listed; {}", told(&error)));
        }
    }
    Finding::same(&*names, &[Path::from("d")], format!("{names:?} are listed"))
}

async fn names(rig: &Rig) -> Result<Vec<Path>, Error> {
    rig.store.list(None).map_ok(|meta| meta.location).try_collect().await
}
