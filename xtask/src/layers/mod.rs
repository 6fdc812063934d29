//! `cargo xtask layers`: every crate depends on what its layer allows, and no more.

mod table;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::process::{Context, Failure, Outcome, cargo, output, root};
use crate::source::{Kind, closing, kinds, tokens};
use crate::tree::SourceFile;
use table::{Allowed, External, LAYERS, Layer, Presence, UnsafeCode};

pub(crate) fn run() -> Outcome {
    let text = output(&mut cargo(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    let mut report = check_edges(&metadata, LAYERS);
    for package in packages(&metadata) {
        if let Some(layer) = layer_of(package, LAYERS) {
            check_files(&root().join(layer.folder), layer, &mut report.violations)?;
        }
    }
    if report.violations.is_empty() {
        println!("layers: {} crates, {} edges, ok", report.crates, report.edges);
        return Ok(());
    }
    for violation in &report.violations {
        println!("{violation}");
    }
    Err(Failure::new(format!("layers: {} violations", report.violations.len())))
}

/// The folders of our crates.
pub(crate) fn folders() -> impl Iterator<Item = &'static str> {
    LAYERS.iter().map(|layer| layer.folder)
}

/// What was looked at and what is wrong with it.
#[derive(Debug, Default)]
struct Report {
    crates: usize,
    /// Dependencies of one workspace crate on another, those for tests included.
    edges: usize,
    violations: Vec<Violation>,
}

/// One broken rule, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    package: String,
    what: String,
    advice: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.package, self.what, self.advice)
    }
}

/// Checks the dependencies that `cargo metadata` lists against the table.
fn check_edges(metadata: &Value, layers: &[Layer]) -> Report {
    let members: BTreeSet<&str> = packages(metadata).map(name_of).collect();
    let workspace = metadata["workspace_root"].as_str().unwrap_or_default();
    let mut report = Report { crates: members.len(), ..Report::default() };
    for package in packages(metadata) {
        let name = name_of(package);
        let mut complain = |what: String, advice| {
            report.violations.push(Violation { package: name.to_owned(), what, advice });
        };
        let Some(layer) = layer_of(package, layers) else {
            complain("is in no layer".to_owned(), UNKNOWN_CRATE);
            continue;
        };
        let manifest = Path::new(workspace).join(layer.folder).join("Cargo.toml");
        if package["manifest_path"].as_str().map(Path::new) != Some(&manifest) {
            complain(format!("is not in {}", layer.folder), WRONG_FOLDER);
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if members.contains(name_of(dependency)) {
                report.edges += 1;
            }
            if let Some((what, advice)) = judge(layer, dependency, &members) {
                complain(what, advice);
            }
        }
    }
    report
}

/// What is wrong with one dependency, if anything.
fn judge(
    layer: &Layer,
    dependency: &Value,
    members: &BTreeSet<&str>,
) -> Option<(String, &'static str)> {
    let name = name_of(dependency);
    let for_tests = dependency["kind"] == "dev";
    let allowed = match (members.contains(name), for_tests) {
        (true, false) => find(layer.edges, name),
        (true, true) => find(layer.edges, name).or_else(|| find(layer.test_edges, name)),
        (false, true) => return None,
        (false, false) => match layer.external {
            External::Any => return None,
            External::Only(list) => find(list, name),
        },
    };
    let Some(allowed) = allowed else {
        let how = if for_tests { "depends for its tests on" } else { "depends on" };
        return Some((format!("{how} {name}, which its layer does not allow"), FORBIDDEN_EDGE));
    };
    let optional = dependency["optional"] == true;
    if allowed.presence == Presence::Optional && !optional && !for_tests {
        return Some((format!("depends on {name} unconditionally"), NOT_OPTIONAL));
    }
    None
}

/// Checks what the crate's manifest and root module say.
fn check_files(folder: &Path, layer: &Layer, violations: &mut Vec<Violation>) -> Outcome {
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name)).context(format_args!("{}/{name}", layer.folder))
    };
    let mut complain = |what: &str, advice| {
        violations.push(Violation {
            package: layer.package.to_owned(),
            what: what.to_owned(),
            advice,
        });
    };
    if !inherits_lints(&read("Cargo.toml")?) {
        complain("does not use the workspace's lints", NO_LINTS);
    }
    let sources = sources_of(folder)?;
    for (what, advice) in unsafe_code(&sources, layer.unsafe_code) {
        complain(&what, advice);
    }
    let library = sources.iter().find(|source| source.path == "src/lib.rs");
    let library = library.map(|source| source.text.as_str()).unwrap_or_default();
    if layer.no_std && !says(library, "no_std", None) {
        complain("src/lib.rs lacks `#![no_std]`", NO_NO_STD);
    }
    Ok(())
}

