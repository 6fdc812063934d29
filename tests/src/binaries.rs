//! The binaries under test, built from this tree.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of a binary of this workspace, built first so that it is never an old one.
///
/// # Panics
///
/// When it cannot be built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).join(name).with_extension(env::consts::EXE_EXTENSION)
}

/// Builds all binaries with the profile that this test was built with.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // All of the workspace, as `cargo xtask test` builds it: another selection would choose other
    // features and build everything twice.
    cargo.current_dir(root).args(["build", "--quiet", "--workspace", "--bins"]);
    if cfg!(feature = "clouds") {
        cargo.args(["--features", "ossget-cli/clouds"]);
    }
    // What cargo tells this test about its package is nothing to the build: some build scripts
    // watch it, and everything on top of them would be built anew, now and at the next build.
    let of_the_test =
        |name: &str| ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|start| name.starts_with(start));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(of_the_test) {
            cargo.env_remove(name);
        }
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "the binaries do not build");
    let test = env::current_exe().expect("a test has a path");
    let deps = test.parent().expect("tests lie in `deps`");
    deps.parent().expect("`deps` lies in the profile's folder").to_owned()
}
