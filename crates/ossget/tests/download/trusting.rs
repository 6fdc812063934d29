//! What is read back of an earlier run's bytes, and what is trusted unread.
//!
//! The service tells no CRC-64 here: what is trusted in error is published in error.

use crate::rig::{Rig, checkpoint_in, partial_in};
use ossget::{ErrorKind, ResumeVerify, checkpoint};
use ossget_core::{Bind, HEADER_LEN};
use ossget_testkit::{Fault, On};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

const SIZE: u64 = 1_000_000;
const PART: u64 = 100 << 10;

/// A download that was stopped half-way, and how many parts it has recorded.
async fn stopped() -> (Rig, u32) {
    let rig = Rig::new(SIZE).await;
    rig.stop_half_way(rig.download(), [Fault::NoCrcHeader]).await;
    rig.sim.fault(On::any().always(), Fault::NoCrcHeader);
    let kept = checkpoint::show(&rig.path(), None).unwrap().unwrap();
    assert!(kept.parts_recorded > 0);
    (rig, kept.parts_recorded)
}

/// Changes a byte of every part.
fn spoil(rig: &Rig) {
    let file = File::options().read(true).write(true).open(partial_in(rig.dir.path())).unwrap();
    for start in (0..SIZE).step_by(usize::try_from(PART).unwrap()) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, start).unwrap();
        file.write_all_at(&[!byte[0]], start).unwrap();
    }
}

/// Goes on, trusting what can be trusted, and counts the parts that are wrong in the end.
async fn wrong_parts(rig: &Rig) -> usize {
    rig.download().resume_verify(ResumeVerify::Bounds).await.unwrap();
    let bytes = fs::read(rig.path()).unwrap();
    let right = rig.content.window(0..SIZE);
    assert_eq!(bytes.len(), right.len());
    bytes.iter().zip(&right).filter(|(one, other)| one != other).count()
}

#[tokio::test]
async fn where_the_user_trusts_the_disk_nothing_recorded_is_read_back() {
    let (rig, recorded) = stopped().await;
    spoil(&rig);
    assert_eq!(wrong_parts(&rig).await, recorded as usize);
}

#[tokio::test]
async fn a_file_that_was_trusted_once_is_trusted_by_the_run_after_next() {
    let (rig, _) = stopped().await;
    rig.sim.fault(On::get().always(), Fault::status(403, "AccessDenied"));
    let download = rig.download().resume_verify(ResumeVerify::Bounds);
    assert_eq!(download.await.unwrap_err().kind(), ErrorKind::Denied);
    rig.sim.clear_faults();
    rig.sim.fault(On::any().always(), Fault::NoCrcHeader);
    let kept = checkpoint::show(&rig.path(), None).unwrap().unwrap();
    spoil(&rig);
    assert_eq!(wrong_parts(&rig).await, kept.parts_recorded as usize);
}

/// Makes the checkpoint be about another file than the one that is there.
fn rebind(rig: &Rig, change: impl FnOnce(&mut Bind)) {
    let path = checkpoint_in(rig.dir.path());
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut page = [0; HEADER_LEN];
    file.read_exact_at(&mut page, HEADER_LEN as u64).unwrap();
    let mut bind = Bind::decode(&page).unwrap();
    change(&mut bind);
    file.write_all_at(&bind.encode().unwrap(), HEADER_LEN as u64).unwrap();
}

#[tokio::test]
async fn what_may_be_another_file_is_read_back_whatever_the_user_trusts() {
    for what in ["copied", "of another inode", "made at another time", "longer"] {
        let (rig, _) = stopped().await;
        spoil(&rig);
        let partial = partial_in(rig.dir.path());
        match what {
            "copied" => {
                let copy = rig.dir.path().join("copy");
                fs::copy(&partial, &copy).unwrap();
                fs::rename(&copy, &partial).unwrap();
            }
            "of another inode" => rebind(&rig, |bind| bind.inode ^= 1),
            "made at another time" => rebind(&rig, |bind| bind.birth ^= 1),
            _ => File::options().write(true).open(&partial).unwrap().set_len(SIZE + 1).unwrap(),
        }
        assert_eq!(wrong_parts(&rig).await, 0, "{what}");
    }
}
