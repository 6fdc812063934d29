//! Prints some rows of a table, such as `oss://examplebucket/table/`, on the cluster of this machine.

use ballista::prelude::SessionContextExt as _;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use ossget_with_ballista::{OssRegistry, runtime, session};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let table = std::env::args().nth(1).ok_or("name a table: oss://BUCKET/FOLDER/")?;
    let state = session(SessionConfig::new(), runtime(OssRegistry::from_env())?);
    let ctx = SessionContext::remote_with_state("df://localhost:50050", state).await?;
    ctx.register_parquet("given", table, ParquetReadOptions::default()).await?;
    ctx.sql("SELECT * FROM given LIMIT 10").await?.show().await?;
    Ok(())
}
