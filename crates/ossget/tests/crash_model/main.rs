//! The exhaustive crash model: real downloads on a simulated disk, crashed wherever that is
//! possible, and gone on with by real downloads from every state that a crash can leave.
//!
//! The scope is small and complete: three parts of two sectors each, several crashes one after the
//! other. The simulated disk is as pessimistic as a disk can be
//! ([`ossget_testkit::file_system`]).

#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(clippy::print_stdout, reason = "the numbers of an exploration are its result")]

mod explore;
mod meaning;
mod origin;
mod process;
mod schedule;
mod stale;

use explore::{
    Before, Change, Ends, Explorer, Failures, Interleavings, Report, Scope, SlotRule, sizes,
};
use origin::{Crc, PART, Version};
use ossget::ResumeVerify;
use ossget_testkit::file_system::{Damage, Disk, Omission};
use process::{Checkpoint, DESTINATION, Machine, Settings};
use stale::{older_session, unkeyed};

/// The scope that the others are variants of.
fn scope(machine: &Machine) -> Scope {
    let settings = Settings {
        checkpoint: Checkpoint::Beside,
        crc: Crc::Given,
        verify: ResumeVerify::Full,
        omissions: Vec::new(),
    };
    Scope {
        damage: Damage {
            data_garbage: true,
            checkpoint_garbage: true,
            torn: true,
            stale: Some(older_session(machine, &settings)),
        },
        settings,
        ends: Ends::Power,
        change: Change::Never,
        interleavings: Interleavings::None,
        failures: Failures::Never,
        depth: Some(3),
        slots: SlotRule::NeverLie,
        before: Before::Durable,
        wanted: None,
    }
}

/// Explores a variant of the scope and prints what was found.
fn explore(what: &str, first: First, adjust: impl FnOnce(&Machine, &mut Scope)) -> Report {
    let machine = Machine::new();
    let mut scope = scope(&machine);
    adjust(&machine, &mut scope);
    if let Some(depth) = depth_wanted() {
        scope.widen(depth);
    }
    let disk = Disk::new(sizes());
    let disk = match first {
        First::Old => disk.with_file(DESTINATION, &machine.objects.old),
        First::Nothing => disk,
        First::ObjectUnsynced => {
            scope.before = Before::Unsynced;
            disk.with_fresh_file(DESTINATION, machine.objects.bytes(Version::A))
        }
    };
    let report = Explorer::explore(&machine, scope, disk);
    println!("{what}: {report}");
    report
}

/// What stands at the destination at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Nothing,
    Old,
    /// The object, by a program that syncs nothing.
    ObjectUnsynced,
}

/// How many crashes deep a long run goes; the normal one goes as deep as each test says.
fn depth_wanted() -> Option<usize> {
    let text = std::env::var("OSSGET_CRASH_DEPTH").ok()?;
    Some(text.parse().expect("a number of crashes"))
}

fn expect_none(what: &str, first: First, adjust: impl FnOnce(&Machine, &mut Scope)) -> Report {
    let report = explore(what, first, adjust);
    assert_eq!(report.count(), 0, "{}", report.first.unwrap_or_default());
    assert_eq!(report.finished + report.failed, report.runs);
    assert!(report.distinct > 15, "crashes happen: {report}");
    report
}

/// Something is left out: the exploration must see the harm.
fn expect_caught(omission: Omission, complaint: &'static str) {
    let first = match omission {
        Omission::FoundSync => First::ObjectUnsynced,
        _ => First::Old,
    };
    expect_complaint(&format!("without {omission:?}"), complaint, first, |_, scope| {
        scope.settings.omissions.push(omission);
        // What reading back would find out must be seen all the same.
        scope.settings.verify = ResumeVerify::Bounds;
    });
}

fn expect_complaint(
    what: &str,
    complaint: &'static str,
    first: First,
    adjust: impl FnOnce(&Machine, &mut Scope),
) {
    let report = explore(what, first, |machine, scope| {
        adjust(machine, scope);
        scope.wanted = Some(complaint);
    });
    assert!(report.violations.contains_key(complaint), "{:?}", report.violations);
}

/// Faults: 97, 108, 109.
#[test]
fn no_number_of_power_cuts_leaves_a_wrong_file_or_litter() {
    expect_none("power cuts", First::Old, |_, scope| scope.depth = None);
}

/// Faults: 104, 105, 107, 109.
#[test]
fn kills_and_power_cuts_in_any_order_leave_no_wrong_file_and_no_litter() {
    expect_none("kills and power cuts", First::Nothing, |_, scope| {
        scope.ends = Ends::PowerAndKill;
        scope.damage.data_garbage = false;
    });
}

