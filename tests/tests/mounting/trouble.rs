//! What can go wrong in one run of a random story.

use super::fault::{CHANGES, Effect, Fault, Operation, Role};
use super::model::Pages;
use ossget_tests::Rng;
use std::time::Duration;

/// One kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    PowerCut,
    /// A sync of the partial file fails and loses what it was to write.
    LostData,
    /// A sync of the checkpoint does.
    LostRecords,
    /// Syncs of the partial file do nothing, and the power goes.
    LyingDisk,
    SlowSyncs,
    DirectorySync,
    Rename,
    Stale,
    ReadOnly,
    FullDisk,
    DataWrite,
    RecordWrite,
    ShortWrites,
    DataRead,
    NoLocks,
    /// Space cannot be reserved, and runs out.
    NoReservation,
}

impl Trouble {
    pub(crate) const ALL: [Self; 16] = [
        Self::PowerCut,
        Self::LostData,
        Self::LostRecords,
        Self::LyingDisk,
        Self::SlowSyncs,
        Self::DirectorySync,
        Self::Rename,
        Self::Stale,
        Self::ReadOnly,
        Self::FullDisk,
        Self::DataWrite,
        Self::RecordWrite,
        Self::ShortWrites,
        Self::DataRead,
        Self::NoLocks,
        Self::NoReservation,
    ];

    /// The trouble that the story of a seed begins with.
    pub(crate) fn of(seed: u64) -> Self {
        Self::ALL[(seed % Self::ALL.len() as u64) as usize]
    }

    /// One that a story goes on with: half of the time the power goes.
    pub(crate) fn next(rng: &mut Rng) -> Self {
        if rng.one_in(2) { Self::PowerCut } else { Self::of(rng.below(1 << 16)) }
    }

    /// The faults that make it; the first is the one that counts.
    pub(crate) fn faults(self, rng: &mut Rng) -> Vec<Fault> {
        match self {
            Self::PowerCut => vec![cut(rng)],
            Self::LostData => vec![lost(rng).of(Role::Partial).after(rng.below(4))],
            Self::LostRecords => vec![lost(rng).of(Role::Checkpoint).after(rng.below(3))],
            Self::LyingDisk => {
                let lie = Fault::new(Effect::Lie).on(SYNC).of(Role::Partial).always();
                // Once something was recorded.
                let later = rng.below(40);
                vec![lie, Fault::new(Effect::Cut).on(WRITE).of(Role::Checkpoint).after(2 + later)]
            }
            Self::SlowSyncs => {
                let delay = Duration::from_millis(rng.within(10..120));
                let slow = Fault::new(Effect::Delay(delay)).on(SYNC).always();
                let cut = cut(rng);
                if rng.one_in(2) { vec![slow, cut] } else { vec![slow] }
            }
            Self::DirectorySync => {
                let after = rng.below(3);
                vec![fails(libc::EIO).on(SYNC).of(Role::Directory).after(after)]
            }
            Self::Rename => {
                vec![fails(any(rng, RENAME_ERRORS)).on(&[Operation::Rename]).always()]
            }
            Self::Stale => vec![fails(libc::ESTALE).after(rng.below(120)).always()],
            Self::ReadOnly => vec![fails(libc::EROFS).on(CHANGES).after(rng.below(40)).always()],
            Self::FullDisk => {
                let after = rng.below(20);
                let number = any(rng, FULL);
                vec![fails(number).on(SPACE).of(Role::Partial).after(after).always()]
            }
            Self::DataWrite => {
                vec![fails(libc::EIO).on(WRITE).of(Role::Partial).after(rng.below(20))]
            }
            Self::RecordWrite => {
                vec![fails(libc::EIO).on(WRITE).of(Role::Checkpoint).after(rng.below(4))]
            }
            Self::ShortWrites => {
                let most = usize::try_from(rng.within(1000..20_000)).expect("a small number");
                vec![Fault::new(Effect::Short(most)).on(WRITE).always()]
            }
            Self::DataRead => {
                vec![fails(libc::EIO).on(&[Operation::Read]).of(Role::Partial).after(rng.below(2))]
            }
            Self::NoLocks => vec![fails(any(rng, NO_LOCKS)).on(&[Operation::Lock]).always()],
            Self::NoReservation => {
                let reserve = fails(libc::EOPNOTSUPP).on(&[Operation::Reserve]).always();
                let full = fails(libc::ENOSPC).on(WRITE).of(Role::Partial).after(rng.below(20));
                vec![reserve, full.always()]
            }
        }
    }

    /// How a run may end that it has struck.
    pub(crate) fn allows(self, code: Option<i32>) -> bool {
        match self {
            // What a run does after success it may fail to do.
            Self::PowerCut | Self::LyingDisk | Self::SlowSyncs | Self::Stale | Self::ReadOnly => {
                matches!(code, Some(0 | 7))
            }
            Self::ShortWrites | Self::DataRead | Self::NoLocks => code == Some(0),
            // Without a second fault nothing is wrong.
            Self::NoReservation => matches!(code, Some(0 | 7)),
            _ => code == Some(7),
        }
    }

    /// Whether it makes sense only where there is something to resume.
    pub(crate) fn needs_remains(self) -> bool {
        matches!(self, Self::DataRead)
    }
}

/// A power cut at a moment that is worth one.
fn cut(rng: &mut Rng) -> Fault {
    let cut = Fault::new(Effect::Cut);
    match rng.below(8) {
        0..3 => cut.on(CHANGES).after(rng.below(30)),
        3 => cut.on(CHANGES).after(rng.below(100)),
        4 => cut.on(SYNC).of(Role::Partial).after(rng.below(8)),
        5 => cut.on(WRITE).of(Role::Checkpoint).after(rng.below(8)),
        6 => cut.on(SYNC).of(Role::Directory).after(rng.below(3)),
        _ => cut.on(ENDING).after(rng.below(2)),
    }
}

fn lost(rng: &mut Rng) -> Fault {
    let pages = if rng.one_in(2) { Pages::Cached } else { Pages::Evicted };
    Fault::new(Effect::Lose(pages)).on(SYNC)
}

fn fails(number: i32) -> Fault {
    Fault::new(Effect::Fail(number))
}

fn any(rng: &mut Rng, numbers: &[i32]) -> i32 {
    numbers[rng.below(numbers.len() as u64) as usize]
}

const SYNC: &[Operation] = &[Operation::Sync];
const WRITE: &[Operation] = &[Operation::Write];
const SPACE: &[Operation] = &[Operation::Reserve, Operation::Write];
const ENDING: &[Operation] = &[Operation::Rename, Operation::Remove];
const RENAME_ERRORS: &[i32] = &[libc::EXDEV, libc::EBUSY, libc::ETXTBSY, libc::EPERM];
const FULL: &[i32] = &[libc::ENOSPC, libc::EDQUOT];
const NO_LOCKS: &[i32] = &[libc::ENOLCK, libc::EOPNOTSUPP, libc::ENOSYS];
