//! The findings, as a table of text.

use crate::trial::Finding;
use std::fmt::Write as _;

/// A question and what was found of `OssStore` and of the bridge.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) oss: Finding,
    pub(crate) bridge: Finding,
}

/// One line a question, and below it how the finding came about.
pub(crate) fn table(title: &str, rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max(title.len());
    let mut text = String::new();
    let mut line = |name: &str, oss: &str, bridge: &str| {
        let _ = writeln!(text, "{name:width$}  {oss:8}  {bridge}");
    };
    line(title, "OssStore", "bridge");
    for row in rows {
        line(row.name, row.oss.word(), row.bridge.word());
        for (who, finding) in [("OssStore", &row.oss), ("bridge", &row.bridge)] {
            if !finding.reason().is_empty() {
                line(&format!("    {who}: {}", finding.reason()), "", "");
            }
        }
    }
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_words_and_its_reasons() {
        let rows = [Row {
            name: "name",
            oss: Finding::Yes(String::new()),
            bridge: Finding::No("why".into()),
        }];
        let text = table("title", &rows);
        assert_eq!(text, "title  OssStore  bridge\nname   yes       no\n    bridge: why\n");
    }
}
