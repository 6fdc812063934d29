//! The output of a run, kept in `docs/evidence/` with its date, commit and command.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::process::{Context, Failure, Outcome, line_of, output, program, root};

/// Runs the command, copying its output to the screen and to the evidence file.
pub(crate) fn record(name: &str, command: &mut Command) -> Outcome {
    let path = root().join("docs/evidence").join(format!("{name}.txt"));
    let shown = format!("docs/evidence/{name}.txt");
    let line = line_of(command);
    let heading = heading(&line)?;
    let mut log = File::create(&path).context(&shown)?;
    log.write_all(heading.as_bytes()).context(&shown)?;

    let begun = Instant::now();
    // One pipe for both streams: their order is part of the evidence.
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    command.stdin(Stdio::null());
    command.stdout(writer.try_clone().context("cannot share the pipe")?).stderr(writer);
    let mut child = command.spawn().context(format_args!("cannot start `{line}`"))?;
    // The command holds the pipe's writing ends: reading would never end while they are open here.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let here = root().display().to_string();
    let copied = copy_lines(BufReader::new(reader), &mut log, &here).context(&shown);
    let status = child.wait().context(format_args!("`{line}`"))?;
    copied?;
    writeln!(log, "\n{status} after {:.0} s", begun.elapsed().as_secs_f64()).context(&shown)?;
    println!("written to {shown}");
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}`: {status}"))) }
}

fn copy_lines(mut from: impl BufRead, log: &mut impl Write, here: &str) -> std::io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        // The log is committed: it says nothing about where the work tree lies.
        let line = String::from_utf8_lossy(&line).replace(here, ".");
        print!("{line}");
        log.write_all(line.as_bytes())?;
    }
}

/// When something was run, and on which commit.
pub(crate) fn stamp() -> Outcome<String> {
    let (date, commit) = moment()?;
    Ok(format!("{date}, {commit}"))
}

fn moment() -> Outcome<(String, String)> {
    let date = output(program("date").args(["-u", "+%Y-%m-%d %H:%M:%S UTC"]))?;
    let commit = output(program("git").args(["rev-parse", "HEAD"]))?;
    // Not the evidence itself: it changes nothing that is run.
    let status = ["status", "--porcelain", "--", ".", ":!docs/evidence"];
    let changes = output(program("git").args(status))?;
    let tree = if changes.is_empty() { "" } else { " with uncommitted changes" };
    Ok((date.trim().to_owned(), format!("{}{tree}", commit.trim())))
}

pub(crate) fn heading(line: &str) -> Outcome<String> {
    let (date, commit) = moment()?;
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    Ok(format!(
        "date:    {date}\ncommit:  {commit}\ncommand: {line}\nsystem:  {} {}, {processors} processors\n\n",
        std::env::consts::OS,
        std::env::consts::ARCH,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_does_not_say_where_the_work_tree_lies() {
        let mut log = Vec::new();
        copy_lines(&b"at /home/a/tree/src/x.rs:1\nlast"[..], &mut log, "/home/a/tree").unwrap();
        assert_eq!(log, b"at ./src/x.rs:1\nlast");
    }
}
