//! The measurements, for people.

use crate::proxy::Measured;
use crate::reads::Expected;

/// One read through both stores.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) expected: Expected,
    pub(crate) oss: Measured,
    pub(crate) s3: Measured,
}

/// All reads, one a line.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:28} {:>8} {:>8} {:>11} {:>11} {:>8} {:>8}\n{:28} {:>8} {:>8} {:>11} {:>11} {:>8} {:>8}\n",
        "",
        "requests",
        "",
        "bytes",
        "",
        "at once",
        "",
        "",
        "OssStore",
        "AmazonS3",
        "OssStore",
        "AmazonS3",
        "OssStore",
        "AmazonS3",
    );
    for Row { name, oss, s3, .. } in rows {
        text += &format!(
            "{name:28} {:>8} {:>8} {:>11} {:>11} {:>8} {:>8}\n",
            oss.ranges.len(),
            s3.ranges.len(),
            oss.bytes,
            s3.bytes,
            oss.at_once,
            s3.at_once,
        );
    }
    text
}
