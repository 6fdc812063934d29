//! What `clean` takes away from a folder of destinations, and what it keeps.

use crate::rig::{BESIDE, ELSEWHERE, Rig, WORD, fates, leave, leave_no_files, len, partial_name};
use ossget::ErrorKind;
use ossget::checkpoint::{Cleaned, Condition, Fate, Holder, clean};
use std::fs;
use std::path::PathBuf;

/// Cleans, and compares what is told with what is gone.
fn clean_all(rig: &Rig) -> Vec<Cleaned> {
    let before: Vec<_> = rig.files().into_iter().map(|path| (len(&path), path)).collect();
    let cleaned = clean(&rig.data, None).unwrap();
    let after = rig.files();
    let gone: Vec<_> = before.into_iter().filter(|(_, path)| !after.contains(path)).collect();
    let is_removed = |it: &&Cleaned| it.fate == Fate::Removed;
    let told = cleaned.iter().filter(is_removed);
    let told: Vec<_> = told.map(|it| (it.leftover.bytes, it.leftover.path.clone())).collect();
    assert_eq!(told, gone);
    cleaned
}

#[tokio::test]
async fn what_can_be_gone_on_from_stays_and_orphans_beside_it_go() {
    let rig = Rig::new().await;
    let left = rig.unfinished("a").await;
    let orphan = leave(rig.at(partial_name("a", BESIDE)));
    let elsewhere = leave(rig.at(partial_name("a", ELSEWHERE)));
    let other = leave(rig.at(partial_name("b", BESIDE)));
    let cleaned = clean_all(&rig);
    let expected = [
        (&*left.checkpoint, Fate::Kept, &Condition::Resumable),
        (&*elsewhere, Fate::Kept, &Condition::CheckpointElsewhere),
        (&*orphan, Fate::Removed, &Condition::Orphan),
        (&*other, Fate::Removed, &Condition::Orphan),
    ];
    assert_eq!(fates(&cleaned), expected);
    let kept = &cleaned[0].leftover;
    assert_eq!(kept.summary.as_ref().unwrap().destination, Some(rig.at("a")));
    assert_eq!((kept.bytes, kept.in_use), (left.len(), Holder::Nobody));
    assert!(rig.download("a").await.unwrap().resumed_bytes > 0);
}

#[tokio::test]
async fn checkpoints_of_no_use_go_with_their_partial_files() {
    let rig = Rig::new().await;
    for name in ["damaged", "gone", "nothing", "short"] {
        let left = rig.unfinished(name).await;
        let condition = match name {
            "damaged" => {
                left.damage();
                Condition::Damaged("damaged checkpoint".to_owned())
            }
            "gone" => {
                fs::remove_file(&left.partial).unwrap();
                Condition::PartialGone
            }
            "nothing" => {
                left.set_len(0);
                Condition::Unused
            }
            _ => {
                left.set_len(left.len() - 1);
                Condition::Damaged("truncated checkpoint".to_owned())
            }
        };
        let cleaned = clean_all(&rig);
        let partial = (&*left.partial, Fate::Removed, &Condition::Orphan);
        let mut expected = vec![(&*left.checkpoint, Fate::Removed, &condition)];
        expected.extend((name != "gone").then_some(partial));
        assert_eq!(fates(&cleaned), expected, "{name}");
        assert_eq!(rig.files(), [""; 0].map(PathBuf::from), "{name}");
    }
}

#[tokio::test]
async fn what_a_later_version_may_need_stays_all_of_it() {
    let rig = Rig::new().await;
    let left = rig.unfinished("a").await;
    left.make_later();
    let orphan = leave(rig.at(partial_name("a", BESIDE)));
    let cleaned = clean_all(&rig);
    let mut told = fates(&cleaned).into_iter();
    let (path, fate, condition) = told.next().unwrap();
    assert_eq!((path, fate), (&*left.checkpoint, Fate::Kept));
    assert!(matches!(condition, Condition::UnknownFormat(_)), "{condition}");
    let mut partials = [&*left.partial, &*orphan];
    partials.sort();
    assert_eq!(told.collect::<Vec<_>>(), partials.map(|it| (it, Fate::Kept, condition)));
}

#[tokio::test]
async fn what_a_run_holds_stays_all_of_it_and_is_told_to_be_held() {
    let rig = Rig::new().await;
    let left = rig.unfinished("a").await;
    left.damage();
    leave(rig.at(partial_name("a", BESIDE)));
    leave(rig.at(partial_name("a", WORD)));
    let other = leave(rig.at(partial_name("b", BESIDE)));
    let held = rig.hold("a");
    let cleaned = clean_all(&rig);
    assert_eq!(cleaned.len(), 5);
    for it in cleaned {
        let expected = match it.leftover.path == other {
            true => (Fate::Removed, Condition::Orphan, Holder::Nobody),
            // Whatever it looks like: its run will go on with it.
            false => (Fate::Kept, Condition::Resumable, Holder::Run),
        };
        let path = it.leftover.path;
        assert_eq!((it.fate, it.leftover.condition, it.leftover.in_use), expected, "{path:?}");
    }
    drop(held);
    assert_eq!(clean_all(&rig).len(), 4);
}

#[tokio::test]
async fn what_is_no_regular_file_or_has_a_second_name_stays() {
    let rig = Rig::new().await;
    let mine = leave(rig.checkpoints.join("mine"));
    let [checkpoint, link, folder] = leave_no_files(&rig, &mine);
    let second_name = rig.at(partial_name("second", BESIDE));
    fs::hard_link(&mine, &second_name).unwrap();
    let cleaned = clean_all(&rig);
    let no_file = Condition::Refused("is no regular file".to_owned());
    let [one, two, three, (path, Fate::Kept, Condition::Refused(why))] = fates(&cleaned)[..] else {
        panic!("{cleaned:?}")
    };
    assert_eq!(one, (&*checkpoint, Fate::Kept, &no_file));
    assert_eq!(two, (&*folder, Fate::Kept, &no_file));
    assert_eq!(three, (&*link, Fate::Kept, &no_file));
    assert!(path == second_name && why.contains("more than one name"), "{why}");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing below is looked at");
}

#[tokio::test]
async fn a_partial_file_whose_name_does_not_tell_its_destination_stays() {
    let rig = Rig::new().await;
    let left = rig.unfinished("x".repeat(250)).await;
    left.damage();
    let cleaned = clean_all(&rig);
    let mut told = fates(&cleaned);
    told.sort_by_key(|&(path, ..)| path == left.partial);
    let damaged = Condition::Damaged("damaged checkpoint".to_owned());
    assert_eq!(told[0], (&*left.checkpoint, Fate::Removed, &damaged));
    let [_, (path, Fate::Kept, Condition::Refused(why))] = told[..] else { panic!("{told:?}") };
    assert!(path == left.partial && why.contains("too long"), "{why}");
}

#[tokio::test]
async fn a_users_own_files_are_neither_told_nor_touched() {
    let rig = Rig::new().await;
    for own in ["mine.part", ".mine.ossget", "a", "a.abcdefghijkl2345.part.old"] {
        leave(rig.at(own));
    }
    assert!(clean_all(&rig).is_empty());
    let error = clean(&rig.at("missing"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
}
