//! Two runs on one destination, objects that change, servers that lie.

use ossget_testkit::{Content, Fault, On};
use ossget_tests::{Rig, wait_until};
use std::fs;
use std::time::{Duration, Instant};

const SIZE: u64 = 10_000_000;
const ARGS: &[&str] = &["--part-size", "200KiB", "--parallel", "2"];

/// Faults: 98.
#[test]
fn a_second_run_on_the_same_destination_ends_within_a_second() {
    let rig = Rig::new(1, SIZE);
    // Too slow for the first one to end meanwhile.
    rig.sim.throttle(100_000);
    let first = rig.command(ARGS).spawn().unwrap();
    wait_until("a request of the first run", || !rig.ranges().is_empty());
    // On a machine that does other things as well, the start alone may take a second; not each
    // time.
    let quickest = (0..5).map(|_| {
        let begun = Instant::now();
        let second = rig.run(ARGS);
        let took = begun.elapsed();
        assert_eq!(second.code, Some(8), "{second:?}");
        assert_eq!(second.event("object_failed")["kind"], "locked");
        took
    });
    let quickest = quickest.min().expect("it ran");
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    rig.sim.unthrottle();
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success());
    rig.assert_downloaded();
}

/// Faults: 38.
#[test]
fn an_object_replaced_midway_is_fetched_anew_once() {
    let mut rig = Rig::new(1, SIZE);
    let newer = Content::generated(2, SIZE + 1);
    rig.sim.fault(On::get().nth(6), Fault::ReplaceObjectNow(newer.clone()));
    rig.content = newer;
    let ended = rig.run_well(ARGS);
    let starts = ended.events.iter().filter(|event| event["event"] == "start").count();
    assert_eq!(starts, 2, "{ended:?}");
}

/// Faults: 38.
#[test]
fn an_object_replaced_midway_stops_the_run_if_so_wished() {
    let rig = Rig::new(1, SIZE);
    fs::write(rig.destination(), "old").unwrap();
    rig.sim.fault(On::get().nth(6), Fault::ReplaceObjectNow(Content::generated(2, SIZE)));
    let ended = rig.run(&[ARGS, &["--on-change", "fail"]].concat());
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert_eq!(fs::read(rig.destination()).unwrap(), b"old");
}

#[test]
fn a_wrong_crc_header_fails_the_run_and_poisons_nothing() {
    let rig = Rig::new(1, SIZE);
    fs::write(rig.destination(), "old").unwrap();
    rig.sim.fault(On::any().always(), Fault::WrongCrcHeader(12_345));
    let ended = rig.run(ARGS);
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert_eq!(ended.event("object_failed")["kind"], "integrity");
    assert_eq!(fs::read(rig.destination()).unwrap(), b"old");
    assert_eq!(rig.files(), ["object.bin"]);
    rig.sim.clear_faults();
    rig.run_well(ARGS);
}

/// Faults: 19.
#[test]
fn a_flipped_bit_on_the_way_fails_the_run_and_poisons_nothing() {
    let rig = Rig::new(1, SIZE);
    fs::write(rig.destination(), "old").unwrap();
    rig.sim.fault(On::get().always(), Fault::FlipByte { at: 4_321_000 });
    assert_eq!(rig.run(ARGS).code, Some(6));
    assert_eq!(fs::read(rig.destination()).unwrap(), b"old");
    rig.sim.clear_faults();
    rig.run_well(ARGS);
}

#[test]
fn a_finished_run_is_recognised_without_fetching() {
    let rig = Rig::new(1, SIZE);
    rig.run_well(ARGS);
    rig.sim.clear_requests();
    let ended = rig.run_well(ARGS);
    assert_eq!(ended.event("object_skipped")["integrity"], "verified");
    assert_eq!(rig.ranges(), []);
}

/// Faults: 95.
#[test]
fn another_object_for_a_destination_that_is_being_downloaded_is_refused() {
    let rig = Rig::new(1, SIZE);
    rig.sim.fault(On::get().nth(3).always(), Fault::status(403, "AccessDenied"));
    assert_eq!(rig.run(ARGS).code, Some(3));
    rig.sim.clear_faults();
    rig.sim.put_object("other", Content::generated(5, SIZE));
    let mut command = rig.command(ARGS);
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut other = std::process::Command::new(command.get_program());
    other.arg("get").arg("oss://examplebucket/other").args(&args[2..]);
    other.env("OSS_ACCESS_KEY_ID", "test-id").env("OSS_ACCESS_KEY_SECRET", "test-secret");
    let refused = other.output().unwrap();
    assert_eq!(refused.status.code(), Some(10), "{refused:?}");
    // The first download is not hurt.
    let ended: ossget_tests::Ended = command.output().unwrap().into();
    assert_eq!(ended.code, Some(0));
    assert!(ended.event("object_done")["resumed_bytes"].as_u64().unwrap() > 0);
    rig.assert_downloaded();
}

#[test]
fn a_page_that_is_not_of_oss_replaces_nothing() {
    let rig = Rig::new(1, SIZE);
    fs::write(rig.destination(), "old").unwrap();
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n";
    rig.sim.fault(On::head().always(), Fault::Raw(page.into()));
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhtml";
    rig.sim.fault(On::get().always(), Fault::Raw(page.into()));
    let ended = rig.run(ARGS);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(fs::read(rig.destination()).unwrap(), b"old");
    assert_eq!(rig.files(), ["object.bin"]);
}

#[test]
fn a_report_cannot_overwrite_the_destination_whichever_path_it_takes() {
    let rig = Rig::new(1, SIZE);
    fs::write(rig.destination(), "old").unwrap();
    std::os::unix::fs::symlink(rig.destination(), rig.dir().join("link")).unwrap();
    for report in ["object.bin", "link", "../dir/object.bin"] {
        let name = rig.dir().file_name().unwrap().to_str().unwrap();
        let report = rig.dir().join(report.replace("dir", name));
        let ended = rig.run(&["--report", report.to_str().unwrap()]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert_eq!(fs::read(rig.destination()).unwrap(), b"old");
    }
}
