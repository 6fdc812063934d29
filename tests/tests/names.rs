//! Keys that other people have chosen, and metadata that asks for more than bytes.

use ossget_testkit::{Content, Fault, On, Simulator};
use ossget_tests::binary;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const BUCKET: &str = "examplebucket";

/// A simulator, and a folder within a folder to download to.
struct Rig {
    sim: Simulator,
    outer: TempDir,
}

impl Rig {
    fn new() -> Self {
        let sim = Simulator::builder().bucket(BUCKET).public_read();
        let sim = sim.start_blocking().expect("loopback addresses can be bound");
        let outer = tempfile::tempdir().expect("a temporary folder");
        for name in ["dir", "dir-other"] {
            fs::create_dir(outer.path().join(name)).expect("a writable folder");
        }
        fs::write(outer.path().join("x"), "precious").expect("a writable folder");
        Self { sim, outer }
    }

    /// Downloads a key into the folder.
    fn get(&self, key: &str, args: &[&str]) -> Output {
        self.get_to("dir", key, args)
    }

    fn get_to(&self, destination: &str, key: &str, args: &[&str]) -> Output {
        let mut command = Command::new(binary("ossget"));
        command
            .args(["get", &format!("oss://{BUCKET}/{key}"), destination, "--literal-key", "-vv"])
            .args(["-e", &self.sim.endpoint(), "--region", "cn-hangzhou", "--anonymous"])
            .args(args)
            .env_clear()
            .current_dir(self.outer.path())
            .stdin(Stdio::null());
        command.output().expect("the binary starts")
    }

    fn dir(&self) -> std::path::PathBuf {
        self.outer.path().join("dir")
    }

    /// Asserts that nothing but the folder has changed.
    fn assert_nothing_beside(&self, key: &str) {
        assert_eq!(names_in(self.outer.path()), ["dir", "dir-other", "x"], "{key:?}");
        assert!(names_in(&self.outer.path().join("dir-other")).is_empty(), "{key:?}");
        assert_eq!(
            fs::read(self.outer.path().join("x")).expect("it is there"),
            b"precious",
            "{key:?}"
        );
    }
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a readable folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a readable folder").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

/// Faults: 123, 124, 125, 126, 127.
#[test]
fn a_key_names_one_file_in_the_folder_and_none_outside() {
    let rig = Rig::new();
    for (key, name) in [
        ("../../x", "x"),
        ("a/../../x", "x"),
        ("../dir-other/x", "x"),
        ("foo..txt", "foo..txt"),
        ("...", "..."),
        ("a..b/c", "c"),
        ("a//b", "b"),
        ("a/./b", "b"),
        ("./x", "x"),
        ("x\\y", "x\\y"),
        ("C:\\x", "C:\\x"),
        ("C:x", "C:x"),
        ("x:stream", "x:stream"),
        ("-rf", "-rf"),
        ("~", "~"),
        ("a\nb\u{1b}[31m", "a\nb\u{1b}[31m"),
        ("\u{202e}gnp.exe", "\u{202e}gnp.exe"),
    ] {
        rig.sim.put_object(key, Content::generated(1, 10));
        let ended = rig.get(key, &[]);
        assert!(ended.status.success(), "{key:?}: {ended:?}");
        assert_eq!(names_in(&rig.dir()), [name], "{key:?}");
        rig.assert_nothing_beside(key);
        fs::remove_file(rig.dir().join(name)).unwrap();
    }
}

/// Faults: 123, 125.
#[test]
fn a_key_that_names_no_file_is_refused_before_any_request() {
    let rig = Rig::new();
    for key in ["..", "a/..", "a/.", ".", "dir/"] {
        rig.sim.put_object(key, Content::generated(1, 10));
        let ended = rig.get(key, &[]);
        assert_eq!(ended.status.code(), Some(10), "{key:?}: {ended:?}");
        assert!(names_in(&rig.dir()).is_empty(), "{key:?}");
        rig.assert_nothing_beside(key);
    }
    // Beginning with a separator, it is no key at all.
    for key in ["/etc/x", "//x", "\\x"] {
        assert_eq!(rig.get(key, &[]).status.code(), Some(2), "{key:?}");
    }
    assert_eq!(rig.sim.requests().len(), 0);
}

/// Faults: 128.
#[test]
fn a_key_too_long_for_a_file_fails_by_name_before_any_request() {
    let rig = Rig::new();
    let longest = "n".repeat(255);
    rig.sim.put_object(&longest, Content::generated(1, 10));
    assert!(rig.get(&longest, &[]).status.success());
    assert_eq!(names_in(&rig.dir()), std::slice::from_ref(&longest));
    fs::remove_file(rig.dir().join(&longest)).unwrap();
    rig.sim.clear_requests();
    let too_long = format!("a/{longest}n");
    rig.sim.put_object(&too_long, Content::generated(1, 10));
    let ended = rig.get(&too_long, &[]);
    assert_eq!(ended.status.code(), Some(7), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains(&longest), "{ended:?}");
    assert!(names_in(&rig.dir()).is_empty());
    rig.assert_nothing_beside(&too_long);
    assert_eq!(rig.sim.requests().len(), 0);
}

/// Faults: 128.
#[test]
fn a_path_too_long_for_the_system_fails_by_name_before_any_request() {
    let rig = Rig::new();
    rig.sim.put_object("k", Content::generated(1, 10));
    // Each directory is there, and all together are longer than the 4096 bytes of Linux. Their
    // path cannot be told to a system call either: they are made one within the other.
    let name = "n".repeat(250);
    let make = "for _ in $(seq 17); do mkdir $0 && cd -P $0 || exit; done";
    let made = Command::new("sh").args(["-c", make, &name]).current_dir(rig.dir()).status();
    assert!(made.expect("a shell").success());
    let deep = format!("dir/{}f", format!("{name}/").repeat(17));
    let ended = rig.get_to(&deep, "k", &[]);
    assert_eq!(ended.status.code(), Some(7), "{ended:?}");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("too long") && said.contains(&name), "{ended:?}");
    assert_eq!(names_in(&rig.dir()), [name]);
    rig.assert_nothing_beside("k");
    assert_eq!(rig.sim.requests().len(), 0);
}

