//! What `list` tells of a folder.

use crate::rig::{
    BESIDE, ELSEWHERE, OF_FOOBAR, Rig, SIZE, WORD, conditions, leave, leave_no_files, len,
    partial_name,
};
use ossget::ErrorKind;
use ossget::checkpoint::{Condition, Holder, Leftover, list, show};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

/// The only thing in a folder of destinations.
fn only(rig: &Rig) -> Leftover {
    let [it] = <[_; 1]>::try_from(list(&rig.data).unwrap()).unwrap();
    it
}

#[tokio::test]
async fn an_unfinished_download_is_one_leftover_and_told_as_it_is_shown() {
    let rig = Rig::new().await;
    let left = rig.unfinished("a").await;
    let it = only(&rig);
    assert_eq!((&it.path, &it.condition), (&left.checkpoint, &Condition::Resumable));
    assert_eq!((it.bytes, it.in_use), (left.len(), Holder::Nobody));
    let shown = show(&rig.at("a"), None).unwrap().unwrap();
    assert_eq!(format!("{:?}", it.summary.unwrap()), format!("{shown:?}"));
}

#[tokio::test]
async fn a_checkpoint_directory_does_not_tell_where_the_destination_is() {
    let rig = Rig::new().await;
    let left = rig.unfinished_elsewhere("a").await;
    let listed = list(&rig.checkpoints).unwrap();
    assert_eq!(conditions(&listed), [(&*left.checkpoint, &Condition::Resumable)]);
    let summary = listed[0].summary.as_ref().unwrap();
    assert_eq!((&summary.destination, summary.partial_len), (&None, None));
    // Nor does the folder of the destination tell which checkpoint directory it is.
    let listed = list(&rig.data).unwrap();
    assert_eq!(conditions(&listed), [(&*left.partial, &Condition::CheckpointElsewhere)]);
    assert_eq!((listed[0].bytes, listed[0].in_use), (SIZE, Holder::Nobody));
    assert!(listed[0].summary.is_none());
}

#[tokio::test]
async fn what_a_run_holds_is_told_so_with_its_partial_files() {
    let rig = Rig::new().await;
    let left = rig.unfinished("foobar").await;
    let orphan = leave(rig.at(partial_name("foobar", BESIDE)));
    let other = leave(rig.at(partial_name("other", BESIDE)));
    let held = rig.hold("foobar");
    let told = || {
        let of = |it: Leftover| (it.path, it.in_use);
        list(&rig.data).unwrap().into_iter().map(of).collect::<Vec<_>>()
    };
    let (checkpoint, nobody) = (left.checkpoint.clone(), Holder::Nobody);
    let while_held =
        [(checkpoint.clone(), Holder::Run), (orphan.clone(), Holder::Run), (other.clone(), nobody)];
    assert_eq!(told(), while_held);
    drop(held);
    assert_eq!(told(), [(checkpoint, nobody), (orphan, nobody), (other, nobody)]);
    let held = rig.hold_elsewhere("new");
    let listed = list(&rig.checkpoints).unwrap();
    let [lock] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&lock.condition, lock.in_use), (&Condition::Unused, Holder::Run));
    drop(held);
}

#[tokio::test]
async fn of_what_use_a_checkpoint_is_depends_on_what_it_holds() {
    let rig = Rig::new().await;
    let mut expected = Vec::new();
    for name in ["damaged", "emptied", "gone", "later", "nothing", "short"] {
        let left = rig.unfinished(name).await;
        let because = |what: fn(String) -> Condition, why: &str| Some(what(why.to_owned()));
        expected.push((
            left.checkpoint.clone(),
            match name {
                "damaged" => {
                    left.damage();
                    because(Condition::Damaged, "damaged checkpoint")
                }
                "emptied" => {
                    // Something has written zeros over it: a run that recorded nothing leaves no
                    // bind page behind.
                    left.write(&[0; 4096], 0);
                    because(Condition::Damaged, "empty checkpoint")
                }
                "gone" => {
                    fs::remove_file(&left.partial).unwrap();
                    Some(Condition::PartialGone)
                }
                "later" => {
                    left.make_later();
                    None
                }
                "nothing" => {
                    left.set_len(0);
                    fs::remove_file(&left.partial).unwrap();
                    Some(Condition::Unused)
                }
                _ => {
                    left.set_len(left.len() - 1);
                    because(Condition::Damaged, "truncated checkpoint")
                }
            },
        ));
    }
    expected.sort_by(|(one, _), (other, _)| one.cmp(other));
    let listed = list(&rig.data).unwrap();
    let paths: Vec<_> = expected.iter().map(|(path, _)| path.as_path()).collect();
    // None of the partial files: each is named by a checkpoint, if only by its bind page.
    assert_eq!(listed.iter().map(|it| &*it.path).collect::<Vec<_>>(), paths);
    for (it, (path, condition)) in listed.iter().zip(&expected) {
        match condition {
            Some(condition) => assert_eq!(&it.condition, condition, "{}", path.display()),
            None => assert!(matches!(it.condition, Condition::UnknownFormat(_)), "{it:?}"),
        }
        assert_eq!(it.bytes, len(path));
        let is_read = it.condition == Condition::PartialGone;
        assert_eq!(it.summary.is_some(), is_read, "{}", path.display());
    }
}

