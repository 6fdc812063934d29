//! What must not be replaced.

use super::{read, refused, told, unheard};
use crate::rig::{Rig, Setting};
use crate::trial::{Finding, Known, Trial};
use object_store::path::Path;
use object_store::{CopyMode, CopyOptions, Error, ObjectStore as _};
use object_store::{PutMode, PutOptions, PutResult};
use ossget_testkit::{Content, Fault, On};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::new("PutMode::Create does not replace", |rig| Box::pin(create(rig))),
        Trial::new("of eight PutMode::Create at once one is first", |rig| Box::pin(race(rig))),
        Trial::new(
            "PutMode::Create whose answer is lost is not taken for somebody else's",
            |rig| Box::pin(lost(rig)),
        ),
        Trial::new("PutMode::Create that is throttled once is made again", |rig| {
            Box::pin(throttled(rig))
        }),
        Trial::new("PutMode::Create does not replace in a bucket with versions", |rig| {
            Box::pin(create(rig))
        })
        .within(Setting::Versions)
        // OSS does not heed it there.
        .known(Known::Cannot),
        Trial::new("PutMode::Update is refused, and nothing is replaced", |rig| {
            Box::pin(update(rig))
        }),
        Trial::new("CopyMode::Create copies, but does not replace", |rig| Box::pin(copy(rig))),
    ]
}

async fn put_new(rig: &Rig, path: &Path, text: &'static str) -> Result<PutResult, Error> {
    rig.store.put_opts(path, text.into(), PutOptions::from(PutMode::Create)).await
}

/// Whether an attempt on `to`, which is there, was refused and has left it as it was.
async fn is_kept(rig: &Rig, attempt: Finding) -> Finding {
    match read(rig, &Path::from(TO)).await {
        Ok(kept) if kept == BEFORE => attempt,
        Ok(_) => Finding::No(format!("the object was replaced ({})", attempt.reason())),
        Err(error) => Finding::No(told(&error)),
    }
}

async fn create(rig: &Rig) -> Finding {
    rig.sim.put_object(TO, Content::bytes(BEFORE));
    let attempt = put_new(rig, &Path::from(TO), "after").await;
    is_kept(rig, refused(attempt, &["AlreadyExists"])).await
}

async fn update(rig: &Rig) -> Finding {
    rig.sim.put_object(TO, Content::bytes(BEFORE));
    let version =
        PutResult { e_tag: Some("\"0\"".into()), version: None, extensions: Default::default() };
    let mode = PutMode::Update(version.into());
    let attempt = rig.store.put_opts(&Path::from(TO), "after".into(), mode.into()).await;
    is_kept(rig, refused(attempt, &["NotImplemented", "NotSupported"])).await
}

async fn copy(rig: &Rig) -> Finding {
    rig.sim.put_object(TO, Content::bytes(BEFORE));
    rig.sim.put_object("from", Content::bytes("after"));
    let mode = CopyOptions::new().with_mode(CopyMode::Create);
    let from = Path::from("from");
    if let Err(error) = rig.store.copy_opts(&from, &Path::from("new"), mode.clone()).await {
        return Finding::No(told(&error));
    }
    let attempt = rig.store.copy_opts(&from, &Path::from(TO), mode).await;
    is_kept(rig, refused(attempt, &["AlreadyExists"])).await
}

async fn race(rig: &Rig) -> Finding {
    let path = Path::from("lock");
    let ended = futures::future::join_all((0..8).map(|_| put_new(rig, &path, "mine"))).await;
    let first = ended.iter().filter(|ended| ended.is_ok()).count();
    let late = ended.iter().filter(|ended| matches!(ended, Err(Error::AlreadyExists { .. })));
    let late = late.count();
    Finding::same((first, late), (1, 7), format!("{first} first, {late} told that they were not"))
}

/// Whoever is told `AlreadyExists` believes that another holds the lock.
async fn lost(rig: &Rig) -> Finding {
    put_new(rig, &Path::from("another"), "mine").await.expect("nothing goes wrong yet");
    rig.sim.fault(On::put().nth(1), unheard());
    match put_new(rig, &Path::from("lock"), "mine").await {
        Err(error @ Error::AlreadyExists { .. }) => Finding::No(told(&error)),
        Err(error) => Finding::Yes(told(&error)),
        Ok(_) => Finding::Yes("success".into()),
    }
}

async fn throttled(rig: &Rig) -> Finding {
    rig.sim.fault(On::put().nth(1), Fault::status(503, "ServiceUnavailable"));
    match put_new(rig, &Path::from("lock"), "mine").await {
        Ok(_) => Finding::Yes(format!("{} requests", rig.requests("PUT"))),
        Err(error) => Finding::No(told(&error)),
    }
}

const TO: &str = "to";
const BEFORE: &str = "before";
