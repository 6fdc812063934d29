//! `cargo xtask ci`: what needs more than the Rust toolchain.
//!
//! Installs what is missing through the ordinary clients, and where that is not
//! possible says so instead of passing quietly.

use std::process::Command;

use crate::check::{FEATURES, LINTED_FEATURES};
use crate::process::{
    Context, Failure, Outcome, cargo, install_tool, on_path, program, run as run_command, succeeds,
};
use crate::steps::{Machine, Steps};
use crate::{fuzz, instructions, moto};

pub(crate) fn run() -> Outcome {
    let mut steps = Steps::default();
    let outcome = all(&mut steps, Machine::detect());
    steps.finish(outcome)
}

fn all(steps: &mut Steps, machine: Machine) -> Outcome {
    match cargo_deny() {
        Ok(()) => steps.run("deny", || {
            run_command(&mut cargo(["deny", "check", "bans", "licenses", "sources"]))
        })?,
        Err(why) => steps.skip("deny", &why, machine)?,
    }
    match strace() {
        Ok(()) => steps.run("system calls", || {
            run_command(suites(FEATURES, &["system", "file_system"]).env("OSSGET_NO_SKIP", "1"))
        })?,
        Err(why) => steps.skip("system calls", &why, machine)?,
    }
    match valgrind() {
        Ok(()) => steps.run("instructions", || instructions::run(&[]))?,
        Err(why) => steps.skip("instructions", &why, machine)?,
    }
    match fuzz::ready() {
        Ok(()) => steps.run("fuzz", || fuzz::briefly(FUZZ_SECONDS))?,
        Err(why) => steps.skip("fuzz", &why, machine)?,
    }
    match tracing() {
        Ok(()) => steps.run("a fault at every call", || {
            let mut suite = suites(FEATURES, &["inject"]);
            run_command(suite.env("OSSGET_NO_SKIP", "1").env("OSSGET_INJECT", "all"))
        })?,
        Err(why) => steps.skip("a fault at every call", &why, machine)?,
    }
    match user_space_mounts() {
        Ok(()) => steps.run("a file system that fails", || {
            run_command(suites(FEATURES, &["fuse"]).env("OSSGET_NO_SKIP", "1"))
        })?,
        Err(why) => steps.skip("a file system that fails", &why, machine)?,
    }
    match proxies() {
        Ok(()) => steps.run("real proxies", || {
            run_command(suites(FEATURES, &["proxies"]).env("OSSGET_NO_SKIP", "1"))
        })?,
        Err(why) => steps.skip("real proxies", &why, machine)?,
    }
    match python_venv() {
        Ok(()) => steps
            .run("python SDKs", || run_command(&mut suites(LINTED_FEATURES, &["python_sdks"])))?,
        Err(why) => steps.skip("python SDKs", &why, machine)?,
    }
    match python_venv() {
        Ok(()) => steps.run("other stores", || moto::serving(other_stores))?,
        Err(why) => steps.skip("other stores", &why, machine)?,
    }
    Ok(())
}

/// Suites of the whole workspace, with the features that `cargo xtask test` has built it with: of a
/// package alone much would have to be built once more.
fn suites(features: &str, names: &[&str]) -> Command {
    let mut command = cargo(["test", "--workspace", "--features", features]);
    command.args(names.iter().flat_map(|name| ["--test", name]));
    command
}

/// The suites of sources that are not OSS, and the command line built with them.
fn other_stores(s3: &str) -> Outcome {
    let mut command = suites(LINTED_FEATURES, &["source", "stores"]);
    run_command(command.args(["--bin", "ossget"]).env("OSSGET_TEST_S3", s3))
}

/// Makes sure that cargo-deny is there.
fn cargo_deny() -> Outcome {
    if succeeds(&mut cargo(["deny", "--version"])) {
        return Ok(());
    }
    install_tool(CARGO_DENY).context("cargo-deny is missing and could not be installed")
}

/// Makes sure that system calls can be traced; the suite also mounts, as root.
fn strace() -> Outcome {
    if !is_root() {
        return Err(Failure::new("the suite mounts file systems, which only root may do"));
    }
    let has_strace = || succeeds(program("strace").arg("-V"));
    if has_strace() { Ok(()) } else { install("strace", has_strace) }
}

/// Makes sure that instructions can be counted.
fn valgrind() -> Outcome {
    let has_valgrind = || succeeds(program("valgrind").arg("--version"));
    if has_valgrind() { Ok(()) } else { install("valgrind", has_valgrind) }
}

/// The suite traces processes with means of its own, and cuts the power of mounted images.
fn tracing() -> Outcome {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::new("it traces processes on x86-64 Linux only"));
    }
    if is_root() { Ok(()) } else { Err(Failure::new("it mounts images, which only root may do")) }
}

/// The suite mounts a file system that it serves itself.
fn user_space_mounts() -> Outcome {
    if !std::path::Path::new("/dev/fuse").exists() {
        return Err(Failure::new("there is no /dev/fuse to serve a file system through"));
    }
    if is_root() { Ok(()) } else { Err(Failure::new("it mounts, which only root may do")) }
}

/// Makes sure that the proxies are there that the suite starts: the bare programs, no services.
fn proxies() -> Outcome {
    for (name, package) in [("tinyproxy", "tinyproxy-bin"), ("microsocks", "microsocks")] {
        let is_there = || on_path(name).is_some();
        if !is_there() {
            install(package, is_there)?;
        }
    }
    Ok(())
}

/// Makes sure that Python can make virtual environments; the suite makes its own.
pub(crate) fn python_venv() -> Outcome {
    if has_venv() { Ok(()) } else { install("python3-venv", has_venv) }
}

/// Installs a Debian package and looks whether it does what it is wanted for.
pub(crate) fn install(package: &str, works: impl Fn() -> bool) -> Outcome {
    if !succeeds(program("apt-get").arg("--version")) {
        return Err(Failure::new(format!("{package} is missing, and there is no apt-get")));
    }
    if !is_root() {
        return Err(Failure::new(format!("{package} is missing and only root may install it")));
    }
    let missing = format!("{package} is missing and could not be installed");
    run_command(apt_get().arg("update")).context(&missing)?;
    run_command(apt_get().args(["install", "--yes", package])).context(&missing)?;
    if works() {
        Ok(())
    } else {
        Err(Failure::new(format!("{package} was installed and does not work")))
    }
}

/// `ensurepip` is what Debian splits off: `python3 -m venv --help` works without it.
fn has_venv() -> bool {
    succeeds(program("python3").args(["-c", "import venv, ensurepip"]))
}

fn is_root() -> bool {
    program("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt_get() -> Command {
    let mut command = program("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// For each target; the tests drive them, too.
const FUZZ_SECONDS: u64 = 5;
const CARGO_DENY: &str = "cargo-deny@0.20.2";
