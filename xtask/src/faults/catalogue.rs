//! Reads `docs/faults.md`: the faults, what must happen, and what nothing here can test.

use std::collections::BTreeMap;

use crate::process::{Failure, Outcome};

/// The numbered faults in their sections.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) sections: Vec<Section>,
}

#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) faults: Vec<Fault>,
}

/// One row; its texts as they stand there, Markdown included.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) number: u32,
    pub(crate) fault: String,
    pub(crate) expected: String,
    /// Why no test can be expected.
    pub(crate) untested: Option<String>,
}

impl Catalogue {
    /// Reads the tables; a row that is not read must not vanish, so anything odd is a failure.
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let mut sections: Vec<Section> = Vec::new();
        let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let at = index + 1;
            let wrong = |what: &str| Failure::new(format!("{CATALOGUE}:{at}: {what}"));
            if let Some(title) = line.strip_prefix("## ") {
                sections.push(Section { title: title.to_owned(), faults: Vec::new() });
            }
            if !line.starts_with('|') || line.starts_with("| # |") || line.starts_with("| ---") {
                continue;
            }
            let section = sections.last_mut().ok_or_else(|| wrong("a row before any section"))?;
            let fault = Fault::parse(line)
                .ok_or_else(|| wrong("not `| number | fault | expected | untested because |`"))?;
            if let Some(earlier) = seen.insert(fault.number, at) {
                return Err(wrong(&format!("the number is that of line {earlier}, too")));
            }
            section.faults.push(fault);
        }
        if seen.is_empty() {
            return Err(Failure::new(format!("{CATALOGUE}: no rows")));
        }
        Ok(Self { sections })
    }

    pub(crate) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.sections.iter().flat_map(|section| &section.faults)
    }

    pub(crate) fn has(&self, number: u32) -> bool {
        self.faults().any(|fault| fault.number == number)
    }
}

impl Fault {
    fn parse(line: &str) -> Option<Self> {
        let [number, fault, expected, untested] = cells(line)?;
        if fault.is_empty() || expected.is_empty() {
            return None;
        }
        let untested = (!untested.is_empty()).then(|| untested.to_owned());
        Some(Self {
            number: number.parse().ok()?,
            fault: fault.to_owned(),
            expected: expected.to_owned(),
            untested,
        })
    }
}

/// The cells of a table's row; a bar within a cell is written `\|`.
pub(crate) fn cells<const N: usize>(line: &str) -> Option<[&str; N]> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    let mut found = Vec::new();
    let (mut begin, mut before) = (0, ' ');
    for (at, character) in inside.char_indices() {
        if character == '|' && before != '\\' {
            found.push(inside[begin..at].trim());
            begin = at + 1;
        }
        before = character;
    }
    found.push(inside[begin..].trim());
    found.try_into().ok()
}

pub(crate) const CATALOGUE: &str = "docs/faults.md";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_section_and_reason() {
        let text = "# T\n\n## 1 Body\n\n| # | fault | expected | untested because |\n| --- | --- | --- | --- |\n\
                    | 7 | cut | R `a\\|b` | |\n| 9 | odd | 1 | not built |\n";
        let catalogue = Catalogue::parse(text).unwrap();
        let [section] = &catalogue.sections[..] else { panic!("{catalogue:?}") };
        assert_eq!(section.title, "1 Body");
        let read: Vec<_> = catalogue
            .faults()
            .map(|fault| (fault.number, fault.expected.as_str(), fault.untested.as_deref()))
            .collect();
        assert_eq!(read, [(7, "R `a\\|b`", None), (9, "1", Some("not built"))]);
        assert!(catalogue.has(9) && !catalogue.has(8));
    }

    #[test]
    fn no_row_gets_lost() {
        let with = |rows: &str| Catalogue::parse(&format!("## 1 Body\n{rows}"));
        for rows in [
            "",
            "| x | cut | R | |",
            "| 7 | cut | R |",
            "| 7 | cut | | |",
            "| 7 | a | b | |\n| 7 | c | d | |",
        ] {
            assert!(with(rows).is_err(), "{rows}");
        }
        assert!(Catalogue::parse("| 7 | cut | R | |").is_err());
    }

    #[test]
    fn the_projects_catalogue_is_complete() {
        let text = std::fs::read_to_string(crate::process::root().join(CATALOGUE)).unwrap();
        let numbers: Vec<u32> =
            Catalogue::parse(&text).unwrap().faults().map(|fault| fault.number).collect();
        assert_eq!(numbers, (1..=147).collect::<Vec<u32>>());
    }
}