/// Faults: 53, 127.
#[test]
fn a_key_can_neither_forge_a_line_nor_colour_a_terminal() {
    let rig = Rig::new();
    let key = "a\n\u{1b}[31merror: forged\r\u{202e}txt";
    for args in [&[][..], &["--json"], &["--color", "always"]] {
        for there in [false, true] {
            if there {
                rig.sim.put_object(key, Content::generated(1, 10));
            } else {
                rig.sim.delete_object(key);
            }
            let ended = rig.get(key, args);
            assert_eq!(ended.status.success(), there, "{ended:?}");
            let said = [&ended.stdout[..], &ended.stderr].concat();
            let text = String::from_utf8(said).expect("it says UTF-8");
            assert!(!text.contains("\u{1b}[31merror: forged"), "{text:?}");
            assert!(!text.contains(['\r', '\u{202e}']), "{text:?}");
            assert!(
                !text.lines().any(|line| line.contains("forged")
                    && line.starts_with(['\u{1b}', 'e'])
                    && !line.contains("oss://")),
                "{text:?}"
            );
        }
        fs::remove_file(rig.dir().join(key)).unwrap();
    }
}

/// Faults: 133.
#[test]
fn what_metadata_asks_for_is_not_done() {
    let rig = Rig::new();
    rig.sim.put_object("k", Content::generated(1, 10));
    for (name, value) in [
        ("x-oss-meta-mode", "104777"),
        ("x-oss-meta-uid", "65534"),
        ("x-oss-meta-gid", "65534"),
        ("x-oss-meta-symlink", "../x"),
        ("x-oss-object-type", "Symlink"),
        ("x-oss-symlink-target", "../x"),
        ("x-oss-meta-mtime", "0"),
        ("content-disposition", "attachment; filename=\"../x\""),
    ] {
        rig.sim.fault(On::any().always(), Fault::header(name, value));
    }
    let ended = rig.get("k", &[]);
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(names_in(&rig.dir()), ["k"]);
    rig.assert_nothing_beside("k");
    let found = fs::symlink_metadata(rig.dir().join("k")).unwrap();
    let plain = outer_file(&rig);
    assert!(found.is_file());
    assert_eq!(found.permissions().mode(), plain.permissions().mode());
    assert_eq!((found.uid(), found.gid()), (plain.uid(), plain.gid()));
    assert_eq!(found.len(), 10);
}

/// A file as this user makes them.
fn outer_file(rig: &Rig) -> fs::Metadata {
    fs::metadata(rig.outer.path().join("x")).expect("it is there")
}
