//! Finds the lines `/// Faults: 13, 14.` above tests, and which test each belongs to.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::layers::folders;
use crate::source::{Kind, Token, closing, kinds, line_comments, tokens};
use crate::tree::SourceFile;

/// A test, or a module of tests that a macro makes, and the faults it says it covers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Marked {
    pub(crate) test: TestName,
    pub(crate) faults: Vec<u32>,
}

/// Where a test is found: as the sources know it, and as the test binary names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestName {
    /// The file it stands in.
    pub(crate) file: String,
    /// The root file of the test binary.
    pub(crate) target: String,
    /// Modules and name, as the binary prints them.
    pub(crate) path: String,
}

impl TestName {
    /// The last component.
    pub(crate) fn short(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or(&self.path)
    }
}

/// A marker that covers nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stray {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) why: String,
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// All markers of the work tree, and those that lead nowhere.
pub(crate) fn find(files: &[SourceFile]) -> (Vec<Marked>, Vec<Stray>) {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let (mut marked, mut strays): (Vec<Marked>, Vec<Stray>) = (Vec::new(), Vec::new());
    for file in files {
        for (line, result) in in_file(&file.text) {
            let placed = result.and_then(|(inner, faults)| {
                let place = place_of(&file.path, &paths)?;
                let path = [place.modules.as_str(), &inner].join("::");
                let path = path.trim_start_matches("::").to_owned();
                let test = TestName { file: file.path.clone(), target: place.root, path };
                Ok(Marked { test, faults })
            });
            match placed {
                Ok(found) => match marked.iter_mut().find(|known| known.test == found.test) {
                    Some(known) => known.faults.extend(found.faults),
                    None => marked.push(found),
                },
                Err(why) => strays.push(Stray { file: file.path.clone(), line, why }),
            }
        }
    }
    marked.sort();
    (marked, strays)
}

/// The markers of one file: line, and the test's path within the file with its faults.
#[expect(clippy::type_complexity, reason = "a list of lines, each with what was found or why not")]
fn in_file(text: &str) -> Vec<(usize, Result<(String, Vec<u32>), String>)> {
    let mut found = Vec::new();
    for (line, comment) in line_comments(text) {
        let body = comment.trim_start_matches(['/', '!']).trim();
        let Some(list) = body.strip_prefix("Faults:").filter(|list| !is_prose(list)) else {
            continue;
        };
        let result = if comment.starts_with("///") {
            numbers(list).and_then(|faults| {
                let tokens = tokens(text);
                let next = tokens.partition_point(|token| token.line <= line);
                Ok((test_at(&tokens, next)?, faults))
            })
        } else {
            Err("a marker is a documentation comment: `/// Faults: 13, 14.`".to_owned())
        };
        found.push((line, result));
    }
    found
}

/// Whether what follows speaks of faults instead of listing numbers.
fn is_prose(list: &str) -> bool {
    list.trim_start().starts_with(|first: char| first.is_alphabetic() || first == '`')
}

/// Reads ` 13, 14.`.
fn numbers(list: &str) -> Result<Vec<u32>, String> {
    let wrong = || format!("`{}` is not like `13, 14.`", list.trim());
    let list = list.strip_suffix('.').ok_or_else(wrong)?;
    list.split(',').map(|number| number.trim().parse().map_err(|_| wrong())).collect()
}

/// The path, within its file, of the test whose item begins at `at`.
fn test_at(tokens: &[Token<'_>], at: usize) -> Result<String, String> {
    let (item, is_test) = skip_attributes(tokens, at);
    let invocations = macro_invocations(tokens);
    let inside_macro = invocations.iter().any(|range| range.contains(&at));
    let name = match kinds(tokens, item) {
        Some([Kind::Word("fn"), Kind::Word(name)]) if is_test || inside_macro => name,
        Some([Kind::Word("fn"), _]) => {
            return Err("leads to a function that is no test".to_owned());
        }
        Some([Kind::Word(word), _]) if !KEYWORDS.contains(&word) => {
            let call = invocations.iter().find(|range| {
                // Nothing between the marker and the bracket but the macro's path.
                item < range.start
                    && tokens[item..range.start - 1]
                        .iter()
                        .all(|token| matches!(token.kind, Kind::Word(_) | Kind::PathSeparator))
            });
            match call {
                Some(range) => first_name(tokens, range).ok_or_else(no_test)?,
                None if inside_macro => word,
                None => return Err(no_test()),
            }
        }
        _ => return Err(no_test()),
    };
    let mut path = inline_modules(tokens, at);
    path.push(name);
    Ok(path.join("::"))
}

fn no_test() -> String {
    "leads to no test".to_owned()
}

/// The name that an invocation begins with.
fn first_name<'a>(tokens: &[Token<'a>], invocation: &Range<usize>) -> Option<&'a str> {
    let (item, _) = skip_attributes(tokens, invocation.start + 1);
    match kinds(tokens, item)? {
        [Kind::Word("fn"), Kind::Word(name)] => Some(name),
        [Kind::Word(name), _] if !KEYWORDS.contains(&name) => Some(name),
        _ => None,
    }
}

