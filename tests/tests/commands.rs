//! The commands beside `get`, and the flags of `get` that decide what may be dropped, awaited or
//! replaced.

use ossget_testkit::{Fault, On};
use ossget_tests::{Ended, Rig, binary, remains, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SIZE: u64 = 2_000_000;
const ARGS: &[&str] = &["--part-size", "100KiB", "--parallel", "2"];

/// A download that was stopped half-way.
fn stopped(args: &[&str]) -> Rig {
    let rig = Rig::new(3, SIZE);
    stop(&rig, args);
    rig
}

fn stop(rig: &Rig, args: &[&str]) {
    let later = On::get().range_start(|start| start >= SIZE / 2).always();
    rig.sim.fault(later, Fault::status(403, "AccessDenied"));
    let ended = rig.run(&[ARGS, args].concat());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    rig.sim.clear_faults();
    rig.sim.clear_requests();
}

fn ossget(args: &[&str]) -> Output {
    let mut command = Command::new(binary("ossget"));
    command.args(args).env_clear().stdin(Stdio::null()).output().expect("the binary starts")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).expect("JSON is text");
    text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

fn one_ending_in(rig: &Rig, end: &str) -> PathBuf {
    let mut files = rig.files().into_iter().filter(|name| name.ends_with(end));
    let file = files.next().unwrap_or_else(|| panic!("nothing ends in {end}"));
    assert_eq!(files.next(), None);
    rig.dir().join(file)
}

fn wait_for_a_get(rig: &Rig) {
    wait_until("a GET", || !rig.ranges().is_empty());
}

/// Bytes that the simulator has sent.
fn sent(rig: &Rig) -> u64 {
    rig.sim.requests().iter().map(|request| request.sent).sum()
}

/// A checkpoint as a program of the future may write it: with another version, and a tag of its
/// own kind.
fn of_a_later_version(checkpoint: &[u8]) -> Vec<u8> {
    let mut later = checkpoint.to_vec();
    later[8] = 9;
    later[4090] ^= 0xff;
    later
}

fn verify(rig: &Rig, args: &[&str]) -> Output {
    let get = rig.command(&[]);
    let mut command = Command::new(get.get_program());
    command.arg("verify").arg(rig.destination()).arg("oss://examplebucket/dir/object.bin");
    command.args(["--endpoint", &rig.sim.endpoint(), "--region", "cn-hangzhou", "--json"]);
    command.args(args).env_clear();
    command.env("OSS_ACCESS_KEY_ID", "test-id").env("OSS_ACCESS_KEY_SECRET", "test-secret");
    command.output().expect("the binary starts")
}

#[test]
fn what_is_unfinished_is_listed_and_removed_on_demand_but_not_while_a_run_uses_it() {
    let rig = stopped(&[]);
    let listed = ossget(&["checkpoint", "ls", text(rig.dir()), "--json"]);
    let [line] = &lines(&listed)[..] else { panic!("one line: {listed:?}") };
    assert_eq!((&line["condition"], &line["in_use"]), (&"resumable".into(), &false.into()));
    assert_eq!(line["checkpoint"]["bytes_total"], SIZE);
    let remains = remains(rig.dir()).expect("a checkpoint");
    assert_eq!(line["checkpoint"]["bytes_recorded"], remains.bytes());
    let shown = String::from_utf8(ossget(&["checkpoint", "ls", text(rig.dir())]).stdout).unwrap();
    assert!(shown.contains("oss://examplebucket/dir/object.bin"), "{shown}");

    rig.sim.throttle(1000);
    let mut run = rig.command(ARGS).spawn().unwrap();
    wait_for_a_get(&rig);
    let before = rig.files();
    for args in [
        &["checkpoint", "rm", text(&rig.destination())][..],
        &["checkpoint", "clean", text(rig.dir())],
    ] {
        let held = ossget(args);
        assert_eq!(held.status.code(), Some(if args[1] == "rm" { 8 } else { 0 }), "{held:?}");
        assert_eq!(rig.files(), before, "{args:?}");
    }
    let listed = ossget(&["checkpoint", "ls", text(rig.dir()), "--json"]);
    assert_eq!(lines(&listed)[0]["in_use"], true);
    run.kill().unwrap();
    run.wait().unwrap();

    fs::write(rig.destination(), "mine").unwrap();
    let removed = ossget(&["checkpoint", "rm", text(&rig.destination()), "--json"]);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    assert_eq!(lines(&removed)[0]["removed"].as_array().unwrap().len(), 2);
    assert_eq!(rig.files(), ["object.bin"]);
    assert_eq!(fs::read(rig.destination()).unwrap(), b"mine");
    let again = ossget(&["checkpoint", "rm", text(&rig.destination())]);
    assert_eq!(again.status.code(), Some(4), "{again:?}");
}

/// Faults: 94, 95.
#[test]
fn cleaning_removes_what_nobody_can_use_and_nothing_else() {
    let rig = stopped(&[]);
    let checkpoint = one_ending_in(&rig, ".ossget");
    let resumable = rig.files();
    let at = |name: &str| rig.dir().join(name);
    let bytes = fs::read(&checkpoint).unwrap();
    // `foobar` has the checkpoint `.foobar.72ad2699.ossget`.
    fs::write(at(".foobar.72ad2699.ossget"), "damaged").unwrap();
    fs::write(at("foobar.abcdefghijkl2345.part"), "orphan").unwrap();
    fs::write(at("other.abcdefghijkl2345.part"), "orphan").unwrap();
    let useless =
        [".foobar.72ad2699.ossget", "foobar.abcdefghijkl2345.part", "other.abcdefghijkl2345.part"];
    let victim = tempfile::NamedTempFile::new().unwrap();
    fs::write(victim.path(), "precious").unwrap();
    symlink(victim.path(), at("link.abcdefghijkl2345.part")).unwrap();
    fs::create_dir(at("dir.abcdefghijkl2345.part")).unwrap();
    fs::create_dir(at("below")).unwrap();
    fs::write(at("below/x.abcdefghijkl2345.part"), "not looked at").unwrap();
    fs::hard_link(victim.path(), at("hard.abcdefghijkl2345.part")).ok();
    fs::write(at("far.2bcdefghijklmnop.part"), "of a run with a checkpoint directory").unwrap();
    fs::write(at("mine.part"), "mine").unwrap();
    fs::write(at(".mine.ossget"), "mine").unwrap();
    // A checkpoint of a later version may be in good order.
    fs::write(at(".a.bin.0fb7b3ba.ossget"), of_a_later_version(&bytes)).unwrap();
    let before = rig.files();
    let cleaned = ossget(&["checkpoint", "clean", text(rig.dir()), "--json"]);
    assert_eq!(cleaned.status.code(), Some(0), "{cleaned:?}");
    let mut expected = before;
    expected.retain(|name| !useless.contains(&name.as_str()));
    assert_eq!(rig.files(), expected, "{}", String::from_utf8_lossy(&cleaned.stdout));
    let fates = |fate: &str| lines(&cleaned).iter().filter(|line| line["fate"] == fate).count();
    assert_eq!(fates("removed"), useless.len());
    assert!(fates("kept") >= 5, "what stays is told, too");
    assert_eq!(fs::read(victim.path()).unwrap(), b"precious");
    assert!(at("below/x.abcdefghijkl2345.part").exists());
    assert!(resumable.iter().all(|name| rig.dir().join(name).exists()));
    for name in expected.iter().filter(|name| !resumable.contains(name)) {
        let path = at(name);
        drop(fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)));
    }
    let ended = rig.run_well(ARGS);
    assert!(ended.event("object_done")["resumed_bytes"].as_u64() > Some(0));
}

