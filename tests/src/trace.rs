//! Runs a program so that each of its system calls on some files can be watched, failed, cut
//! short or made its last, in the order in which they happen, whichever thread makes them.
//!
//! `strace` counts the calls of each thread apart, so what it injects at the n-th call hits the
//! thread that happens to get there first. Here the n-th call is that of the process.

use crate::system::{self, Registers, Until};
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A system call that a thread is about to make on one of the watched files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// As in the manual: `pwrite64`.
    pub name: &'static str,
    /// Which file or directory.
    pub path: PathBuf,
    /// Who makes it.
    pub process: u32,
}

/// What is to come of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It happens.
    Go,
    /// The process is killed before it.
    Kill,
    /// It does not end as long as the process lives, as on a disk that does not answer.
    Hold,
    /// It does not happen and fails with this error number.
    Fail(i32),
    /// It happens with this length at most: for reads and writes.
    Short(u64),
}

/// Runs `command` to its end, asking `decide` about each call on a file in one of `dirs` (or on
/// one of them itself).
///
/// # Panics
///
/// When the program cannot be started or traced, or does not end within a minute.
pub fn trace(
    mut command: Command,
    dirs: &[&Path],
    mut decide: impl FnMut(&Call) -> Verdict,
) -> Output {
    let (mut out, mut err) = (scratch(), scratch());
    command.stdout(out.try_clone().expect("a descriptor"));
    command.stderr(err.try_clone().expect("a descriptor"));
    command.stdin(Stdio::null());
    let numbers: Vec<i64> = CALLS.iter().map(|known| known.number).collect();
    system::be_traced(&mut command, &numbers);
    let dirs = dirs.iter().map(|dir| canonical(dir)).collect();
    let status = run(command, dirs, &mut decide).expect("the program can be traced");
    Output { status, stdout: contents(&mut out), stderr: contents(&mut err) }
}

/// Whether programs can be traced here at all.
#[must_use]
pub fn can_trace() -> bool {
    let mut command = Command::new("true");
    system::be_traced(&mut command, &[]);
    run(command, Vec::new(), &mut |_| Verdict::Go).is_ok_and(|status| status.success())
}

fn run(
    mut command: Command,
    dirs: Vec<PathBuf>,
    decide: &mut dyn FnMut(&Call) -> Verdict,
) -> io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    let process = i32::try_from(child.id()).map_err(io::Error::other)?;
    let alarm = Alarm::set(process);
    let status = Tracer { process, dirs, shortened: HashMap::new() }.run(decide);
    drop(alarm);
    // Nothing is left to wait for, which the standard library cannot know.
    drop(child.wait());
    status
}

struct Tracer {
    process: i32,
    dirs: Vec<PathBuf>,
    /// What the registers of threads have to be again after their shortened calls.
    shortened: HashMap<i32, Registers>,
}

impl Tracer {
    fn run(&mut self, decide: &mut dyn FnMut(&Call) -> Verdict) -> io::Result<ExitStatus> {
        let mut begun = false;
        loop {
            let (thread, status) = system::wait_for_any()?;
            if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
                if thread == self.process {
                    return Ok(ExitStatus::from_raw(status));
                }
                continue;
            }
            if !begun {
                // The first stop is that of the program's own start.
                system::follow_threads(thread)?;
                begun = true;
                gone_or(system::resume(thread, 0, Until::FilteredCall))?;
                continue;
            }
            gone_or(self.stopped(thread, status, decide))?;
        }
    }

    /// Handles a stop and lets the thread go on.
    fn stopped(
        &mut self,
        thread: i32,
        status: i32,
        decide: &mut dyn FnMut(&Call) -> Verdict,
    ) -> io::Result<()> {
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        if event == libc::PTRACE_EVENT_SECCOMP {
            return self.at_call(thread, decide);
        }
        if let Some(before) = self.shortened.remove(&thread) {
            // Programs rely on a call leaving the registers of its arguments alone.
            let mut after = Registers::read(thread)?;
            after.set_length(before.arguments()[2]);
            after.write(thread)?;
            return system::resume(thread, 0, Until::FilteredCall);
        }
        // A new thread, and what it is stopped with; everything else is the program's own affair.
        let own = event != 0 || matches!(signal, libc::SIGSTOP | libc::SIGTRAP);
        system::resume(thread, if own { 0 } else { signal }, Until::FilteredCall)
    }

    fn at_call(&mut self, thread: i32, decide: &mut dyn FnMut(&Call) -> Verdict) -> io::Result<()> {
        let mut registers = Registers::read(thread)?;
        let verdict = match self.call(thread, &registers) {
            Some(call) => decide(&call),
            None => Verdict::Go,
        };
        match verdict {
            Verdict::Go => {}
            // It dies where it stands: a call that a deadly signal waits for is not made.
            Verdict::Kill => return system::signal(self.process, libc::SIGKILL),
            // The thread stays where it is, the others go on.
            Verdict::Hold => return Ok(()),
            Verdict::Fail(number) => {
                registers.skip(-i64::from(number));
                registers.write(thread)?;
            }
            Verdict::Short(most) => {
                let before = registers;
                registers.set_length(most.min(before.arguments()[2]));
                registers.write(thread)?;
                self.shortened.insert(thread, before);
                return system::resume(thread, 0, Until::EndOfCall);
            }
        }
        system::resume(thread, 0, Until::FilteredCall)
    }

    /// The call that a thread is about to make, if it is on a file that is watched.
    fn call(&self, thread: i32, registers: &Registers) -> Option<Call> {
        let known = CALLS.iter().find(|known| known.number == registers.call())?;
        let arguments = registers.arguments();
        let path = match known.form {
            Form::Descriptor => self.descriptor(arguments[0])?,
            Form::Name => self.named(thread, arguments[0], arguments[1])?,
        };
        let watched = self.dirs.iter().any(|dir| path.starts_with(dir));
        let process = self.process.unsigned_abs();
        watched.then_some(Call { name: known.name, path, process })
    }

    fn descriptor(&self, number: u64) -> Option<PathBuf> {
        let number = number as u32;
        std::fs::read_link(format!("/proc/{}/fd/{number}", self.process)).ok()
    }

    /// A name relative to a directory's descriptor; an empty one is the descriptor's own file.
    fn named(&self, thread: i32, dir: u64, address: u64) -> Option<PathBuf> {
        let memory = File::open(format!("/proc/{thread}/mem")).ok()?;
        let mut name = Vec::new();
        let mut byte = [0];
        loop {
            memory.read_exact_at(&mut byte, address + name.len() as u64).ok()?;
            match byte {
                [0] => break,
                [byte] => name.push(byte),
            }
        }
        let name = PathBuf::from(std::ffi::OsString::from_vec(name));
        if name.is_absolute() {
            return Some(name);
        }
        let current = dir as u32 == libc::AT_FDCWD.cast_unsigned();
        let dir = if current {
            std::fs::read_link(format!("/proc/{}/cwd", self.process)).ok()?
        } else {
            self.descriptor(dir)?
        };
        Some(if name.as_os_str().is_empty() { dir } else { dir.join(name) })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.role())
    }
}

