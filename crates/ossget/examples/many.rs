//! Downloads many objects, so many at once, with one client and its connections.
//!
//! ```text
//! cargo run --release -p ossget --example many -- ENDPOINT BUCKET FOLDER AT_ONCE < keys.txt
//! ```
//!
//! Keys of public objects come from standard input, one a line.
#![allow(clippy::print_stdout, reason = "a command-line program")]

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use ossget::{Anonymous, Client, Object};
use std::error::Error;
use std::path::PathBuf;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, bucket, folder, at_once] = &args[..] else {
        return Err("usage: many ENDPOINT BUCKET FOLDER AT_ONCE < keys.txt".into());
    };
    let folder = PathBuf::from(folder);
    let client = Client::builder(endpoint, Anonymous).region("cn-hangzhou").build()?;
    let keys = std::io::read_to_string(std::io::stdin())?;
    let downloads = stream::iter(keys.lines()).map(|key| {
        let object = Object::new(bucket, key)?;
        let file = folder.join(key.rsplit('/').next().unwrap_or(key));
        Ok(client.download(object, file))
    });
    let bytes = downloads
        .map(|download: Result<_, Box<dyn Error>>| async {
            // On a thread of the runtime beside the connection's task, not on the one that waits here.
            Ok::<_, Box<dyn Error>>(tokio::spawn(download?.into_future()).await??.bytes)
        })
        .buffer_unordered(at_once.parse()?)
        .try_fold(0, |sum, bytes| async move { Ok(sum + bytes) })
        .await?;
    println!("{bytes} bytes");
    Ok(())
}