/// The index after attributes, visibility and qualifiers, and whether `#[test]` or `#[….::test]`
/// was among them.
fn skip_attributes(tokens: &[Token<'_>], at: usize) -> (usize, bool) {
    let (mut at, mut is_test) = (at, false);
    while kinds(tokens, at) == Some([Kind::Punct('#'), Kind::Punct('[')]) {
        let end = closing(tokens, at + 1);
        let path = tokens[at + 2..end]
            .iter()
            .map(|token| token.kind)
            .take_while(|kind| matches!(kind, Kind::Word(_) | Kind::PathSeparator));
        is_test |= path.last() == Some(Kind::Word("test"));
        at = end + 1;
    }
    loop {
        match kinds(tokens, at) {
            Some([Kind::Word("pub"), Kind::Punct('(')]) => at = closing(tokens, at + 1) + 1,
            Some([Kind::Word("pub" | "async" | "const"), _]) => at += 1,
            _ => return (at, is_test),
        }
    }
}

/// The brackets, first to last, of every macro that is called; definitions are none.
fn macro_invocations(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    (0..tokens.len())
        .filter_map(|at| match kinds(tokens, at)? {
            [Kind::Word(_), Kind::Punct('!'), Kind::Punct('(' | '[' | '{')] => {
                Some(at + 2..closing(tokens, at + 2) + 1)
            }
            _ => None,
        })
        .collect()
}

/// The names of the `mod name { … }` around `at`, outermost first.
fn inline_modules<'a>(tokens: &[Token<'a>], at: usize) -> Vec<&'a str> {
    (0..at.min(tokens.len()))
        .filter_map(|begin| match kinds(tokens, begin)? {
            [Kind::Word("mod"), Kind::Word(name), Kind::Punct('{')]
                if closing(tokens, begin + 2) > at =>
            {
                Some(name)
            }
            _ => None,
        })
        .collect()
}

/// The binary that a file's tests are in, and the file's place in its tree of modules.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    root: String,
    modules: String,
}

fn place_of(path: &str, paths: &BTreeSet<&str>) -> Result<Place, String> {
    let nowhere = || format!("{path} is in no test binary that could be found");
    let crate_folder = folders()
        .filter(|folder| Path::new(path).starts_with(folder))
        .max_by_key(|folder| folder.len())
        .ok_or_else(nowhere)?;
    let within = path[crate_folder.len()..].trim_start_matches('/');
    let root = root_of(crate_folder, within, paths).ok_or_else(nowhere)?;
    if root == path {
        return Ok(Place { root, modules: String::new() });
    }
    let folder = Path::new(&root).parent().ok_or_else(nowhere)?;
    let module = Path::new(path).strip_prefix(folder).map_err(|_| nowhere())?.with_extension("");
    let mut names: Vec<&str> = module.iter().filter_map(|name| name.to_str()).collect();
    if names.last() == Some(&"mod") {
        names.pop();
    }
    Ok(Place { root, modules: names.join("::") })
}

/// The root file of the binary that holds `within` of the crate in `folder`.
fn root_of(folder: &str, within: &str, paths: &BTreeSet<&str>) -> Option<String> {
    let candidates = match within.split('/').collect::<Vec<&str>>()[..] {
        ["tests", file] => vec![format!("tests/{file}")],
        ["tests", name, ..] => vec![format!("tests/{name}/main.rs")],
        ["src", "bin", file] => vec![format!("src/bin/{file}")],
        ["src", ..] => vec!["src/lib.rs".to_owned(), "src/main.rs".to_owned()],
        _ => Vec::new(),
    };
    candidates
        .into_iter()
        .map(|candidate| format!("{folder}/{candidate}"))
        .find(|candidate| paths.contains(candidate.as_str()))
}