#[tokio::test]
async fn of_what_use_a_partial_file_without_checkpoint_is_depends_on_its_name() {
    let rig = Rig::new().await;
    let orphan = leave(rig.at(partial_name("a", BESIDE)));
    let elsewhere = leave(rig.at(partial_name("a", ELSEWHERE)));
    let word = leave(rig.at(partial_name("a", WORD)));
    for own in ["mine.part", ".mine.ossget", "a", "a.abcdefghijkl2345.part.old"] {
        leave(rig.at(own));
    }
    let listed = list(&rig.data).unwrap();
    let [one, two, three] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&one.path, &one.condition), (&elsewhere, &Condition::CheckpointElsewhere));
    assert_eq!((&two.path, &two.condition), (&orphan, &Condition::Orphan));
    let Condition::Refused(why) = &three.condition else { panic!("{three:?}") };
    assert_eq!(three.path, word);
    assert!(why.contains("own file"), "{why}");
    for it in &listed {
        assert_eq!((it.bytes, it.in_use), (len(&it.path), Holder::Nobody));
        assert!(it.summary.is_none());
    }
}

#[tokio::test]
async fn what_is_no_regular_file_is_told_and_not_followed() {
    let rig = Rig::new().await;
    let mine = leave(rig.at("mine"));
    let [checkpoint, link, folder] = leave_no_files(&rig, &mine);
    let listed = list(&rig.data).unwrap();
    let [one, two, three] = &listed[..] else { panic!("{listed:?}") };
    let Condition::Refused(why) = &one.condition else { panic!("{one:?}") };
    assert!(one.path == checkpoint && why.contains("symbolic link"), "{one:?}");
    let no_file = Condition::Refused("is no regular file".to_owned());
    assert_eq!((&two.path, &two.condition), (&folder, &no_file));
    assert_eq!((&three.path, &three.condition), (&link, &no_file));
}

#[tokio::test]
async fn a_checkpoint_that_was_copied_to_another_name_tells_no_destination() {
    let rig = Rig::new().await;
    let left = rig.unfinished("a").await;
    let copy = rig.at(OF_FOOBAR);
    fs::rename(&left.checkpoint, &copy).unwrap();
    let it = only(&rig);
    assert_eq!((&it.path, &it.condition), (&copy, &Condition::Resumable));
    let summary = it.summary.unwrap();
    assert_eq!((summary.destination, summary.partial_len), (None, Some(SIZE)));
    // Where its own partial file lies nobody knows, so it is not gone.
    fs::remove_file(&left.partial).unwrap();
    let it = only(&rig);
    assert_eq!((it.condition, it.summary.unwrap().partial_len), (Condition::Resumable, None));
}

#[tokio::test]
async fn a_name_that_is_no_text_or_too_long_to_be_part_of_another_is_told_as_far_as_it_can_be() {
    let rig = Rig::new().await;
    let no_text = OsStr::from_bytes(b"\xff\xfe.bin");
    let left = rig.unfinished(no_text).await;
    let it = only(&rig);
    assert_eq!((&it.path, &it.condition), (&left.checkpoint, &Condition::Resumable));
    let summary = it.summary.unwrap();
    assert_eq!((summary.destination, summary.partial_len), (Some(rig.at(no_text)), Some(SIZE)));
    assert_eq!(summary.partial_name.len(), "abcdefghijkl2345.part".len(), "the suffix tells it");
    for path in [left.checkpoint, left.partial] {
        fs::remove_file(path).unwrap();
    }

    let left = rig.unfinished("x".repeat(250)).await;
    let it = only(&rig);
    assert_eq!((&it.path, &it.condition), (&left.checkpoint, &Condition::Resumable));
    let summary = it.summary.unwrap();
    assert_eq!((summary.destination, summary.partial_len), (None, Some(SIZE)));
    fs::remove_file(left.checkpoint).unwrap();
    let it = only(&rig);
    assert_eq!((it.path, it.condition), (left.partial, Condition::Orphan));
}

#[tokio::test]
async fn a_folder_without_leftovers_has_an_empty_list_and_a_missing_one_none() {
    let rig = Rig::new().await;
    leave(rig.at("mine"));
    assert!(list(&rig.data).unwrap().is_empty());
    let held = rig.hold("foobar");
    let it = only(&rig);
    assert_eq!((it.path, it.condition), (rig.at(OF_FOOBAR), Condition::Unused));
    assert_eq!((it.in_use, it.bytes), (Holder::Run, 0));
    drop(held);
    let error = list(&rig.at("missing")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
}

#[test]
fn every_condition_says_what_it_is_and_whether_it_is_of_use() {
    let why = || "because".to_owned();
    for (condition, text, is_useless) in [
        (Condition::Resumable, "can be gone on from", false),
        (Condition::Unused, "records nothing", true),
        (Condition::Damaged(why()), "cannot be read (because)", true),
        (Condition::UnknownFormat(why()), "is for another version (because)", false),
        (Condition::PartialGone, "its partial file is gone", true),
        (Condition::Orphan, "belongs to no checkpoint", true),
        (Condition::CheckpointElsewhere, "its checkpoint lies in a checkpoint directory", false),
        (Condition::Refused(why()), "because", false),
    ] {
        assert_eq!((&*condition.to_string(), condition.is_useless()), (text, is_useless));
    }
}
