//! The program as a user runs it, against the simulator.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use arrow_array::{Int64Array, RecordBatch, StringArray};
use ossget_testkit::{Content, Simulator};
use parquet::arrow::ArrowWriter;
use std::process::{Command, Output};
use std::sync::Arc;

const KEY: &str = "table/part of 2025.parquet";

#[test]
fn prints_schema_and_rows() {
    let sim = simulator();
    let done = run(&sim, "secret");
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
    for line in ["| 7  | seven |", "| 8  | eight |", "2 rows in 1 row groups"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn fails_where_it_may_not_read() {
    let done = run(&simulator(), "another secret");
    let text = String::from_utf8(done.stderr).unwrap();
    assert!(!done.status.success() && text.contains("SignatureDoesNotMatch"), "{text}");
}

fn simulator() -> Simulator {
    let sim = Simulator::builder().credentials("id", "secret").start_blocking().unwrap();
    let ids = Int64Array::from_iter_values([7, 8]);
    let names = StringArray::from_iter_values(["seven", "eight"]);
    let rows = RecordBatch::try_from_iter([
        ("id", Arc::new(ids) as Arc<dyn arrow_array::Array>),
        ("name", Arc::new(names)),
    ])
    .unwrap();
    let mut file = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    file.write(&rows).unwrap();
    sim.put_object(KEY, Content::bytes(file.into_inner().unwrap()));
    sim
}

/// With nothing of this process's surroundings.
fn run(sim: &Simulator, secret: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ossget-with-parquet"))
        .arg("oss://examplebucket/table/part%20of%202025.parquet")
        .env_clear()
        .env("OSS_ENDPOINT", sim.endpoint())
        .env("OSS_REGION", "cn-hangzhou")
        .env("OSS_ACCESS_KEY_ID", "id")
        .env("OSS_ACCESS_KEY_SECRET", secret)
        .output()
        .unwrap()
}