/// What an item may begin with that is no call of a macro and no name within one.
const KEYWORDS: [&str; 12] = [
    "mod",
    "struct",
    "enum",
    "union",
    "trait",
    "impl",
    "type",
    "static",
    "use",
    "extern",
    "let",
    "macro_rules",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn tests_of(text: &str) -> Vec<Result<String, String>> {
        in_file(text).into_iter().map(|(_, result)| result.map(|(test, _)| test)).collect()
    }

    fn only(text: &str) -> Result<String, String> {
        let mut all = tests_of(text);
        assert_eq!(all.len(), 1, "{text}");
        all.remove(0)
    }

    #[test]
    fn a_marker_belongs_to_the_test_below_it() {
        let text = "mod tests {\n/// Why.\n/// Faults: 13, 14.\n/// More.\n#[cfg(unix)]\n#[test]\nfn a() {}\n\
                    /// Faults: 2.\n#[tokio::test(start_paused = true)]\nasync fn b() {}\n}\n\
                    /// Faults: 3.\n#[test]\nfn c() {}";
        let found: Vec<_> = in_file(text).into_iter().map(|(_, result)| result.unwrap()).collect();
        let wanted = [("tests::a", vec![13, 14]), ("tests::b", vec![2]), ("c", vec![3])];
        assert_eq!(found, wanted.map(|(name, faults)| (name.to_owned(), faults)));
    }

    #[test]
    fn a_macro_takes_the_name_from_its_invocation() {
        assert_eq!(only("/// Faults: 1.\ncases!(first, 3);\nother!(second);").unwrap(), "first");
        assert_eq!(
            only("mod m { /// Faults: 1.\ncrate::cases! { fn first() {} } }").unwrap(),
            "m::first"
        );
        let inside = "cases! {\nzero: 0,\n/// Faults: 1.\none: 1,\n/// Faults: 2.\ntwo => 2,\n}";
        assert_eq!(tests_of(inside), [Ok("one".to_owned()), Ok("two".to_owned())]);
        let properties = "proptest! {\n/// Faults: 1.\n#[test]\nfn holds(a in 0..2) {}\n}";
        assert_eq!(only(properties).unwrap(), "holds");
    }

    #[test]
    fn a_marker_that_leads_to_no_test_is_told() {
        for text in [
            "/// Faults: 1.\nfn forgotten() {}",
            "/// Faults: 1.\n#[cfg(test)]\nfn forgotten() {}",
            "/// Faults: 1.\nmod tests { #[test] fn a() {} }",
            "/// Faults: 1.\nstruct A;\ncases!(first);",
            "/// Faults: 1.\nmacro_rules! cases { ($name:ident) => {} }",
            "/// Faults: 1.\ncases!(\"first\");",
            "#[test] fn a() {}\n/// Faults: 1.",
            "macro_rules! cases { ($name:ident) => {\n/// Faults: 1.\n#[test]\nfn $name() {} } }",
            "/// Faults: 1, x.\n#[test]\nfn a() {}",
            "/// Faults: 1\n#[test]\nfn a() {}",
            "/// Faults: .\n#[test]\nfn a() {}",
            "// Faults: 1.\n#[test]\nfn a() {}",
            "//! Faults: 1.\n",
        ] {
            assert!(only(text).is_err(), "{text}");
        }
        assert!(tests_of("fn a() { \"/// Faults: 1.\" }\n/// What Faults: 1 means.\n/// Faults: `cut`, `flip`.\n").is_empty());
    }

    #[test]
    fn a_test_is_named_as_its_binary_names_it() {
        let paths = BTreeSet::from([
            "crates/core/src/lib.rs",
            "crates/cli/src/main.rs",
            "crates/core/tests/sim/main.rs",
            "tests/tests/damage.rs",
        ]);
        let place = |path| place_of(path, &paths).map(|place| (place.root, place.modules));
        let is = |root: &str, modules: &str| Ok((root.to_owned(), modules.to_owned()));
        assert_eq!(place("crates/core/src/a/b.rs"), is("crates/core/src/lib.rs", "a::b"));
        assert_eq!(place("crates/core/src/a/mod.rs"), is("crates/core/src/lib.rs", "a"));
        assert_eq!(place("crates/core/src/lib.rs"), is("crates/core/src/lib.rs", ""));
        assert_eq!(place("crates/cli/src/get.rs"), is("crates/cli/src/main.rs", "get"));
        assert_eq!(
            place("crates/core/tests/sim/disk.rs"),
            is("crates/core/tests/sim/main.rs", "disk")
        );
        assert_eq!(place("tests/tests/damage.rs"), is("tests/tests/damage.rs", ""));
        assert!(place("crates/fs/tests/support/mod.rs").is_err());
    }

    #[test]
    fn markers_of_one_test_are_joined() {
        let file =
            |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let (marked, strays) = find(&[
            file("crates/core/src/lib.rs", ""),
            file("crates/core/src/plan.rs", "/// Faults: 1.\n/// Faults: 2.\n#[test]\nfn a() {}"),
            file("crates/fs/tests/support/mod.rs", "/// Faults: 3.\n#[test]\nfn b() {}"),
        ]);
        let [only] = &marked[..] else { panic!("{marked:?}") };
        assert_eq!((only.test.path.as_str(), &only.faults[..]), ("plan::a", &[1, 2][..]));
        assert_eq!(only.test.short(), "a");
        assert_eq!(strays.len(), 1);
    }
}
