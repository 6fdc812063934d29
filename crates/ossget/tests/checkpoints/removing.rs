//! What `remove` takes away, and what it leaves.

use crate::rig::{BESIDE, ELSEWHERE, Rig, WORD, leave, len, partial_name};
use ossget::ErrorKind;
use ossget::checkpoint::remove;
use std::path::PathBuf;

/// Removes what belongs to the destination `a`, and compares what is told with what is gone.
fn remove_a(rig: &Rig, checkpoint_dir: Option<PathBuf>) -> Vec<PathBuf> {
    let before: Vec<_> = rig.files().into_iter().map(|path| (len(&path), path)).collect();
    let removed = remove(&rig.at("a"), checkpoint_dir).unwrap();
    let after = rig.files();
    let gone: Vec<_> = before.into_iter().filter(|(_, path)| !after.contains(path)).collect();
    assert_eq!(removed.bytes, gone.iter().map(|(len, _)| len).sum::<u64>());
    let mut told = removed.paths.clone();
    told.sort();
    assert_eq!(told, gone.into_iter().map(|(_, path)| path).collect::<Vec<_>>());
    removed.paths
}

#[tokio::test]
async fn the_checkpoint_goes_with_all_partial_files_of_its_destination_and_nothing_else() {
    let rig = Rig::new().await;
    let left = rig.unfinished("a").await;
    let orphan = leave(rig.at(partial_name("a", BESIDE)));
    let mine = leave(rig.at("a"));
    let stays = [
        mine,
        leave(rig.at(partial_name("a", ELSEWHERE))),
        leave(rig.at(partial_name("a", WORD))),
        leave(rig.at(partial_name("b", BESIDE))),
    ];
    let mut removed = remove_a(&rig, None);
    assert_eq!(removed.pop(), Some(left.checkpoint), "the last");
    removed.sort();
    let mut partials = [left.partial, orphan];
    partials.sort();
    assert_eq!(removed, partials);
    assert!(stays.iter().all(|path| path.exists()), "{:?}", rig.files());
}

#[tokio::test]
async fn a_damaged_checkpoint_goes_with_the_partial_file_that_its_second_page_names() {
    let rig = Rig::new().await;
    let left = rig.unfinished("a").await;
    left.damage();
    assert_eq!(remove_a(&rig, None), [left.partial, left.checkpoint]);
    let left = rig.unfinished("a").await;
    left.make_later();
    assert_eq!(remove_a(&rig, None), [left.partial, left.checkpoint]);
}

#[tokio::test]
async fn a_partial_file_without_checkpoint_can_be_removed_by_its_destination() {
    let rig = Rig::new().await;
    let orphan = leave(rig.at(partial_name("a", BESIDE)));
    assert_eq!(remove_a(&rig, None), [orphan]);
    assert_eq!(rig.files(), [""; 0].map(PathBuf::from));
}

#[tokio::test]
async fn what_belongs_to_a_checkpoint_directory_is_removed_only_with_it() {
    let rig = Rig::new().await;
    let left = rig.unfinished_elsewhere("a").await;
    let error = remove(&rig.at("a"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(rig.files().len(), 2);
    let dir = Some(rig.checkpoints.clone());
    let orphan = leave(rig.at(partial_name("a", ELSEWHERE)));
    let beside = leave(rig.at(partial_name("a", BESIDE)));
    let mut removed = remove_a(&rig, dir);
    assert_eq!(removed.pop(), Some(left.checkpoint));
    removed.sort();
    let mut partials = [left.partial, orphan];
    partials.sort();
    assert_eq!(removed, partials);
    assert_eq!(rig.files(), [beside]);
}

#[tokio::test]
async fn what_a_run_holds_cannot_be_removed() {
    let rig = Rig::new().await;
    rig.unfinished("a").await;
    let files = rig.files();
    let held = rig.hold("a");
    let error = remove(&rig.at("a"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert_eq!(rig.files(), files);
    drop(held);
    assert_eq!(remove_a(&rig, None).len(), 2);
    let error = remove(&rig.at("a"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = remove(&rig.data, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let error = remove(&rig.at("no/folder"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
}
