//! The limits themselves.

use std::fmt;

use super::items::{self, Function};
use crate::source::tokens;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Code,
    Tests,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    FileLength,
    FunctionLength,
    ParameterCount,
    BoolParameter,
    TypeName,
}

impl Rule {
    pub(crate) const ALL: [Self; 5] = [
        Self::FileLength,
        Self::FunctionLength,
        Self::ParameterCount,
        Self::BoolParameter,
        Self::TypeName,
    ];

    /// The rule's name in `sizes.allow`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FileLength => "file-length",
            Self::FunctionLength => "function-length",
            Self::ParameterCount => "parameter-count",
            Self::BoolParameter => "bool-parameter",
            Self::TypeName => "type-name",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::FileLength => "split it by what its parts are for",
            Self::FunctionLength => "give its steps names of their own",
            Self::ParameterCount => "some of them belong together: make that a type",
            Self::BoolParameter => "use an enum of two variants: the call then says what it means",
            Self::TypeName => "name it after what it is",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rule, advice) = (self.rule.name(), self.rule.advice());
        write!(f, "{}:{}: {rule}: {}; {advice}", self.path, self.line, self.what)
    }
}

/// Everything in one file that is over a limit.
pub(crate) fn check(path: &str, text: &str, role: Role) -> Vec<Violation> {
    let tokens = tokens(text);
    let blocks = items::test_blocks(&tokens);
    let mut found = Vec::new();
    let mut complain = |line, rule, what| {
        found.push(Violation { path: path.to_owned(), line, rule, what });
    };

    let in_blocks: usize =
        blocks.iter().map(|b| tokens[b.end - 1].line - tokens[b.start].line + 1).sum();
    let (lines, limit) = match role {
        Role::Code => (text.lines().count().saturating_sub(in_blocks), FILE_LINES),
        Role::Tests => (text.lines().count(), TEST_FILE_LINES),
    };
    if lines > limit {
        complain(1, Rule::FileLength, format!("{lines} lines, at most {limit}"));
    }

    for function in items::functions(&tokens) {
        let test = role == Role::Tests || blocks.iter().any(|b| b.contains(&function.index));
        let role = if test { Role::Tests } else { Role::Code };
        for (rule, what) in judge(&function, role) {
            complain(function.line, rule, format!("fn {} {what}", function.name));
        }
    }

    for (name, line) in items::public_types(&tokens) {
        if let Some(suffix) = BANNED_SUFFIXES.iter().find(|suffix| name.ends_with(**suffix)) {
            complain(
                line,
                Rule::TypeName,
                format!("`{name}` ends in {suffix}, which says nothing"),
            );
        }
    }
    found
}

fn judge(function: &Function<'_>, role: Role) -> Vec<(Rule, String)> {
    let mut found = Vec::new();
    if let Some(lines) = function.body_lines.filter(|lines| *lines > FUNCTION_LINES) {
        found.push((Rule::FunctionLength, format!("has {lines} lines, at most {FUNCTION_LINES}")));
    }
    let count = function.parameter_count;
    if count > PARAMETERS {
        found.push((Rule::ParameterCount, format!("has {count} parameters, at most {PARAMETERS}")));
    }
    if role == Role::Code && function.bool_count > 0 {
        found.push((Rule::BoolParameter, "has a bool parameter".to_owned()));
    }
    found
}

/// Without `#[cfg(test)] mod … { … }`.
const FILE_LINES: usize = 500;
/// For files that are tests as a whole.
const TEST_FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;
/// Besides `self`.
const PARAMETERS: usize = 5;
const BANNED_SUFFIXES: [&str; 6] = ["Manager", "Helper", "Util", "Info", "Data", "Common"];

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str, role: Role) -> Vec<&'static str> {
        check("a.rs", text, role).iter().map(|violation| violation.rule.name()).collect()
    }

    #[test]
    fn a_file_is_measured_without_its_test_module() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(300));
        let code = "//\n".repeat(500);
        assert!(rules(&format!("{code}{tests}"), Role::Code).is_empty());
        assert_eq!(rules(&format!("{code}//\n{tests}"), Role::Code), ["file-length"]);
        assert!(rules(&"//\n".repeat(600), Role::Tests).is_empty());
        assert_eq!(rules(&"//\n".repeat(601), Role::Tests), ["file-length"]);
    }

    #[test]
    fn a_function_of_seventy_lines_is_the_longest() {
        let function = |inner| format!("fn f() {{\n{}}}\n", "a();\n".repeat(inner));
        assert!(rules(&function(68), Role::Code).is_empty());
        assert_eq!(rules(&function(69), Role::Code), ["function-length"]);
    }

    #[test]
    fn six_parameters_are_too_many_and_self_is_none() {
        assert!(rules("fn f(&self, a: A, b: A, c: A, d: A, e: A) {}", Role::Code).is_empty());
        let six = "fn f(a: A, b: A, c: A, d: A, e: A, f: A);";
        assert_eq!(rules(six, Role::Tests), ["parameter-count"]);
    }

    #[test]
    fn bool_parameters_are_tolerated_in_tests_only() {
        let text = "fn f(a: bool) {}";
        assert_eq!(rules(text, Role::Code), ["bool-parameter"]);
        assert!(rules(text, Role::Tests).is_empty());
        assert!(rules(&format!("#[cfg(test)] mod t {{ {text} }}"), Role::Code).is_empty());
    }

    #[test]
    fn empty_names_are_caught() {
        assert_eq!(rules("pub struct PartInfo; struct PartData;", Role::Code), ["type-name"]);
        assert!(rules("pub struct Information;", Role::Code).is_empty());
    }
}