/// The Rust files of a crate's `src`, by their path in the crate.
fn sources_of(folder: &Path) -> Outcome<Vec<SourceFile>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.join("src")];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).context(next.display())? {
            let path = entry.context(next.display())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).context(path.display())?;
                let path = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                found.push(SourceFile { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// What is wrong with how a crate keeps unsafe code out: every root says that there is none, and
/// at most one other file, where that is allowed at all, says otherwise.
fn unsafe_code(sources: &[SourceFile], rule: UnsafeCode) -> Vec<(String, &'static str)> {
    let attribute = match rule {
        UnsafeCode::Forbidden => "forbid",
        UnsafeCode::OneModule => "deny",
    };
    let (roots, modules): (Vec<&SourceFile>, Vec<&SourceFile>) = sources.iter().partition(|it| {
        matches!(it.path.as_str(), "src/lib.rs" | "src/main.rs") || it.path.starts_with("src/bin/")
    });
    let mut wrong = Vec::new();
    for root in roots {
        if !says(&root.text, attribute, Some("unsafe_code")) {
            let what = format!("{} lacks `#![{attribute}(unsafe_code)]`", root.path);
            wrong.push((what, NO_UNSAFE_RULE));
        }
    }
    let mentions = |text| tokens(text).iter().any(|it| it.kind == Kind::Word("unsafe_code"));
    let lifting: Vec<&str> = modules
        .into_iter()
        .filter(|module| mentions(&module.text))
        .map(|module| module.path.as_str())
        .collect();
    // Where it is forbidden, the compiler refuses to lift it.
    if rule == UnsafeCode::OneModule && lifting.len() > 1 {
        let what = format!("lifts the rule against unsafe code in {}", lifting.join(", "));
        wrong.push((what, NO_UNSAFE_RULE));
    }
    wrong
}

/// Whether the source has `#![word]`, or `#![word(…)]` with `argument` among the arguments.
fn says(source: &str, word: &str, argument: Option<&str>) -> bool {
    let tokens = tokens(source);
    (0..tokens.len()).any(|at| {
        let opens = [Kind::Punct('#'), Kind::Punct('!'), Kind::Punct('['), Kind::Word(word)];
        if kinds(&tokens, at) != Some(opens) {
            return false;
        }
        let arguments = &tokens[at + opens.len()..closing(&tokens, at + 2)];
        match argument {
            None => arguments.is_empty(),
            Some(wanted) => arguments.iter().any(|token| token.kind == Kind::Word(wanted)),
        }
    })
}

/// Whether a manifest has `[lints] workspace = true`.
fn inherits_lints(manifest: &str) -> bool {
    let mut in_lints = false;
    for line in manifest.lines() {
        let line: String = line.split('#').next().unwrap_or("").split_whitespace().collect();
        if line.starts_with('[') {
            in_lints = line == "[lints]";
        } else if in_lints && line == "workspace=true" {
            return true;
        }
    }
    false
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn name_of(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

fn layer_of<'a>(package: &Value, layers: &'a [Layer]) -> Option<&'a Layer> {
    layers.iter().find(|layer| layer.package == name_of(package))
}

fn find<'a>(list: &'a [Allowed], name: &str) -> Option<&'a Allowed> {
    list.iter().find(|allowed| allowed.name == name)
}

const UNKNOWN_CRATE: &str =
    "Write a decision note in docs/decisions/ and add the crate to xtask/src/layers/table.rs.";
const WRONG_FOLDER: &str = "Move it there, or correct xtask/src/layers/table.rs.";
const FORBIDDEN_EDGE: &str = "Move what needs it to a crate whose layer has it; otherwise write a \
    decision note in docs/decisions/ and add it to xtask/src/layers/table.rs with the reason.";
const NOT_OPTIONAL: &str =
    "Make it `optional = true` behind a feature: the seam must build without it.";
const NO_LINTS: &str = "Add `[lints]` with `workspace = true` to its Cargo.toml.";
const NO_UNSAFE_RULE: &str =
    "Only one module of a crate may hold unsafe code, and only where the layer table says so.";
const NO_NO_STD: &str = "Add it: the core must be unable to reach a clock, a file or a socket.";

#[cfg(test)]
mod tests;
