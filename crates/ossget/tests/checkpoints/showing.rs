//! What `show` tells of a destination.

use crate::rig::{BUCKET, ELSEWHERE, KEY, PART, Rig, SIZE, in_parts, leave, len};
use ossget::checkpoint::{CheckpointSummary, Holder, show};
use ossget::{Client, ErrorKind, ObjectUrl};
use std::error::Error as _;
use std::fs;
use std::os::unix::fs::symlink;

fn shown(rig: &Rig, name: &str) -> CheckpointSummary {
    show(&rig.at(name), None).unwrap().expect("a checkpoint")
}

#[tokio::test]
async fn everything_that_a_checkpoint_records_is_told() {
    let rig = Rig::new().await;
    let left = rig.unfinished("a").await;
    let told = shown(&rig, "a");
    assert_eq!(told.checkpoint_path, left.checkpoint);
    assert_eq!(told.destination, Some(rig.at("a")));
    assert_eq!(told.source, format!("oss://{BUCKET}/{KEY}"));
    assert_eq!((&*told.bucket, &*told.key), (BUCKET, KEY));
    assert_eq!(told.version_id.as_ref(), Some(&rig.version_id));
    assert_eq!(told.etag.as_deref(), Some(&*rig.content.etag()));
    assert_eq!(told.crc64, Some(rig.content.crc64()));
    assert_eq!((told.bytes_total, told.part_size, told.parts), (SIZE, PART, 10));
    assert_eq!(Some(&*told.partial_name), left.partial.file_name().unwrap().to_str());
    assert_eq!(told.partial_len, Some(len(&left.partial)));
    assert_eq!(told.in_use, Holder::Nobody);
}

#[tokio::test]
async fn the_bytes_that_are_told_as_recorded_are_those_that_the_next_run_keeps() {
    let rig = Rig::new().await;
    rig.unfinished("a").await;
    let told = shown(&rig, "a");
    assert!((1..10).contains(&told.parts_recorded), "{}", told.parts_recorded);
    assert_eq!(told.bytes_recorded, u64::from(told.parts_recorded) * PART);
    let done = rig.download("a").await.unwrap();
    assert_eq!(done.resumed_bytes, told.bytes_recorded);
}

#[tokio::test]
async fn a_url_is_told_without_its_query() {
    let rig = Rig::new().await;
    let key = format!("{BUCKET}/dir/a%20b.bin");
    let url = format!("{}/{key}?token=secret", rig.sim.endpoint());
    let url: ObjectUrl = url.parse().unwrap();
    let client = Client::of_url(url.clone()).build().unwrap();
    rig.stop_half_way(in_parts(client.download(url.object(), rig.at("a")))).await;
    let told = shown(&rig, "a");
    assert_eq!((told.bucket, told.key), (rig.sim.endpoint(), key.clone()));
    assert_eq!(told.source, format!("{}/{key}", rig.sim.endpoint()));
}

#[tokio::test]
async fn a_partial_file_that_is_gone_has_no_length() {
    let rig = Rig::new().await;
    let left = rig.unfinished("a").await;
    fs::remove_file(left.partial).unwrap();
    assert_eq!(shown(&rig, "a").partial_len, None);
}

#[tokio::test]
async fn whether_a_run_holds_the_destination_is_told_and_not_hindered() {
    let rig = Rig::new().await;
    rig.unfinished("a").await;
    let held = rig.hold("a");
    assert_eq!(shown(&rig, "a").in_use, Holder::Run);
    drop(held);
    assert_eq!(shown(&rig, "a").in_use, Holder::Nobody);
}

#[tokio::test]
async fn a_checkpoint_in_a_checkpoint_directory_is_found_there_and_nowhere_else() {
    let rig = Rig::new().await;
    let left = rig.unfinished_elsewhere("a").await;
    let dir = Some(rig.checkpoints.clone());
    let told = show(&rig.at("a"), dir).unwrap().expect("a checkpoint");
    assert_eq!(told.checkpoint_path, left.checkpoint);
    assert_eq!((told.destination, told.partial_len), (Some(rig.at("a")), Some(SIZE)));
    assert!(show(&rig.at("a"), None).unwrap().is_none());
}

#[tokio::test]
async fn where_nothing_is_recorded_there_is_nothing_to_show() {
    let rig = Rig::new().await;
    assert!(show(&rig.at("a"), None).unwrap().is_none());
    let held = rig.hold("a");
    assert_eq!(rig.files().len(), 1);
    assert!(show(&rig.at("a"), None).unwrap().is_none());
    drop(held);
    leave(rig.at(format!("a.{ELSEWHERE}.part")));
    assert!(show(&rig.at("a"), None).unwrap().is_none());
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_used_is_an_error_that_says_why() {
    let rig = Rig::new().await;
    for (name, why) in [("damaged", "damaged"), ("later", "unknown format"), ("short", "truncated")]
    {
        let left = rig.unfinished(name).await;
        match name {
            "damaged" => left.damage(),
            "later" => left.make_later(),
            _ => left.set_len(left.len() - 1),
        }
        let error = show(&rig.at(name), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Checkpoint);
        assert!(error.to_string().contains(left.checkpoint.to_str().unwrap()), "{error}");
        let cause = error.source().expect("a cause").to_string();
        assert!(cause.contains(why), "{name}: {cause}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let rig = Rig::new().await;
    let error = show(&rig.data, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let left = rig.unfinished("a").await;
    let moved = rig.at("moved");
    fs::rename(&left.checkpoint, &moved).unwrap();
    symlink(&moved, &left.checkpoint).unwrap();
    assert_eq!(show(&rig.at("a"), None).unwrap_err().kind(), ErrorKind::Refused);
    let missing = show(&rig.at("no/such/folder"), None).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Storage);
}
