//! What happens to the partial file between two runs is found, and costs only what is bad.

use ossget_testkit::{Content, Fault, On};
use ossget_tests::{Remains, Rig, covered, difference, remains, total_len};
use std::fs::{self, File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;

const PART: u64 = 1 << 20;
const SIZE: u64 = 32 * PART + 12_345;
const ARGS: &[&str] = &["--part-size", "1MiB", "--parallel", "2"];

/// A download that was stopped about half-way, and what it left.
fn stopped_halfway() -> (Rig, Remains) {
    let rig = Rig::new(11, SIZE);
    // The first two requests ask for eight parts each; the third is refused.
    let third = On::get().range_start(|start| start >= 16 * PART).always();
    rig.sim.fault(third, Fault::status(403, "AccessDenied"));
    let ended = rig.run(ARGS);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(ended.event("object_failed")["resumable"], true);
    rig.sim.clear_faults();
    rig.sim.clear_requests();
    let remains = remains(rig.dir()).expect("a checkpoint");
    assert!(
        remains.recorded.len() >= 8,
        "{} parts are recorded: {ended:?}",
        remains.recorded.len()
    );
    assert!(!rig.destination().exists());
    (rig, remains)
}

/// What must be fetched: everything that is not recorded, and what is bad.
fn missing_and(remains: &Remains, bad: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut wanted = bad.to_vec();
    let mut at = 0;
    for kept in remains.ranges() {
        wanted.push(at..kept.start);
        at = kept.end;
    }
    wanted.push(at..SIZE);
    wanted.retain(|range| !range.is_empty());
    covered(&wanted)
}

/// Resumes and checks that exactly the missing and the bad ranges were fetched, once each.
fn resumes_fetching(rig: &Rig, wanted: &[Range<u64>]) {
    let ended = rig.run_well(ARGS);
    let done = ended.event("object_done");
    assert_eq!(done["integrity"], "verified");
    let ranges = rig.ranges();
    assert_eq!(covered(&ranges), wanted);
    assert_eq!(total_len(&ranges), total_len(wanted), "something was fetched twice");
    assert_eq!(done["fetched_bytes"], total_len(wanted));
    assert_eq!(done["resumed_bytes"], SIZE - total_len(wanted));
}

/// The range of the n-th recorded part.
fn recorded_part(remains: &Remains, n: usize) -> Range<u64> {
    let part = u64::from(remains.recorded.iter().nth(n).expect("enough parts are recorded"));
    part * PART..(part * PART + PART).min(SIZE)
}

/// All of the object, as one range.
fn everything() -> Vec<Range<u64>> {
    std::iter::once(0..SIZE).collect()
}

#[test]
fn an_untouched_partial_file_costs_only_what_is_missing() {
    let (rig, remains) = stopped_halfway();
    resumes_fetching(&rig, &missing_and(&remains, &[]));
}

/// Faults: 93.
#[test]
fn a_zeroed_part_is_found_and_only_it_is_fetched_again() {
    let (rig, remains) = stopped_halfway();
    let bad = recorded_part(&remains, 3);
    let partial = OpenOptions::new().write(true).open(&remains.partial).unwrap();
    partial.write_all_at(&vec![0; PART as usize], bad.start).unwrap();
    resumes_fetching(&rig, &missing_and(&remains, &[bad]));
}

/// Faults: 92, 93.
#[test]
fn a_single_flipped_bit_is_found_and_only_its_part_is_fetched_again() {
    let (rig, remains) = stopped_halfway();
    let bad = recorded_part(&remains, 5);
    let partial = OpenOptions::new().read(true).write(true).open(&remains.partial).unwrap();
    let at = bad.end - 1;
    let mut byte = [0];
    partial.read_exact_at(&mut byte, at).unwrap();
    partial.write_all_at(&[byte[0] ^ 1], at).unwrap();
    resumes_fetching(&rig, &missing_and(&remains, &[bad]));
}

/// Faults: 93.
#[test]
fn a_truncated_partial_file_loses_the_parts_beyond_its_end() {
    let (rig, remains) = stopped_halfway();
    let first_lost = recorded_part(&remains, 4);
    // In the middle of a part: that part is lost, too.
    let len = first_lost.start + PART / 2;
    OpenOptions::new().write(true).open(&remains.partial).unwrap().set_len(len).unwrap();
    let lost = remains.ranges().into_iter().filter(|range| range.end > len);
    let bad: Vec<_> = lost.map(|range| range.start.max(first_lost.start)..range.end).collect();
    resumes_fetching(&rig, &missing_and(&remains, &bad));
}

/// Faults: 93.
#[test]
fn a_partial_file_with_bytes_appended_is_cut_to_its_length() {
    let (rig, remains) = stopped_halfway();
    let partial = OpenOptions::new().write(true).open(&remains.partial).unwrap();
    partial.write_all_at(b"more", SIZE).unwrap();
    resumes_fetching(&rig, &missing_and(&remains, &[]));
}

/// Faults: 93.
#[test]
fn a_deleted_partial_file_means_starting_over() {
    let (rig, remains) = stopped_halfway();
    fs::remove_file(&remains.partial).unwrap();
    resumes_fetching(&rig, &everything());
}

/// Faults: 93.
#[test]
fn a_partial_file_swapped_for_another_is_not_believed() {
    let (rig, remains) = stopped_halfway();
    let other = Content::generated(99, SIZE);
    fs::remove_file(&remains.partial).unwrap();
    let file = File::create(&remains.partial).unwrap();
    file.write_all_at(&other.window(0..SIZE), 0).unwrap();
    resumes_fetching(&rig, &everything());
}

#[test]
fn a_copied_partial_file_is_used_after_it_has_been_read_back() {
    let (rig, remains) = stopped_halfway();
    let copy = rig.dir().join("copy");
    fs::copy(&remains.partial, &copy).unwrap();
    fs::rename(&copy, &remains.partial).unwrap();
    resumes_fetching(&rig, &missing_and(&remains, &[]));
}

#[test]
fn trusting_the_checkpoint_does_not_extend_to_a_copied_file() {
    let (rig, remains) = stopped_halfway();
    let bad = recorded_part(&remains, 2);
    let copy = rig.dir().join("copy");
    fs::copy(&remains.partial, &copy).unwrap();
    let file = OpenOptions::new().write(true).open(&copy).unwrap();
    file.write_all_at(&[0; 4096], bad.start).unwrap();
    fs::rename(&copy, &remains.partial).unwrap();
    let ended = rig.run_well(&[ARGS, &["--resume-verify", "bounds"]].concat());
    assert_eq!(ended.event("object_done")["resumed_bytes"], remains.bytes() - PART);
}

/// Faults: 93, 144.
#[test]
fn a_link_in_place_of_the_partial_file_is_refused_and_left_alone() {
    let (rig, remains) = stopped_halfway();
    let victim = rig.dir().join("victim");
    fs::write(&victim, "precious").unwrap();
    fs::remove_file(&remains.partial).unwrap();
    std::os::unix::fs::symlink(&victim, &remains.partial).unwrap();
    let ended = rig.run(ARGS);
    assert_eq!(ended.code, Some(10), "{ended:?}");
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(rig.ranges(), []);
}

/// Faults: 94.
#[test]
fn a_damaged_checkpoint_heals_by_itself() {
    for damage in ["empty", "truncated", "header", "slot", "garbage"] {
        let (rig, remains) = stopped_halfway();
        let mut bytes = fs::read(&remains.checkpoint).unwrap();
        let wanted = match damage {
            "empty" => {
                bytes.clear();
                everything()
            }
            "truncated" => {
                bytes.truncate(8192 + 3);
                everything()
            }
            "header" => {
                bytes[100] ^= 1;
                everything()
            }
            "slot" => {
                let bad = recorded_part(&remains, 0);
                bytes[8192 + 16 * usize::try_from(bad.start / PART).unwrap() + 5] ^= 4;
                missing_and(&remains, &[bad])
            }
            _ => {
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = ((at * 7919) >> 3) as u8;
                }
                everything()
            }
        };
        fs::write(&remains.checkpoint, bytes).unwrap();
        let ended = rig.run(ARGS);
        assert_eq!(ended.code, Some(0), "{damage}: {ended:?}");
        assert_eq!(covered(&rig.ranges()), wanted, "{damage}");
        assert_eq!(difference(&rig.destination(), &rig.content), None, "{damage}");
        if matches!(damage, "header" | "slot") {
            // As long as one page tells the partial file's name, it is found and removed.
            rig.assert_downloaded();
        }
        let left: Vec<_> = rig.files().into_iter().filter(|n| n.ends_with(".ossget")).collect();
        assert_eq!(left, [] as [&str; 0], "{damage}");
    }
}