#[test]
fn a_checkpoint_directory_is_listed_cleaned_and_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = ["--checkpoint-dir", text(dir.path())];
    let rig = stopped(&elsewhere);
    let part = one_ending_in(&rig, ".part");
    let listed = ossget(&["checkpoint", "ls", text(dir.path()), "--json"]);
    assert_eq!(lines(&listed)[0]["checkpoint"]["destination"], Value::Null);
    // Seen from the destination alone nobody could know that the file can still be used.
    for args in [
        &[text(rig.dir())][..],
        &[text(dir.path())],
        &[text(rig.dir()), elsewhere[0], elsewhere[1]],
    ] {
        let cleaned = ossget(&[&["checkpoint", "clean"], args].concat());
        assert!(part.exists() && fs::read_dir(dir.path()).unwrap().count() == 1, "{cleaned:?}");
    }
    fs::write(dir.path().join(".x.01234567.ossget"), "damaged").unwrap();
    let orphan = rig.dir().join("object.bin.2aaaaaaaaaaaaaaa.part");
    fs::write(&orphan, "orphan").unwrap();
    let clean = |args: &[&str]| ossget(&[&["checkpoint", "clean"], args].concat());
    clean(&[text(dir.path())]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the damaged one is gone");
    clean(&[text(rig.dir()), elsewhere[0], elsewhere[1]]);
    assert!(part.exists() && !orphan.exists());
    let removed =
        ossget(&["checkpoint", "rm", text(&rig.destination()), elsewhere[0], elsewhere[1]]);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    assert_eq!(rig.files(), [] as [&str; 0]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_local_file_is_compared_with_the_object() {
    let rig = Rig::new(3, SIZE);
    assert_eq!(verify(&rig, &[]).status.code(), Some(7), "there is no file");
    let content = rig.content.window(0..SIZE);
    fs::write(rig.destination(), &content).unwrap();
    let same = verify(&rig, &[]);
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    assert_eq!(lines(&same)[0]["result"], "same");
    assert_eq!(rig.ranges(), []);
    let digest = format!("crc64:{}", rig.content.crc64() ^ 1);
    assert_eq!(verify(&rig, &["--checksum", &digest]).status.code(), Some(6));
    rig.sim.fault(On::head().always(), Fault::NoCrcHeader);
    let unknown = verify(&rig, &[]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("cannot be verified"), "{said}");
    rig.sim.clear_faults();
    let mut other = content.to_vec();
    other[1_000_000] ^= 4;
    fs::write(rig.destination(), &other).unwrap();
    let differs = verify(&rig, &[]);
    assert_eq!(differs.status.code(), Some(6), "{differs:?}");
    assert_eq!(lines(&differs)[0]["result"], "crc64_differs");
    fs::write(rig.destination(), &content[1..]).unwrap();
    let differs = verify(&rig, &[]);
    assert_eq!(
        (differs.status.code(), &lines(&differs)[0]["result"]),
        (Some(6), &"length_differs".into())
    );
    rig.sim.delete_object("dir/object.bin");
    assert_eq!(verify(&rig, &[]).status.code(), Some(4));
}

#[test]
fn a_wrong_digest_of_the_users_is_an_integrity_failure_that_replaces_nothing() {
    let rig = Rig::new(3, SIZE);
    fs::write(rig.destination(), "old").unwrap();
    let wrong = format!("sha256:{}", "00".repeat(32));
    let ended = rig.run(&[ARGS, &["--checksum", &wrong]].concat());
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert_eq!(fs::read(rig.destination()).unwrap(), b"old");
    assert_eq!(rig.files(), ["object.bin"]);
    assert!(!ended.stderr.contains("are kept"), "{}", ended.stderr);
    let right = format!("crc64:{:016x}", rig.content.crc64());
    rig.run_well(&[ARGS, &["--checksum", &right]].concat());
    assert_eq!(rig.run(&["--checksum", "md5:00"]).code, Some(2));
}

/// Faults: 95, 144.
#[test]
fn restarting_gets_past_whatever_lies_in_the_place_of_the_checkpoint() {
    let rig = stopped(&[]);
    let checkpoint = one_ending_in(&rig, ".ossget");
    let bytes = fs::read(&checkpoint).unwrap();
    let victim = tempfile::NamedTempFile::new().unwrap();
    for planted in ["link", "newer format"] {
        drop(fs::remove_file(&checkpoint));
        match planted {
            "link" => symlink(victim.path(), &checkpoint).unwrap(),
            _ => {
                fs::write(&checkpoint, of_a_later_version(&bytes)).unwrap();
                fs::set_permissions(
                    &checkpoint,
                    std::os::unix::fs::PermissionsExt::from_mode(0o600),
                )
                .unwrap();
            }
        }
        let refused = rig.run(ARGS);
        assert_eq!(refused.code, Some(10), "{planted}: {refused:?}");
        assert!(refused.stderr.contains("--restart"), "{}", refused.stderr);
        let ended = rig.run(&[ARGS, &["--restart"]].concat());
        assert_eq!(ended.code, Some(0), "{planted}: {ended:?}");
        fs::remove_file(rig.destination()).unwrap();
        assert_eq!(fs::read(victim.path()).unwrap(), b"");
    }
}

#[test]
fn restarting_with_a_checkpoint_directory_drops_one_left_beside_the_destination() {
    let rig = stopped(&[]);
    let dir = tempfile::tempdir().unwrap();
    let args = [ARGS, &["--checkpoint-dir", text(dir.path())]].concat();
    assert_eq!(rig.run(&args).code, Some(10));
    rig.run_well(&[&args[..], &["--restart"]].concat());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Faults: 85.
#[test]
fn a_file_that_comes_to_the_destination_meanwhile_is_kept_when_asked_to() {
    let rig = Rig::new(3, SIZE);
    rig.sim.throttle(SIZE);
    let run = rig.command(&[ARGS, &["--no-clobber"]].concat()).spawn().unwrap();
    wait_for_a_get(&rig);
    fs::write(rig.destination(), "mine").unwrap();
    rig.sim.unthrottle();
    let ended: Ended = run.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(8), "{ended:?}");
    assert_eq!(ended.event("object_failed")["kind"], "exists");
    assert_eq!(fs::read(rig.destination()).unwrap(), b"mine");
    assert!(one_ending_in(&rig, ".part").exists());
}

/// Faults: 84.
#[test]
fn what_is_no_file_is_refused_as_destination_and_a_link_is_followed_only_on_demand() {
    let rig = Rig::new(3, SIZE);
    let real = rig.dir().join("real.bin");
    fs::write(&real, "old").unwrap();
    symlink("real.bin", rig.destination()).unwrap();
    let ended = rig.run(ARGS);
    assert_eq!(ended.code, Some(10), "{ended:?}");
    assert!(ended.stderr.contains("--follow-symlink"), "{}", ended.stderr);
    assert_eq!(fs::read(&real).unwrap(), b"old");
    let ended = rig.run(&[ARGS, &["--follow-symlink"]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(&real).unwrap() == rig.content.window(0..SIZE));
    assert!(fs::symlink_metadata(rig.destination()).unwrap().is_symlink());
    let done = ended.event("object_done")["destination"].clone();
    assert_eq!(done, text(&real.canonicalize().unwrap()));
    fs::remove_file(rig.destination()).unwrap();
    let made = Command::new("mkfifo").arg(rig.destination()).status().unwrap();
    assert!(made.success());
    rig.sim.clear_requests();
    assert_eq!(rig.run(&[ARGS, &["--restart"]].concat()).code, Some(10));
    assert_eq!(rig.files(), ["object.bin", "real.bin"]);
    assert!(rig.sim.requests().is_empty(), "refused before any request");
}

/// Faults: 98, 106.
#[test]
fn a_run_that_waits_for_another_stops_at_once_on_demand_or_finds_the_file() {
    let rig = Rig::new(3, SIZE);
    rig.sim.throttle(1000);
    let first = rig.command(ARGS).spawn().unwrap();
    wait_for_a_get(&rig);
    let waiting = [ARGS, &["--wait-lock", "10m"]].concat();
    let waiter = rig.command(&waiting).spawn().unwrap();
    sleep(Duration::from_millis(300));
    let begun = Instant::now();
    kill(waiter.id(), "INT");
    let ended: Ended = waiter.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(ended.stderr.contains("waiting for it to end"), "{}", ended.stderr);
    let waiter = rig.command(&waiting).spawn().unwrap();
    sleep(Duration::from_millis(200));
    let gets = rig.ranges().len();
    rig.sim.unthrottle();
    let first: Ended = first.wait_with_output().unwrap().into();
    let ended: Ended = waiter.wait_with_output().unwrap().into();
    assert_eq!((first.code, ended.code), (Some(0), Some(0)), "{ended:?}");
    assert_eq!(ended.event("object_skipped")["bytes"], SIZE);
    let requests = first.event("object_done")["requests"].as_u64();
    assert_eq!(Some(rig.ranges().len() as u64), requests, "{gets} were under way");
    rig.assert_downloaded();
}

/// Faults: 121.
#[test]
fn a_closed_or_blocked_standard_output_and_error_do_not_hold_the_download_up() {
    let rig = Rig::new(3, SIZE);
    let mut command = rig.command(ARGS);
    let mut run = command.spawn().unwrap();
    drop(run.stdout.take());
    drop(run.stderr.take());
    assert_eq!(run.wait().unwrap().code(), Some(0));
    rig.assert_downloaded();
    fs::remove_file(rig.destination()).unwrap();
    // Pipes that nobody reads: 20 MB/s of retries would fill them many times over.
    rig.sim.fault(On::get().times(500), Fault::DropBeforeHead);
    let mut run = rig.command(&[ARGS, &["-vv", "--retries", "100000"]].concat()).spawn().unwrap();
    let begun = Instant::now();
    while !rig.destination().exists() && begun.elapsed() < Duration::from_secs(1) {
        sleep(Duration::from_millis(5));
    }
    rig.sim.clear_faults();
    while !rig.destination().exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the download waits for a reader");
        sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn a_service_that_never_answers_is_told_of_after_a_few_seconds() {
    let rig = Rig::new(3, SIZE);
    rig.sim.fault(On::any().always(), Fault::DropBeforeHead);
    let ended = rig.run(&["--retry-max-time", "5s"]);
    assert_eq!(ended.code, Some(75), "{ended:?}");
    let told: Vec<_> = ended.stderr.lines().filter(|line| line.contains("waiting: ")).collect();
    let [told] = told[..] else { panic!("once: {ended:?}") };
    assert!(told.contains("127.0.0.1") && told.contains("for up to 5s"), "{told}");
}

/// Faults: 93.
#[test]
fn what_was_lost_between_two_runs_is_told_with_how_much() {
    let rig = stopped(&[]);
    let partial = one_ending_in(&rig, ".part");
    let file = fs::OpenOptions::new().write(true).open(partial).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"wrong", 5).unwrap();
    let ended = rig.run_well(ARGS);
    let told = "100 KiB that were kept are not on the disk as they were";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn nothing_is_promised_to_be_kept_that_is_gone() {
    let rig = Rig::new(3, SIZE);
    rig.sim.throttle(SIZE);
    let run = rig.command(ARGS).spawn().unwrap();
    wait_until("a quarter", || sent(&rig) >= SIZE / 4);
    fs::remove_file(one_ending_in(&rig, ".part")).unwrap();
    kill(run.id(), "INT");
    let ended: Ended = run.wait_with_output().unwrap().into();
    assert!(!ended.stderr.contains("are kept"), "{}", ended.stderr);
    assert_eq!(ended.event("object_failed")["resumable"], false);
}

#[test]
fn every_line_names_the_same_absolute_destination() {
    let rig = Rig::new(3, SIZE);
    let whole = rig.dir().canonicalize().unwrap().join("object.bin");
    let run = |args: &[&str], typed: &str| -> Ended {
        let command = rig.command(&[]);
        let given: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut relative = Command::new(command.get_program());
        relative.args(&given[..2]).arg(typed).args(&given[3..]).args(args).current_dir(rig.dir());
        for (name, value) in command.get_envs() {
            relative.env(name, value.unwrap_or_default());
        }
        relative.output().unwrap().into()
    };
    rig.sim.fault(On::get(), Fault::status(404, "NoSuchKey"));
    let failed = run(&[], "object.bin");
    assert_eq!(failed.event("object_failed")["destination"], text(&whole), "{failed:?}");
    for typed in [".", "./object.bin", "object.bin"] {
        let ended = run(&["--restart"], typed);
        let names = ended.events.iter().filter_map(|event| event.get("destination"));
        assert!(names.clone().count() > 0, "{ended:?}");
        for name in names {
            assert_eq!(name, text(&whole), "{typed}");
        }
    }
}

/// Faults: 82.
#[test]
fn a_directory_that_cannot_be_written_to_is_told_before_anything_is_fetched() {
    let rig = Rig::new(3, SIZE);
    fs::write(rig.dir().join("file"), "").unwrap();
    let command = rig.command(&[]);
    let given: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let inside = |path: &str| rig.dir().join(path);
    // Nobody, not even root, can make files in the last one, which shows when one is made: after
    // the request that tells what the object is.
    for (parent, requests) in
        [(inside("missing"), 0), (inside("file"), 0), (PathBuf::from("/sys/kernel"), 1)]
    {
        let mut other = Command::new(command.get_program());
        other.args(&given[..2]).arg(parent.join("x")).args(&given[3..]);
        for (name, value) in command.get_envs() {
            other.env(name, value.unwrap_or_default());
        }
        let ended: Ended = other.output().unwrap().into();
        assert_eq!(ended.code, Some(7), "{ended:?}");
        assert_eq!(rig.sim.requests().len(), requests, "{}", parent.display());
    }
    assert_eq!(rig.files(), ["file"]);
}

/// Faults: 133.
#[test]
fn what_the_object_asks_its_file_to_be_is_not_heeded() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let rig = Rig::new(3, SIZE);
    for (name, value) in [
        ("x-oss-meta-mode", "4777"),
        ("x-oss-meta-uid", "12345"),
        ("x-oss-meta-owner", "nobody"),
        ("x-oss-symlink-target", "/etc/passwd"),
        ("content-disposition", "attachment; filename=../other"),
    ] {
        rig.sim.fault(On::any().always(), Fault::header(name, value));
    }
    rig.run_well(ARGS);
    let found = fs::symlink_metadata(rig.destination()).unwrap();
    assert!(found.is_file());
    assert_eq!(found.permissions().mode() & 0o7111, 0, "{:o}", found.permissions().mode());
    assert_eq!(found.uid(), fs::metadata(rig.dir()).unwrap().uid());
}

fn kill(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
    assert!(sent.expect("kill").success());
}