impl Call {
    /// Whether it is this call on a file of this role.
    #[must_use]
    pub fn is(&self, name: &str, role: &str) -> bool {
        self.name == name && self.role() == role
    }

    /// What the file is to a download.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match self.path.extension().and_then(|end| end.to_str()) {
            Some("part") => "partial file",
            Some("ossget") => "checkpoint",
            Some("bin") => "destination",
            _ => "directory",
        }
    }
}

/// Kills a process that does not end.
struct Alarm {
    _ended: mpsc::Sender<()>,
}

impl Alarm {
    fn set(process: i32) -> Self {
        let (ended, waiting) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            if waiting.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout)
            {
                drop(system::signal(process, libc::SIGKILL));
            }
        });
        Self { _ended: ended }
    }
}

/// A thread that was killed meanwhile is no failure: its end is reported next.
fn gone_or(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other,
    }
}

fn scratch() -> File {
    tempfile::tempfile().expect("a temporary file")
}

fn contents(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("a file");
    file.read_to_end(&mut bytes).expect("a file");
    bytes
}

fn canonical(dir: &Path) -> PathBuf {
    dir.canonicalize().expect("a directory")
}

struct Known {
    number: i64,
    name: &'static str,
    form: Form,
}

/// Where a call names its file.
enum Form {
    /// In a descriptor, its first argument.
    Descriptor,
    /// In a directory's descriptor and a name, its first two arguments.
    Name,
}

const fn by_descriptor(number: i64, name: &'static str) -> Known {
    Known { number, name, form: Form::Descriptor }
}

const fn by_name(number: i64, name: &'static str) -> Known {
    Known { number, name, form: Form::Name }
}

/// Every call that a download makes on its files.
const CALLS: &[Known] = &[
    by_descriptor(libc::SYS_pread64, "pread64"),
    by_descriptor(libc::SYS_pwrite64, "pwrite64"),
    by_descriptor(libc::SYS_fsync, "fsync"),
    by_descriptor(libc::SYS_fdatasync, "fdatasync"),
    by_descriptor(libc::SYS_sync_file_range, "sync_file_range"),
    by_descriptor(libc::SYS_fallocate, "fallocate"),
    by_descriptor(libc::SYS_ftruncate, "ftruncate"),
    by_descriptor(libc::SYS_flock, "flock"),
    by_descriptor(libc::SYS_fchmod, "fchmod"),
    by_descriptor(libc::SYS_fadvise64, "fadvise64"),
    by_descriptor(libc::SYS_fstat, "fstat"),
    by_descriptor(libc::SYS_fstatfs, "fstatfs"),
    by_name(libc::SYS_statx, "statx"),
    by_name(libc::SYS_newfstatat, "newfstatat"),
    by_name(libc::SYS_openat, "openat"),
    by_name(libc::SYS_openat2, "openat2"),
    by_name(libc::SYS_renameat, "renameat"),
    by_name(libc::SYS_renameat2, "renameat2"),
    by_name(libc::SYS_linkat, "linkat"),
    by_name(libc::SYS_unlinkat, "unlinkat"),
];