/// Faults: 108.
#[test]
fn a_writer_beside_the_committer_is_never_recorded_too_early() {
    let report = expect_none("interleavings", First::Old, |_, scope| {
        scope.interleavings = Interleavings::Until(usize::MAX);
        scope.damage.data_garbage = false;
    });
    assert!(report.held_back > report.runs / 2, "few are held back: {report}");
}

/// Faults: 38, 109.
#[test]
fn an_object_that_changes_between_crashes_is_never_mixed() {
    expect_none("object replaced", First::Old, |_, scope| {
        scope.change = Change::Once;
        scope.damage.data_garbage = false;
    });
}

#[test]
fn a_checkpoint_in_another_directory_is_as_good_as_one_beside_the_destination() {
    expect_none("checkpoint elsewhere", First::Old, |machine, scope| {
        scope.settings.checkpoint = Checkpoint::Elsewhere;
        scope.damage.stale = Some(older_session(machine, &scope.settings));
        scope.damage.data_garbage = false;
        scope.ends = Ends::PowerAndKill;
    });
}

#[test]
fn an_object_without_a_crc_is_as_safe_from_crashes() {
    expect_none("no CRC-64", First::Old, |_, scope| {
        scope.settings.crc = Crc::Absent;
        scope.damage.data_garbage = false;
        scope.damage.torn = false;
    });
}

/// Faults: 75, 76.
#[test]
fn a_step_that_fails_leaves_what_any_crash_may_follow() {
    let report = expect_none("failing steps", First::Old, |_, scope| {
        scope.ends = Ends::PowerAndKill;
        scope.failures = Failures::Until(0);
        scope.damage.data_garbage = false;
    });
    assert!(report.failed > 50, "few steps fail: {report}");
}

/// The first layer alone: the order of writes, without reading anything back.
///
/// Faults: 108.
#[test]
fn the_order_of_writes_alone_withstands_every_crash() {
    expect_none("order without re-hash", First::Old, |_, scope| {
        scope.settings.verify = ResumeVerify::Bounds;
    });
}

/// The second layer alone: nothing is synced in the loop, and what a slot claims is read back.
///
/// Faults: 110, 111.
#[test]
fn reading_back_alone_withstands_every_crash() {
    expect_none("re-hash without order", First::Old, |_, scope| {
        scope.settings.omissions.push(Omission::LoopSyncs);
        scope.slots = SlotRule::MayLie;
        scope.damage.data_garbage = false;
        scope.damage.torn = false;
        // Nearly six thousand states after each crash: the third is left to the long run.
        scope.depth = Some(2);
    });
}

#[test]
fn an_object_found_at_the_destination_is_made_durable_before_success_is_reported() {
    expect_none("found unsynced", First::ObjectUnsynced, |_, scope| {
        scope.damage.data_garbage = false;
        scope.depth = Some(2);
    });
}

#[test]
fn whatever_is_left_out_of_the_protocol_is_noticed() {
    for (omission, complaint) in [
        (Omission::DataSync, "a slot lies"),
        (Omission::DataSyncBeforeRecording, "a slot lies"),
        (Omission::LastPartFromSync(PART), "a slot lies"),
        (Omission::LoopSyncs, "a slot lies"),
        (Omission::HeaderSync, "a partial file is forgotten"),
        (Omission::CheckpointNameSync, "a partial file is forgotten"),
        (Omission::RemovalSync, "a partial file is forgotten"),
        (Omission::PartialNameSync, "durable progress is not durable"),
        (Omission::RecordSync, "durable progress is not durable"),
        (Omission::RenameSync, "a reported success is lost"),
        (Omission::FoundSync, "a reported success is lost"),
    ] {
        expect_caught(omission, complaint);
    }
}

#[test]
fn slots_that_are_not_keyed_with_their_session_are_noticed() {
    expect_complaint("without keys", "a slot lies", First::Old, |machine, scope| {
        let older = scope.damage.stale.take().unwrap();
        scope.damage.stale = Some(unkeyed(machine, older));
    });
}

#[test]
fn data_not_synced_before_the_rename_is_noticed_where_the_loop_does_not_sync() {
    expect_complaint(
        "without PublishedDataSync",
        "wrong bytes at the destination",
        First::Old,
        |_, scope| {
            scope.settings.omissions.push(Omission::LoopSyncs);
            scope.settings.omissions.push(Omission::PublishedDataSync);
            scope.slots = SlotRule::MayLie;
            scope.damage.data_garbage = false;
            scope.damage.torn = false;
        },
    );
}
