//! `xtask/sizes.allow`: the exceptions, each with its reason.

use super::limits::{Rule, Violation};
use crate::process::{Failure, Outcome};

/// Lines of `PATH RULE REASON…`; `#` begins a comment line.
#[derive(Debug)]
pub(crate) struct AllowList {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    path: String,
    rule: Rule,
    used: bool,
}

impl AllowList {
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let mut entries = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |what: &str| Failure::new(format!("line {number}: {what}"));
            let mut words = line.split_whitespace();
            let path = words.next().ok_or_else(|| bad("no path"))?.to_owned();
            let name = words.next().ok_or_else(|| bad("no rule"))?;
            let rule = Rule::ALL
                .into_iter()
                .find(|rule| rule.name() == name)
                .ok_or_else(|| bad(&format!("there is no rule `{name}`")))?;
            words.next().ok_or_else(|| bad("an exception needs a reason"))?;
            entries.push(Entry { path, rule, used: false });
        }
        Ok(Self { entries })
    }

    /// Whether an entry covers the violation; such an entry counts as used.
    pub(crate) fn excuses(&mut self, violation: &Violation) -> bool {
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| entry.path == violation.path && entry.rule == violation.rule);
        match entry {
            Some(entry) => {
                entry.used = true;
                true
            }
            None => false,
        }
    }

    /// Entries that covered nothing: the code got better, the list must too.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.entries.iter().filter(|entry| !entry.used);
        unused.map(|entry| format!("{} {}", entry.path, entry.rule.name())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_excuses_its_file_and_rule_only() {
        let text = "# exceptions\n\na.rs bool-parameter the trait is not ours\n";
        let mut list = AllowList::parse(text).unwrap();
        assert_eq!(list.unused(), ["a.rs bool-parameter"]);
        let violation = |path: &str, rule| Violation {
            path: path.to_owned(),
            line: 1,
            rule,
            what: String::new(),
        };
        assert!(!list.excuses(&violation("b.rs", Rule::BoolParameter)));
        assert!(!list.excuses(&violation("a.rs", Rule::FileLength)));
        assert!(list.excuses(&violation("a.rs", Rule::BoolParameter)));
        assert!(list.unused().is_empty());
    }

    #[test]
    fn an_entry_needs_a_known_rule_and_a_reason() {
        for bad in ["a.rs", "a.rs no-such-rule why", "a.rs bool-parameter"] {
            assert!(AllowList::parse(bad).is_err(), "{bad}");
        }
    }
}
