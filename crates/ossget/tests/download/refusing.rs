//! What a download refuses to go on with or to replace, before it asks for a byte.

use crate::rig::{BUCKET, KEY, Rig, assert_is, checkpoint_in};
use ossget::{
    Clobber, Download, Error, ErrorKind, ExtentRequest, Object, Resume, Symlink, checkpoint,
};
use ossget_core::ByteRange;
use ossget_testkit::Content;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, symlink};

const SIZE: u64 = 1_000_000;

async fn stopped() -> Rig {
    let rig = Rig::new(SIZE).await;
    rig.stop_half_way(rig.download(), []).await;
    rig
}

/// Why it is refused. Nothing changes by that.
async fn refused(rig: &Rig, download: Download) -> Error {
    let files = rig.files();
    let error = download.await.unwrap_err();
    assert_eq!((rig.gets(), rig.files()), (Vec::new(), files));
    error
}

#[tokio::test]
async fn a_checkpoint_of_something_else_is_refused_with_the_reason_until_it_is_dropped() {
    let object = |key| Object::new(BUCKET, key).unwrap();
    for why in ["another object", "another version", "another range"] {
        let rig = stopped().await;
        rig.sim.put_object("other", Content::generated(8, SIZE));
        let download = match why {
            "another object" => rig.client.download(object("other"), rig.path()),
            "another version" => {
                rig.client.download(object(KEY).version_id("other").unwrap(), rig.path())
            }
            _ => rig.download().range(ExtentRequest::Slice(ByteRange::new(0, 100).unwrap())),
        };
        let error = refused(&rig, download).await;
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.hint().unwrap().contains("--restart"), "{error:?}");
        rig.download().resume(Resume::Restart).await.unwrap();
        assert_is(&rig.path(), &rig.content);
        assert_eq!(rig.files(), ["object.bin"]);
    }
}

#[tokio::test]
async fn a_checkpoint_of_another_format_is_refused_and_its_program_named() {
    let rig = stopped().await;
    let file = File::options().write(true).open(checkpoint_in(rig.dir.path())).unwrap();
    file.write_all_at(&[9], 8).unwrap();
    file.write_all_at(&[1, 2, 3, 4, 5, 6], 4090).unwrap();
    let error = refused(&rig, rig.download()).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("format 9, written by ossget/"), "{error}");
}

#[tokio::test]
async fn a_checkpoint_under_the_name_of_another_destination_is_refused() {
    let rig = stopped().await;
    let foobar = rig.dir.path().join(".foobar.72ad2699.ossget");
    fs::rename(checkpoint_in(rig.dir.path()), foobar).unwrap();
    let object = Object::new(BUCKET, KEY).unwrap();
    let download = rig.client.download(object, rig.dir.path().join("foobar"));
    let error = refused(&rig, download).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("another destination"), "{error}");
}

#[tokio::test]
async fn a_destination_that_must_not_be_replaced_is_seen_before_anything_is_asked() {
    for unfinished in [false, true] {
        let rig = Rig::new(SIZE).await;
        if unfinished {
            rig.stop_half_way(rig.download(), []).await;
        }
        // Of the object's length, so that only what it holds tells it from the object.
        fs::write(rig.path(), vec![1; usize::try_from(SIZE).unwrap()]).unwrap();
        let error = refused(&rig, rig.download().clobber(Clobber::Refuse)).await;
        assert_eq!(error.kind(), ErrorKind::Exists);
        assert!(!unfinished || rig.sim.requests().is_empty());
    }
}

#[tokio::test]
async fn an_older_file_at_the_destination_does_not_keep_a_run_from_going_on() {
    let rig = stopped().await;
    fs::write(rig.path(), vec![1; usize::try_from(SIZE).unwrap()]).unwrap();
    let kept = checkpoint::show(&rig.path(), None).unwrap().unwrap();
    let done = rig.download().await.unwrap();
    assert_eq!(done.resumed_bytes, kept.bytes_recorded);
    assert_is(&rig.path(), &rig.content);
}

#[tokio::test]
async fn a_link_at_the_destination_is_refused_unless_it_is_to_be_followed() {
    let rig = Rig::new(SIZE).await;
    let target = rig.dir.path().join("target");
    fs::write(&target, "old").unwrap();
    symlink(&target, rig.path()).unwrap();
    let error = refused(&rig, rig.download()).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    rig.download().symlink(Symlink::Follow).await.unwrap();
    assert_is(&target, &rig.content);
    assert_eq!(fs::read_link(rig.path()).unwrap(), target);
    assert_eq!(rig.files(), ["object.bin", "target"]);
}
