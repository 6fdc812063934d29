//! Which files were asked for.

use crate::place::Place;
use crate::tables::SALES;
use std::collections::BTreeSet;
use std::error::Error;

/// Whether exactly the files of the partitions that match were read, each of them.
pub(crate) fn check(place: &Place) -> Result<(), Box<dyn Error>> {
    let Some(requests) = place.requests() else {
        println!("which files were read only a simulator tells");
        return Ok(());
    };
    let keys = requests.iter().filter_map(|request| request.key.as_deref());
    let read: BTreeSet<&str> = keys.filter(|key| key.starts_with(SALES)).collect();
    let matching =
        [10, 11, 12].map(|month| format!("{SALES}/year=2025/month={month}/part-0.parquet"));
    if !read.iter().eq(matching.iter()) {
        return Err(format!("other files were read than those that match: {read:?}").into());
    }
    let asked = requests
        .iter()
        .map(|it| format!("{} {} {}", it.method, it.path, it.range.as_deref().unwrap_or("")));
    println!("only these files were read:\n  {}", asked.collect::<Vec<_>>().join("\n  "));
    Ok(())
}
