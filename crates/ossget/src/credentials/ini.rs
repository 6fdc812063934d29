//! INI files: sections of keys and values.

use crate::{Error, ErrorKind};
use configparser::ini::{Ini as Parser, IniDefault};
use std::collections::HashMap;
use std::path::Path;

/// An INI file. Names of sections and keys know no case.
pub(super) struct Ini(HashMap<String, Section>);

/// The keys of a section, in lower case, and their values.
#[derive(Clone, Default)]
pub(super) struct Section(HashMap<String, String>);

impl Ini {
    /// Parses the text of the file at `path`.
    ///
    /// A line that begins with `#` or `;` is a comment, and so is what follows a `#` behind a
    /// space. Where a section or a key comes twice, the later one counts.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut defaults = IniDefault::default();
        // A colon is a part of many values, and a key never ends in one.
        defaults.delimiters = vec!['='];
        // It would cut values within words.
        defaults.enable_inline_comments = false;
        let parsed = Parser::new_from_defaults(defaults).read(text.to_owned());
        let sections = parsed.map_err(|reason| {
            // Of the parser's words only where it is: they may come to repeat what stands there.
            let place = reason.split(':').next().filter(|place| place.starts_with("line "));
            let (path, place) = (path.display(), place.unwrap_or("a line"));
            let message = format!("{path}, {place}: neither `[section]` nor `key = value`");
            Error::new(ErrorKind::Config, message)
        })?;
        let sections = sections.into_iter().map(|(name, keys)| {
            let values = keys.into_iter().filter_map(|(key, value)| {
                let value = uncommented(value.as_deref().unwrap_or_default());
                (!value.is_empty()).then(|| (key, value.to_owned()))
            });
            (single_spaced(&name), Section(values.collect()))
        });
        Ok(Self(sections.collect()))
    }

    /// A section by its name.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.0.get(&single_spaced(&name.to_lowercase()))
    }
}

impl Section {
    /// The value of a key, given as it is without `-` and `_`, which are ignored in the file.
    pub(super) fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|wanted| {
            let found = self.0.iter().find(|(key, _)| is_spelled(key, wanted));
            found.map(|(_, value)| value.as_str())
        })
    }

    /// The value of exactly this key.
    pub(super) fn exactly(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Drops the values of keys, given as for [`get`](Self::get).
    pub(super) fn forget(&mut self, keys: &[&str]) {
        self.0.retain(|key, _| !keys.iter().any(|wanted| is_spelled(key, wanted)));
    }

    /// Takes over what the other section has and this one has not.
    pub(super) fn inherit(&mut self, other: &Self) {
        for (key, value) in &other.0 {
            let plain: String = key.chars().filter(|it| !"-_".contains(*it)).collect();
            if self.get(&[&plain]).is_none() {
                self.0.insert(key.clone(), value.clone());
            }
        }
    }
}

fn is_spelled(key: &str, wanted: &str) -> bool {
    key.chars().filter(|character| !"-_".contains(*character)).eq(wanted.chars())
}

fn single_spaced(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn uncommented(value: &str) -> &str {
    let end = value.find(" #").or_else(|| value.find("\t#")).unwrap_or(value.len());
    let value = if value.starts_with('#') { "" } else { &value[..end] };
    value.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Ini {
        Ini::parse(text, Path::new("/f")).unwrap()
    }

    #[test]
    fn sections_and_keys_know_no_case_and_four_spellings() {
        for key in ["accesskeyid", "accessKeyId", "access-key-id", "access_key_ID"] {
            let ini = parsed(&format!("# c\n; c\n[Profile  Test]\n  {key} = a=b:c \n"));
            let section = ini.section("profile TEST").unwrap();
            assert_eq!(section.get(&["accesskeyid"]), Some("a=b:c"), "{key}");
        }
    }

    #[test]
    fn a_hash_is_a_comment_only_where_a_word_begins() {
        let ini = parsed("[s]\na = x#y;z # comment\nb = # comment\nc\nd =\ne = x\t# c");
        let section = ini.section("s").unwrap();
        assert_eq!(section.get(&["a"]), Some("x#y;z"));
        assert_eq!(section.get(&["e"]), Some("x"));
        for key in ["b", "c", "d"] {
            assert_eq!(section.get(&[key]), None, "{key}");
        }
    }

    #[test]
    fn what_is_inherited_never_replaces_another_spelling() {
        let ini = parsed("[a]\naccess-key-id = mine\n[b]\naccessKeyID = theirs\nregion = r");
        let mut section = ini.section("a").unwrap().clone();
        section.inherit(ini.section("b").unwrap());
        assert_eq!(section.get(&["accesskeyid"]), Some("mine"));
        assert_eq!(section.get(&["region"]), Some("r"));
    }

    #[test]
    fn keys_that_are_names_are_told_apart_exactly() {
        let ini = parsed("[b]\nmy-bucket = one\nmybucket = two");
        let section = ini.section("b").unwrap();
        assert_eq!(
            (section.exactly("my-bucket"), section.exactly("mybucket")),
            (Some("one"), Some("two"))
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_line_alone() {
        for text in ["[a]\n[canary", "= canary", "[a]\n\n= canary"] {
            let error = Ini::parse(text, Path::new("/f")).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().starts_with("/f, line "), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
