//! `cargo xtask bridges`: object_store's suite through `OssStore` and through the other bridge to OSS,
//! the table kept as evidence.

use crate::evidence::record;
use crate::process::{Outcome, cargo, run as run_command};

pub(crate) fn run() -> Outcome {
    // Built first, so that the log holds the run and not the compiler.
    run_command(&mut cargo(["build", "--locked", "--manifest-path", MANIFEST]))?;
    record(
        "object-store-bridges",
        &mut cargo(["run", "--quiet", "--locked", "--manifest-path", MANIFEST]),
    )
}

const MANIFEST: &str = "interop/bridge/Cargo.toml";
