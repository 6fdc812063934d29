//! Objects are written, and something goes wrong.

use super::{read, right, told, unheard};
use crate::rig::Rig;
use crate::trial::{Finding, Trial};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStoreExt as _, PutResult};
use ossget_testkit::{Content, Fault, On};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::new("a put that arrives damaged is no success", |rig| Box::pin(damaged_put(rig))),
        Trial::new("a part that arrives damaged is no success", |rig| Box::pin(damaged_part(rig))),
        Trial::new("a put that is answered by somebody in between is no success", |rig| {
            Box::pin(answered_by_another(rig))
        }),
        Trial::new("a put whose connection breaks is made again", |rig| Box::pin(broken_put(rig))),
        Trial::new("an upload that was finished unheard is found finished", |rig| {
            Box::pin(finished_unheard(rig))
        }),
        Trial::new("an object of more than 5 GiB is copied", |rig| Box::pin(large_copy(rig))),
    ]
}

fn path() -> Path {
    Path::from("written")
}

/// Wrong is what the service says to have got, which for a client is the same.
fn another_sum() -> Fault {
    Fault::WrongCrcHeader(42)
}

fn told_of(ended: Result<PutResult, Error>) -> Finding {
    match ended {
        Ok(_) => Finding::No("success".into()),
        Err(error) => Finding::Yes(told(&error)),
    }
}

async fn damaged_put(rig: &Rig) -> Finding {
    rig.store.put(&path(), "bytes".into()).await.expect("nothing goes wrong yet");
    rig.sim.fault(On::put().always(), another_sum());
    told_of(rig.store.put(&path(), "bytes".into()).await)
}

async fn damaged_part(rig: &Rig) -> Finding {
    upload(rig).await.expect("nothing goes wrong yet");
    rig.sim.fault(On::put().parameter("partNumber").always(), another_sum());
    told_of(upload(rig).await)
}

async fn answered_by_another(rig: &Rig) -> Finding {
    rig.store.put(&path(), "bytes".into()).await.expect("nothing goes wrong yet");
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<p>Log in";
    rig.sim.fault(On::put().always(), Fault::Raw(Bytes::from_static(page.as_bytes())));
    told_of(rig.store.put(&path(), "bytes".into()).await)
}

async fn broken_put(rig: &Rig) -> Finding {
    rig.sim.fault(On::put().nth(1), Fault::DropBeforeHead);
    if let Err(error) = rig.store.put(&path(), "bytes".into()).await {
        return Finding::No(told(&error));
    }
    right(read(rig, &path()).await, b"bytes")
}

async fn finished_unheard(rig: &Rig) -> Finding {
    rig.sim.fault(On::post().parameter("uploadId").nth(1), unheard());
    match upload(rig).await {
        Ok(_) => right(read(rig, &path()).await, &[PART, PART].concat()),
        Err(error) => Finding::No(told(&error)),
    }
}

async fn upload(rig: &Rig) -> Result<PutResult, Error> {
    let mut upload: Box<dyn MultipartUpload> = rig.store.put_multipart(&path()).await?;
    for _ in 0..2 {
        upload.put_part(Bytes::from_static(PART).into()).await?;
    }
    upload.complete().await
}

async fn large_copy(rig: &Rig) -> Finding {
    let content = Content::generated(9, (5 << 30) + 5);
    rig.sim.put_object("large", content.clone());
    if let Err(error) = rig.store.copy(&Path::from("large"), &path()).await {
        return Finding::No(told(&error));
    }
    let copy = rig.sim.object("written").map(|copy| (copy.size(), copy.crc64()));
    Finding::same(copy, Some((content.size(), content.crc64())), "compared by size and CRC-64")
}

const PART: &[u8] = &[7; 200_000];
