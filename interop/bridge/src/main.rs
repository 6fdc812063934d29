//! object_store's own suite, and what it does not ask, through `OssStore` and through
//! `object_store_opendal`, both against the simulator: a table on standard output.
//!
//! With arguments, only what has one of them in its name. The exit code is 1 where `OssStore` is not
//! what is known of it.

#![forbid(unsafe_code)]

mod checks;
mod rig;
mod suite;
mod table;
mod trial;
mod versions;

use rig::Side;
use std::process::ExitCode;
use table::{Row, table};
use trial::{Trial, keep_panics};

#[tokio::main]
async fn main() -> ExitCode {
    rig::install_transport();
    keep_panics();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut unknown = Vec::new();
    println!("{}", versions::versions());
    for (title, trials) in
        [("object_store::integration", suite::trials()), ("what it does not ask", checks::trials())]
    {
        let trials = trials.into_iter().filter(|trial| is_wanted(trial, &wanted));
        let mut rows = Vec::new();
        for trial in trials {
            let (oss, bridge) = (trial.ask(Side::Oss).await, trial.ask(Side::Bridge).await);
            if !trial.fits(&oss) {
                unknown.push(trial.name);
            }
            rows.push(Row { name: trial.name, oss, bridge });
        }
        println!("{}", table(title, &rows));
    }
    if unknown.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("OssStore is not what is known of it: {unknown:?}");
    ExitCode::FAILURE
}

fn is_wanted(trial: &Trial, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|part| trial.name.contains(part.as_str()))
}
