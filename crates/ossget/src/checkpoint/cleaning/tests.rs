//! What cleaning makes of states that only runs beside it, or moved folders, leave.

use super::*;
use crate::checkpoint::sample::{file, header, locked, place};
use ossget_core::{Bind, HEADER_LEN, SessionId};
use std::fs;
use tempfile::TempDir;

const BESIDE: &str = "a.abcdefghijkl2345.part";

/// An intact checkpoint that names a partial file of the destination `a`.
fn checkpoint(partial_name: &str) -> Vec<u8> {
    file(&header(300_000, partial_name))
}

/// Leaves a checkpoint as a run does that is killed.
fn leave(place: &Place, bytes: &[u8]) {
    drop(locked(place, bytes));
}

/// Surveys a folder, lets something happen in it, and cleans by the survey.
fn clean_after(dir: &TempDir, meanwhile: impl FnOnce()) -> Vec<Cleaned> {
    let file_system = NativeFileSystem::new();
    let survey = file_system.survey(dir.path()).unwrap();
    meanwhile();
    clean_surveyed(&survey, file_system, None)
}

fn fates(cleaned: &[Cleaned]) -> Vec<(Fate, &Condition)> {
    cleaned.iter().map(|it| (it.fate, &it.leftover.condition)).collect()
}

#[test]
fn what_a_run_leaves_that_came_and_died_after_the_survey_stays() {
    let dir = tempfile::tempdir().unwrap();
    leave(&place(dir.path()), b"damaged");
    let cleaned = clean_after(&dir, || {
        leave(&place(dir.path()), &checkpoint(BESIDE));
        fs::write(dir.path().join(BESIDE), "data").unwrap();
    });
    assert_eq!(fates(&cleaned), [(Fate::Kept, &Condition::Resumable)]);
    assert!(dir.path().join(BESIDE).exists());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn a_checkpoint_that_the_survey_missed_keeps_its_partial_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(BESIDE), "data").unwrap();
    let cleaned = clean_after(&dir, || leave(&place(dir.path()), &checkpoint(BESIDE)));
    assert_eq!(fates(&cleaned), [(Fate::Kept, &Condition::Resumable)]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn what_is_told_of_an_orphan_is_how_it_was_when_it_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("b.abcdefghijkl2345.part");
    fs::write(dir.path().join(BESIDE), "data").unwrap();
    fs::write(&other, "data").unwrap();
    let cleaned = clean_after(&dir, || {
        fs::write(dir.path().join(BESIDE), "more data").unwrap();
        fs::remove_file(&other).unwrap();
    });
    assert_eq!(fates(&cleaned), [(Fate::Removed, &Condition::Orphan)]);
    assert_eq!(cleaned[0].leftover.bytes, 9);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

const ELSEWHERE: &str = "a.2bcdefghijkl2345.part";
const ORPHAN: &str = "a.3bcdefghijkl2345.part";

/// A checkpoint directory, and a folder `data` with two partial files in it.
fn with_checkpoint_dir() -> (TempDir, PathBuf, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let (data, dir) = (temp.path().join("data"), temp.path().join("checkpoints"));
    for dir in [&data, &dir] {
        fs::create_dir(dir).unwrap();
    }
    for name in [ELSEWHERE, ORPHAN] {
        fs::write(data.join(name), "data").unwrap();
    }
    (temp, data, dir)
}

#[test]
fn a_partial_file_stays_that_a_checkpoint_elsewhere_names_though_its_folder_was_moved() {
    let (temp, data, dir) = with_checkpoint_dir();
    leave(&place(&data).checkpoint_dir(Some(dir.clone())), &checkpoint(ELSEWHERE));
    let moved = temp.path().join("moved");
    fs::rename(&data, &moved).unwrap();
    let cleaned = clean(&moved, Some(dir.clone())).unwrap();
    let expected =
        [(Fate::Kept, &Condition::CheckpointElsewhere), (Fate::Removed, &Condition::Orphan)];
    assert_eq!(fates(&cleaned), expected);
    assert!(moved.join(ELSEWHERE).exists() && !moved.join(ORPHAN).exists());
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
}

/// Faults: 95.
#[test]
fn what_a_checkpoint_elsewhere_of_a_later_version_may_need_stays() {
    for moved in [false, true] {
        let (temp, mut data, dir) = with_checkpoint_dir();
        let other = data.join("b.2bcdefghijkl2345.part");
        fs::write(&other, "data").unwrap();
        // Another version, and a tag of its own kind.
        let mut later = checkpoint(ELSEWHERE);
        later[8] = 9;
        later[4090] ^= 0xff;
        leave(&place(&data).checkpoint_dir(Some(dir.clone())), &later);
        if moved {
            let to = temp.path().join("moved");
            fs::rename(&data, &to).unwrap();
            data = to;
        }
        let cleaned = clean(&data, Some(dir.clone())).unwrap();
        let [(Fate::Kept, one), (Fate::Kept, two), (Fate::Removed, _)] = &fates(&cleaned)[..]
        else {
            panic!("{moved}: {cleaned:?}")
        };
        assert!(matches!(one, Condition::UnknownFormat(_)) && one == two, "{one}");
        let mut left: Vec<_> =
            fs::read_dir(&data).unwrap().map(|it| it.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [ELSEWHERE, ORPHAN]);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }
}

const WORDS: &str = "a.responsibilities.part";

#[test]
fn a_file_of_the_users_own_whose_name_has_the_form_stays() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(WORDS), "mine").unwrap();
    let cleaned = clean(dir.path(), None).unwrap();
    let [(Fate::Kept, Condition::Refused(why))] = &fates(&cleaned)[..] else {
        panic!("{cleaned:?}")
    };
    assert!(why.contains("own file"), "{why}");
    let removed = remove(&dir.path().join("a"), None).unwrap_err();
    assert_eq!(removed.kind(), ErrorKind::NotFound);
    assert_eq!(fs::read(dir.path().join(WORDS)).unwrap(), b"mine");
}

#[test]
fn a_partial_file_of_letters_only_that_a_checkpoint_names_is_one_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let intact = checkpoint(WORDS);
    let mut damaged = intact.clone();
    damaged[100] ^= 1;
    let bind = Bind {
        session: SessionId::new([7; 16]),
        inode: 1,
        birth: 0,
        size: 300_000,
        device: 0,
        partial_name: WORDS.into(),
    };
    damaged[HEADER_LEN..2 * HEADER_LEN].copy_from_slice(&bind.encode().unwrap());
    for (bytes, is_kept) in [(&intact, true), (&damaged, false)] {
        leave(&place(dir.path()), bytes);
        fs::write(dir.path().join(WORDS), "data").unwrap();
        let cleaned = clean(dir.path(), None).unwrap();
        assert_eq!(dir.path().join(WORDS).exists(), is_kept, "{cleaned:?}");
        if is_kept {
            remove(&dir.path().join("a"), None).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
