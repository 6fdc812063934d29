//! An executor that knows `oss://`, of the scheduler on this machine. It reads the columns of tables.

use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ossget_with_ballista::{OssRegistry, runtime};
use std::error::Error;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let runtime = runtime(OssRegistry::from_env())?;
    let config = ExecutorProcessConfig {
        override_runtime_producer: Some(Arc::new(move |_| Ok(Arc::clone(&runtime)))),
        ..ExecutorProcessConfig::default()
    };
    Ok(start_executor_process(Arc::new(config)).await?)
}
