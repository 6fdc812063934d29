//! A limit of bandwidth. Real time: how long something takes at least says enough, and a busy
//! machine cannot make it less.

use crate::rig::{BUCKET, KEY, Rig, assert_is};
use ossget::{Client, Object, Parallel, StaticCredentials};
use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

const RATE: u64 = 2_000_000;

/// As the rig's, with a limit of so many bytes a second.
fn limited(rig: &mut Rig, bytes_per_second: u64) {
    let credentials = StaticCredentials::access_key("id", "secret").unwrap();
    let builder = Client::builder(rig.sim.endpoint(), credentials).region("cn-hangzhou");
    let limit = NonZeroU64::new(bytes_per_second).unwrap();
    rig.client = builder.bandwidth_limit(limit).build().unwrap();
}

/// So many bytes at `RATE`, less the one chunk that may come at once.
fn least(bytes: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / RATE as f64 - 0.1)
}

#[tokio::test]
async fn all_that_a_client_fetches_shares_one_limit() {
    let mut rig = Rig::new(1_500_000).await;
    limited(&mut rig, RATE);
    let object = || Object::new(BUCKET, KEY).unwrap();
    let begun = Instant::now();
    let download = rig.download();
    let reading = rig.client.clone().read(object());
    let read = async {
        let mut reader = reading.open().await.unwrap();
        let mut bytes = 0;
        while let Some(chunk) = reader.chunk().await.unwrap() {
            bytes += chunk.len() as u64;
        }
        bytes
    };
    let (done, bytes) = tokio::join!(download.into_future(), read);
    assert!(begun.elapsed() >= least(3_000_000), "{:?}", begun.elapsed());
    assert_eq!((done.unwrap().attempts_failed, bytes), (0, 1_500_000));
    assert_is(&rig.path(), &rig.content);
}

#[tokio::test]
async fn small_objects_one_after_another_are_held_back_as_well() {
    let mut rig = Rig::new(400_000).await;
    limited(&mut rig, RATE);
    let begun = Instant::now();
    for name in ["a", "b", "c"] {
        let path = rig.dir.path().join(name);
        let done = rig.client.download(Object::new(BUCKET, KEY).unwrap(), &path).await.unwrap();
        assert_eq!(done.requests, 1);
        assert_is(&path, &rig.content);
    }
    assert!(begun.elapsed() >= least(1_200_000), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_the_service_makes_of_an_object_is_held_back_as_well() {
    let mut rig = Rig::new(1_000_000).await;
    limited(&mut rig, RATE);
    let begun = Instant::now();
    let done = rig.download().process("image/resize,w_100").await.unwrap();
    assert_eq!(done.bytes, 1_000_000);
    assert!(begun.elapsed() >= least(1_000_000), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_that_is_held_back_for_longer_than_its_patience_is_not_given_up() {
    let mut rig = Rig::new(300 << 10).await;
    // Each of three connections waits for 0.6 s between two reads of 16 KiB.
    limited(&mut rig, 80 << 10);
    let parallel = Parallel::Fixed(NonZeroU32::new(3).unwrap());
    let download = rig.download().parallel(parallel).read_timeout(Duration::from_millis(300));
    let done = download.await.unwrap();
    assert_eq!((done.attempts_failed, done.requests), (0, 3));
    assert!(done.elapsed >= Duration::from_millis(3_500), "{:?}", done.elapsed);
    assert_is(&rig.path(), &rig.content);
}
