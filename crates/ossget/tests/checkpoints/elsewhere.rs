//! Cleaning where checkpoints lie in a checkpoint directory.

use crate::rig::{BESIDE, ELSEWHERE, OF_NOBODY, Rig, fates, leave, partial_name};
use ossget::checkpoint::{Condition, Fate, Holder, clean};
use std::fs;
use std::os::unix::fs::symlink;

#[tokio::test]
async fn a_checkpoint_directory_is_cleaned_of_what_cannot_be_read() {
    let rig = Rig::new().await;
    let left = rig.unfinished_elsewhere("a").await;
    let damaged = rig.unfinished_elsewhere("b").await;
    damaged.damage();
    let unused = rig.checkpoints.join(OF_NOBODY);
    fs::write(&unused, "").unwrap();
    let cleaned = clean(&rig.checkpoints, None).unwrap();
    let mut told = fates(&cleaned);
    let why = Condition::Damaged("damaged checkpoint".to_owned());
    let mut expected = [
        (&*left.checkpoint, Fate::Kept, &Condition::Resumable),
        (&*damaged.checkpoint, Fate::Removed, &why),
        (&*unused, Fate::Removed, &Condition::Unused),
    ];
    expected.sort_by_key(|&(path, ..)| path);
    assert_eq!(told, expected);
    let kept = cleaned.iter().find(|it| it.fate == Fate::Kept).unwrap();
    assert_eq!(kept.leftover.bytes, left.len());
    assert_eq!(kept.leftover.summary.as_ref().unwrap().destination, None);
    told.clear();
    assert!(left.checkpoint.exists() && left.partial.exists() && damaged.partial.exists());
    assert!(!damaged.checkpoint.exists() && !unused.exists());
}

#[tokio::test]
async fn a_checkpoint_in_a_checkpoint_directory_that_a_run_holds_or_that_is_none_stays() {
    let rig = Rig::new().await;
    let left = rig.unfinished_elsewhere("a").await;
    left.damage();
    let held = rig.hold_elsewhere("a");
    let cleaned = clean(&rig.checkpoints, None).unwrap();
    assert_eq!(fates(&cleaned), [(&*left.checkpoint, Fate::Kept, &Condition::Resumable)]);
    assert_eq!(cleaned[0].leftover.in_use, Holder::Run);
    drop(held);
    let two_names = rig.checkpoints.join("second");
    fs::hard_link(&left.checkpoint, &two_names).unwrap();
    let cleaned = clean(&rig.checkpoints, None).unwrap();
    let [(_, Fate::Kept, Condition::Refused(why))] = fates(&cleaned)[..] else {
        panic!("{cleaned:?}")
    };
    assert!(why.contains("more than one name"), "{why}");
    assert_eq!(cleaned[0].leftover.in_use, Holder::Nobody);
    assert!(left.checkpoint.exists());
}

#[tokio::test]
async fn partial_files_are_kept_as_long_as_a_checkpoint_in_the_directory_names_them() {
    let rig = Rig::new().await;
    let left = rig.unfinished_elsewhere("a").await;
    let orphan = leave(rig.at(partial_name("a", ELSEWHERE)));
    let other = leave(rig.at(partial_name("b", ELSEWHERE)));
    let kept = (&*left.partial, Fate::Kept, &Condition::CheckpointElsewhere);
    let mut untouched =
        [&orphan, &other].map(|path| (&**path, Fate::Kept, &Condition::CheckpointElsewhere));
    let mut expected = [untouched[0], untouched[1], kept];
    expected.sort_by_key(|&(path, ..)| path);
    assert_eq!(fates(&clean(&rig.data, None).unwrap()), expected);
    for it in &mut untouched {
        (it.1, it.2) = (Fate::Removed, &Condition::Orphan);
    }
    let mut expected = [untouched[0], untouched[1], kept];
    expected.sort_by_key(|&(path, ..)| path);
    let cleaned = clean(&rig.data, Some(rig.checkpoints.clone())).unwrap();
    assert_eq!(fates(&cleaned), expected);
    assert_eq!(rig.files(), [left.checkpoint, left.partial]);
}

/// One that cannot be read may name any partial file of a destination with its name.
#[tokio::test]
async fn a_checkpoint_that_cannot_be_opened_keeps_the_partial_files_of_its_name() {
    let rig = Rig::new().await;
    symlink(rig.at("nowhere"), rig.checkpoints.join(OF_NOBODY)).unwrap();
    let kept = leave(rig.at(partial_name("foobar", ELSEWHERE)));
    let other = leave(rig.at(partial_name("other", ELSEWHERE)));
    let cleaned = clean(&rig.data, Some(rig.checkpoints.clone())).unwrap();
    let [(path, Fate::Kept, Condition::Refused(why)), removed] = fates(&cleaned)[..] else {
        panic!("{cleaned:?}")
    };
    assert!(path == kept && why.contains("symbolic link"), "{why}");
    assert_eq!(removed, (&*other, Fate::Removed, &Condition::Orphan));
}

#[tokio::test]
async fn what_a_run_with_a_checkpoint_directory_holds_stays() {
    let rig = Rig::new().await;
    let held = rig.hold_elsewhere("a");
    let partial = leave(rig.at(partial_name("a", ELSEWHERE)));
    let beside = leave(rig.at(partial_name("a", BESIDE)));
    let cleaned = clean(&rig.data, Some(rig.checkpoints.clone())).unwrap();
    for path in [&partial, &beside] {
        let it = cleaned.iter().find(|it| it.leftover.path == *path).unwrap();
        assert_eq!((it.fate, &it.leftover.condition), (Fate::Kept, &Condition::Resumable));
        assert_eq!(it.leftover.in_use, Holder::Run);
    }
    drop(held);
}

#[tokio::test]
async fn a_checkpoint_directory_that_cannot_be_read_is_no_reason_to_remove_anything() {
    let rig = Rig::new().await;
    let partial = leave(rig.at(partial_name("a", ELSEWHERE)));
    let cleaned = clean(&rig.data, Some(rig.checkpoints.join("missing"))).unwrap();
    let [(path, Fate::Kept, Condition::Refused(why))] = fates(&cleaned)[..] else {
        panic!("{cleaned:?}")
    };
    assert!(path == partial && why.contains("checkpoint directory"), "{why}");
    assert!(partial.exists());
}
