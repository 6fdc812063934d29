//! Parts of an object are read.

use super::{SIZE, never_wrong, object, other, right};
use crate::rig::Rig;
use crate::trial::{Finding, Known, Trial};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStoreExt as _};
use ossget_testkit::{Content, Fault, On};
use std::ops::Range;
use std::time::Duration;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::new("get_opts: a range that is answered with 200 and everything", |rig| {
            Box::pin(by_get_opts(rig, Fault::IgnoreRange))
        }),
        Trial::new("get_ranges: a range that is answered with 200 and everything", |rig| {
            Box::pin(by_get_ranges(rig, Fault::IgnoreRange))
        }),
        Trial::new("get_opts: a range that is answered with a shorter one", |rig| {
            Box::pin(by_get_opts(rig, Fault::ShortRange { bytes: 10 }))
        }),
        Trial::new("get_ranges: a range that is answered with a shorter one", |rig| {
            Box::pin(by_get_ranges(rig, Fault::ShortRange { bytes: 10 }))
        }),
        Trial::new("a range that is answered with another one is no success", |rig| {
            Box::pin(by_get_opts(rig, Fault::WrongContentRange))
        }),
        Trial::new("a range of which a byte is damaged on the way is no success", |rig| {
            Box::pin(by_get_opts(rig, Fault::FlipByte { at: RANGE.start + 5 }))
        })
        // OSS states the sum of the whole object only.
        .known(Known::Cannot),
        Trial::new("ranges of one get_ranges are of one content", |rig| {
            Box::pin(of_one_content(rig))
        }),
        Trial::new("ranges close together are one request", |rig| Box::pin(close_together(rig))),
        Trial::new("get_range: beyond the end is an error", |rig| {
            Box::pin(beyond(rig, One::Range))
        }),
        Trial::new("get_ranges: beyond the end is an error", |rig| {
            Box::pin(beyond(rig, One::Ranges))
        }),
        Trial::new("get_ranges: what is beyond the end is left out", |rig| Box::pin(tail(rig))),
    ]
}

async fn get_opts(rig: &Rig, path: &Path, range: Range<u64>) -> Result<Bytes, Error> {
    use object_store::ObjectStore as _;
    let got = rig.store.get_opts(path, GetOptions::new().with_range(Some(range))).await?;
    got.bytes().await
}

async fn get_ranges(rig: &Rig, path: &Path, range: Range<u64>) -> Result<Bytes, Error> {
    use object_store::ObjectStore as _;
    let mut got = rig.store.get_ranges(path, &[range]).await?;
    Ok(got.remove(0))
}

async fn by_get_opts(rig: &Rig, fault: Fault) -> Finding {
    let (path, content) = object(rig).await;
    rig.sim.fault(On::get().always(), fault);
    never_wrong(get_opts(rig, &path, RANGE).await, &content.window(RANGE))
}

async fn by_get_ranges(rig: &Rig, fault: Fault) -> Finding {
    let (path, content) = object(rig).await;
    rig.sim.fault(On::get().always(), fault);
    never_wrong(get_ranges(rig, &path, RANGE).await, &content.window(RANGE))
}

async fn of_one_content(rig: &Rig) -> Finding {
    use object_store::ObjectStore as _;
    let (path, content) = object(rig).await;
    // After the first range was answered: both are asked for at once.
    let second = || On::get().range_start(|start| start > 0).nth(1);
    rig.sim.fault(second(), Fault::Latency(Duration::from_millis(500)));
    rig.sim.fault(second(), Fault::ReplaceObjectNow(other()));
    let ranges = [0..1_000, SIZE - 1_000..SIZE];
    let got = rig.store.get_ranges(&path, &ranges).await.map(|got| got.concat().into());
    let both = |of: &Content| ranges.iter().flat_map(|range| of.window(range.clone())).collect();
    let (before, after): (Vec<u8>, Vec<u8>) = (both(&content), both(&other()));
    match &got {
        Ok(got) if *got == after => Finding::Yes("the bytes of the other object".into()),
        _ => never_wrong(got, &before),
    }
}

async fn close_together(rig: &Rig) -> Finding {
    use object_store::ObjectStore as _;
    let (path, _) = object(rig).await;
    let ranges = [0..10, 900_000..900_010, 1_500_000..1_500_010];
    let got = rig.store.get_ranges(&path, &ranges).await;
    let count = rig.requests("GET");
    Finding::same((got.is_ok(), count), (true, 1), format!("{count} of them"))
}

#[derive(Clone, Copy)]
enum One {
    Range,
    Ranges,
}

async fn beyond(rig: &Rig, one: One) -> Finding {
    let (path, _) = object(rig).await;
    let range = SIZE + 5..SIZE + 10;
    let got = match one {
        One::Range => rig.store.get_range(&path, range).await,
        One::Ranges => get_ranges(rig, &path, range).await,
    };
    match got {
        Ok(got) => Finding::No(format!("success with {} bytes", got.len())),
        Err(error) => Finding::Yes(super::told(&error)),
    }
}

/// What the trait says of `get_ranges`, as of `get_range`: the end may be beyond the object's.
async fn tail(rig: &Rig) -> Finding {
    let (path, content) = object(rig).await;
    let got = get_ranges(rig, &path, SIZE - 10..SIZE + 10).await;
    right(got, &content.window(SIZE - 10..SIZE))
}

const RANGE: Range<u64> = 1_000..1_100;
