//! System calls that have no safe wrapper here: tracing a process, mounting, cutting the power of
//! a file system. The crate's only unsafe code.
#![allow(unsafe_code, reason = "these system calls have no safe wrapper")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::ptr::null_mut;

/// Mounts a block device or, with a `source` that means nothing, a file system of memory.
pub(crate) fn mount(source: &Path, at: &Path, kind: &str, options: &str) -> io::Result<()> {
    let (source, at) = (c_string(source.as_os_str().as_bytes())?, c_path(at)?);
    let (kind, options) = (c_string(kind.as_bytes())?, c_string(options.as_bytes())?);
    // SAFETY: all four are strings that end in NUL and outlive the call, which keeps none.
    checked(unsafe {
        libc::mount(source.as_ptr(), at.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast())
    })
}

/// Unmounts; `flags` as for `umount2`.
pub(crate) fn unmount(at: &Path, flags: i32) -> io::Result<()> {
    let at = c_path(at)?;
    // SAFETY: the path ends in NUL and outlives the call, which does not keep it.
    checked(unsafe { libc::umount2(at.as_ptr(), flags) })
}

/// Stops all writing to the file system of `dir`, as a power cut would (ext4 and XFS).
pub(crate) fn shut_down(dir: &File, mode: u32) -> io::Result<()> {
    // _IOR('X', 125, __u32), the same number for both file systems.
    const SHUTDOWN: libc::Ioctl = 0x8004_587d;
    // SAFETY: the call reads the four bytes of `mode`, which outlive it.
    checked(unsafe { libc::ioctl(dir.as_raw_fd(), SHUTDOWN, &raw const mode) })
}

/// Sends a signal.
pub(crate) fn signal(process: i32, signal: i32) -> io::Result<()> {
    // SAFETY: the call takes two integers.
    checked(unsafe { libc::kill(process, signal) })
}

/// Makes the command's process stop for its parent before each of `calls`.
pub(crate) fn be_traced(command: &mut Command, calls: &[i64]) {
    let filter = filter(calls);
    let in_child = move || {
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).map_err(io::Error::other)?,
            filter: filter.as_ptr().cast_mut(),
        };
        let none = null_mut::<libc::c_void>();
        // SAFETY: this request takes no pointers.
        if unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: this option takes integers only.
        checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
        let mode = libc::SECCOMP_MODE_FILTER;
        // SAFETY: the kernel copies the program, whose length is that of the slice it points to.
        checked(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) })
    };
    // SAFETY: between fork and exec the closure makes system calls only; it allocates nothing.
    unsafe { command.pre_exec(in_child) };
}

/// A program of the kernel's packet filter that lets everything pass but `calls`.
fn filter(calls: &[i64]) -> Vec<libc::sock_filter> {
    const LOAD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let operation = |code, k, jt| libc::sock_filter { code, jt, jf: 0, k };
    // The number of the call is the first field of what the filter sees.
    let mut program = vec![operation(LOAD, 0, 0)];
    for (at, call) in calls.iter().enumerate() {
        let to_the_end = u8::try_from(calls.len() - at).expect("a short list");
        let number = u32::try_from(*call).expect("a number of a call");
        program.push(operation(JUMP_IF_EQUAL, number, to_the_end));
    }
    program.push(operation(RETURN, libc::SECCOMP_RET_ALLOW, 0));
    program.push(operation(RETURN, libc::SECCOMP_RET_TRACE, 0));
    program
}

/// Asks for stops at the filtered calls of all threads, and for the end of all with this one.
pub(crate) fn follow_threads(process: i32) -> io::Result<()> {
    let options = libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACESECCOMP | libc::PTRACE_O_EXITKILL;
    let options = options as usize as *mut libc::c_void;
    let none = null_mut::<libc::c_void>();
    // SAFETY: what stands in the place of a pointer is a number, as this request wants it.
    checked_long(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, process, none, options) })
}

/// How far a stopped thread may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    FilteredCall,
    /// The end of the call that it is about to make.
    EndOfCall,
}

/// Lets a stopped thread go on and receive `signal` unless that is 0.
pub(crate) fn resume(thread: i32, signal: i32, until: Until) -> io::Result<()> {
    let request = match until {
        Until::FilteredCall => libc::PTRACE_CONT,
        Until::EndOfCall => libc::PTRACE_SYSCALL,
    };
    let none = null_mut::<libc::c_void>();
    let signal = signal as usize as *mut libc::c_void;
    // SAFETY: what stands in the place of a pointer is a number, as these requests want it.
    checked_long(unsafe { libc::ptrace(request, thread, none, signal) })
}

/// Waits for any thread that the calling thread traces; which, and its status.
pub(crate) fn wait_for_any() -> io::Result<(i32, i32)> {
    let mut status = 0;
    // SAFETY: the call writes the one integer that it is given.
    let thread = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    if thread == -1 { Err(io::Error::last_os_error()) } else { Ok((thread, status)) }
}

/// The registers of a thread that stands before a system call.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers(libc::user_regs_struct);

#[cfg(target_arch = "x86_64")]
impl Registers {
    pub(crate) fn read(thread: i32) -> io::Result<Self> {
        // SAFETY: the structure consists of integers, for which zero is a value.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let none = null_mut::<libc::c_void>();
        let to = &raw mut registers;
        // SAFETY: the request writes one structure of this type.
        checked_long(unsafe { libc::ptrace(libc::PTRACE_GETREGS, thread, none, to) })?;
        Ok(Self(registers))
    }

    pub(crate) fn write(self, thread: i32) -> io::Result<()> {
        let none = null_mut::<libc::c_void>();
        let from = &raw const self.0;
        // SAFETY: the request reads one structure of this type.
        checked_long(unsafe { libc::ptrace(libc::PTRACE_SETREGS, thread, none, from) })
    }

    pub(crate) fn call(&self) -> i64 {
        self.0.orig_rax.cast_signed()
    }

    /// The first four arguments.
    pub(crate) fn arguments(&self) -> [u64; 4] {
        [self.0.rdi, self.0.rsi, self.0.rdx, self.0.r10]
    }

    /// Sets the third argument, which is the length of a read or write.
    pub(crate) fn set_length(&mut self, length: u64) {
        self.0.rdx = length;
    }

    /// Makes the kernel skip the call and return `result`.
    pub(crate) fn skip(&mut self, result: i64) {
        self.0.orig_rax = u64::MAX;
        self.0.rax = result.cast_unsigned();
    }
}

fn checked(result: i32) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn checked_long(result: i64) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn c_path(path: &Path) -> io::Result<CString> {
    c_string(path.as_os_str().as_bytes())
}

fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(io::Error::other)
}
