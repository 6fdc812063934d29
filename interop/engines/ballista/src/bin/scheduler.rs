//! A scheduler that knows `oss://`, on port 50050. It lists the files of tables and reads their footers.

use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use ossget_with_ballista::{OssRegistry, runtime, session};
use std::error::Error;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let runtime = runtime(OssRegistry::from_env())?;
    let builder = Arc::new(move |config| Ok(session(config, Arc::clone(&runtime))));
    let config = SchedulerConfig::default().with_override_session_builder(builder);
    let cluster = BallistaCluster::new_from_config(&config).await?;
    Ok(start_server(cluster, "0.0.0.0:50050".parse()?, Arc::new(config)).await?)
}
