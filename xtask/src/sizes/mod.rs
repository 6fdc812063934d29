//! `cargo xtask sizes`: limits that keep every file and function readable in one go.

mod allow;
mod items;
mod limits;

use std::path::{Path, PathBuf};

use crate::process::{Context, Failure, Outcome, root};
use crate::source::tokens;
use crate::tree::{SourceFile, rust_files};
use allow::AllowList;
use limits::{Role, Violation};

pub(crate) fn run() -> Outcome {
    let root = root();
    let list = std::fs::read_to_string(root.join(ALLOW_LIST)).context(ALLOW_LIST)?;
    let mut allowed = AllowList::parse(&list).context(ALLOW_LIST)?;

    let sources = rust_files(&root)?;
    let test_modules = test_modules(&sources);
    let mut violations: Vec<Violation> = Vec::new();
    for source in &sources {
        let role = role_of(&source.path, &test_modules);
        violations.extend(limits::check(&source.path, &source.text, role));
    }
    violations.retain(|violation| !allowed.excuses(violation));

    for violation in &violations {
        println!("{violation}");
    }
    let stale = allowed.unused();
    for entry in &stale {
        println!("{ALLOW_LIST}: `{entry}` excuses nothing; remove it");
    }
    match violations.len() + stale.len() {
        0 => {
            println!("sizes: {} files, ok", sources.len());
            Ok(())
        }
        count => Err(Failure::new(format!("sizes: {count} violations"))),
    }
}

/// Where the modules lie that are declared as `#[cfg(test)] mod name;`:
/// for each the path without `.rs`, which is also its folder.
fn test_modules(sources: &[SourceFile]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for source in sources {
        let tokens = tokens(&source.text);
        for name in items::test_module_files(&tokens) {
            found.push(module_folder(Path::new(&source.path)).join(name));
        }
    }
    found
}

/// The folder that holds a module's submodules.
fn module_folder(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") | None => folder.to_owned(),
        Some(stem) => folder.join(stem),
    }
}

fn role_of(path: &str, test_modules: &[PathBuf]) -> Role {
    let path = Path::new(path);
    let module = path.with_extension("");
    let in_tests_folder = path.components().any(|part| part.as_os_str() == "tests");
    if in_tests_folder || test_modules.iter().any(|test| module.starts_with(test)) {
        Role::Tests
    } else {
        Role::Code
    }
}

const ALLOW_LIST: &str = "xtask/sizes.allow";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_files_are_found_by_folder_and_by_declaration() {
        let source =
            |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let declared = test_modules(&[
            source("crates/a/src/lib.rs", "#[cfg(test)]\nmod props;\nmod plan;"),
            source("crates/a/src/plan.rs", "#[cfg(test)] mod tests;"),
            source("crates/a/src/deep/mod.rs", "#[cfg(test)] mod cases;"),
        ]);
        let role = |path| role_of(path, &declared);
        assert_eq!(role("crates/a/src/props.rs"), Role::Tests);
        assert_eq!(role("crates/a/src/props/model.rs"), Role::Tests);
        assert_eq!(role("crates/a/src/plan/tests.rs"), Role::Tests);
        assert_eq!(role("crates/a/src/deep/cases.rs"), Role::Tests);
        assert_eq!(role("crates/a/tests/sim.rs"), Role::Tests);
        assert_eq!(role("tests/src/lib.rs"), Role::Tests);
        assert_eq!(role("crates/a/src/plan.rs"), Role::Code);
        assert_eq!(role("crates/a/src/properties.rs"), Role::Code);
        assert_eq!(role("crates/testkit/src/lib.rs"), Role::Code);
    }
}
