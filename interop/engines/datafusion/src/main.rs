//! SQL over a partitioned table on Alibaba Cloud OSS, checked against the same computed in plain Rust:
//!
//! ```sh
//! cargo run -p ossget-with-datafusion                        # on a simulator that it starts
//! cargo run -p ossget-with-datafusion -- oss://examplebucket # on a bucket of yours
//! ```
//!
//! Files are written under `ossget-sales/` and `ossget-shops/` and stay there. Endpoint, region and
//! credentials of a bucket are those of the environment. Anything but the right rows is exit code 1.

#![allow(clippy::print_stdout, reason = "a command-line program")]

mod place;
mod pruning;
mod query;
mod sales;
mod tables;

use datafusion::arrow::util::pretty::pretty_format_batches;
use place::Place;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let place = Place::new(std::env::args().nth(1))?;
    let sales = sales::made_up();
    tables::write(&place.store, &sales).await?;

    let ctx = query::context(place.store.clone(), &place.url).await?;
    place.forget_requests();
    let rows = ctx.sql(query::SQL).await?.collect().await?;
    println!("{}\n{}", query::SQL, pretty_format_batches(&rows)?);

    let (found, right) = (query::texts(&rows)?, sales::expected(&sales));
    if found != right {
        return Err(format!("these rows are wrong; right are {right:?}").into());
    }
    println!("as computed in plain Rust");
    pruning::check(&place)
}
