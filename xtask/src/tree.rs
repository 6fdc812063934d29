//! The Rust files of the work tree.

use std::collections::BTreeSet;
use std::path::Path;

use crate::process::{Failure, Outcome, output, program};

/// One file: its path from the root, with `/`, and its text.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every Rust file of our crates that is in git or could be added to it, by path.
pub(crate) fn rust_files(root: &Path) -> Outcome<Vec<SourceFile>> {
    let listed = output(
        program("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"])
            .args(FOLDERS),
    )?;
    let paths: BTreeSet<&str> = listed.split('\0').filter(|path| path.ends_with(".rs")).collect();
    let mut files = Vec::new();
    for path in paths {
        match std::fs::read_to_string(root.join(path)) {
            Ok(text) => files.push(SourceFile { path: path.to_owned(), text }),
            // Listed because it is still in git's index.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::new(format!("{path}: {error}"))),
        }
    }
    Ok(files)
}

const FOLDERS: [&str; 5] = ["crates", "fuzz", "interop", "tests", "xtask"];
