//! Finds test modules, functions and types in a list of tokens.

use std::ops::Range;

use crate::source::{Kind, Token, closing, kinds};

/// A function: its name, its lines, its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: usize,
    /// From the line of `fn` to that of the closing brace; none without a body.
    pub(crate) body_lines: Option<usize>,
    /// Without `self`.
    pub(crate) parameter_count: usize,
    pub(crate) bool_count: usize,
    /// Where `fn` stands in the list of tokens.
    pub(crate) index: usize,
}

/// Every function with a name, nested ones included.
pub(crate) fn functions<'a>(tokens: &[Token<'a>]) -> Vec<Function<'a>> {
    (0..tokens.len()).filter_map(|index| function_at(tokens, index)).collect()
}

fn function_at<'a>(tokens: &[Token<'a>], index: usize) -> Option<Function<'a>> {
    // Without a name it is the type of a function pointer.
    let [Kind::Word("fn"), Kind::Word(name)] = kinds(tokens, index)? else {
        return None;
    };
    let open = skip_generics(tokens, index + 2);
    if tokens.get(open)?.kind != Kind::Punct('(') {
        return None;
    }
    let close = closing(tokens, open);
    let mut parameters = split_parameters(&tokens[open + 1..close]);
    if parameters.first().is_some_and(|first| is_self(first)) {
        parameters.remove(0);
    }
    let types: Vec<_> = parameters.into_iter().filter_map(type_of).collect();
    let line = tokens[index].line;
    Some(Function {
        name,
        line,
        body_lines: body_end(tokens, close + 1).map(|end| tokens[end].line - line + 1),
        parameter_count: types.len(),
        bool_count: types.iter().filter(|tokens| is_bool(tokens)).count(),
        index,
    })
}

/// The index after `<…>`, or `at` itself where there is none.
fn skip_generics(tokens: &[Token<'_>], at: usize) -> usize {
    let (mut index, mut depth) = (at, 0_usize);
    while let Some(token) = tokens.get(index) {
        match token.kind {
            Kind::Punct('<') => depth += 1,
            Kind::Punct('>') => depth = depth.saturating_sub(1),
            _ if depth == 0 => return index,
            Kind::Punct('(' | '[' | '{') => index = closing(tokens, index),
            _ => {}
        }
        index += 1;
    }
    index
}

/// The index of the brace that ends the body, if the signature that goes on at `at` has one.
fn body_end(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let mut index = at;
    while let Some(token) = tokens.get(index) {
        match token.kind {
            Kind::Punct('{') => return Some(closing(tokens, index)),
            Kind::Punct(';') => return None,
            // `[u8; 4]` in the return type.
            Kind::Punct('(' | '[') => index = closing(tokens, index),
            _ => {}
        }
        index += 1;
    }
    None
}

/// Splits at the commas that separate parameters, not those inside types or patterns.
fn split_parameters<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut parts = Vec::new();
    let (mut begin, mut index, mut angles) = (0, 0, 0_usize);
    while let Some(token) = tokens.get(index) {
        match token.kind {
            Kind::Punct('(' | '[' | '{') => index = closing(tokens, index),
            Kind::Punct('<') => angles += 1,
            Kind::Punct('>') => angles = angles.saturating_sub(1),
            Kind::Punct(',') if angles == 0 => {
                parts.push(&tokens[begin..index]);
                begin = index + 1;
            }
            _ => {}
        }
        index += 1;
    }
    if begin < tokens.len() {
        parts.push(&tokens[begin..]);
    }
    parts
}

fn is_self(parameter: &[Token<'_>]) -> bool {
    for token in parameter {
        match token.kind {
            Kind::Word("self") => return true,
            Kind::Punct('&') | Kind::Lifetime | Kind::Word("mut") => {}
            _ => return false,
        }
    }
    false
}

/// The tokens of a parameter's type. None for what only a macro understands, such as the
/// `name in strategy` of property tests: nobody passes an argument for it.
fn type_of<'t, 'a>(parameter: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let mut index = 0;
    while let Some(token) = parameter.get(index) {
        match token.kind {
            Kind::Punct('(' | '[' | '{') => index = closing(parameter, index),
            Kind::Punct(':') => return Some(&parameter[index + 1..]),
            _ => {}
        }
        index += 1;
    }
    None
}

/// Whether a type is `bool` or a reference to it.
fn is_bool(tokens: &[Token<'_>]) -> bool {
    let mut kinds = tokens
        .iter()
        .map(|token| token.kind)
        .filter(|kind| !matches!(kind, Kind::Punct('&') | Kind::Lifetime | Kind::Word("mut")));
    kinds.next() == Some(Kind::Word("bool")) && kinds.next().is_none()
}

/// The token ranges of `#[cfg(test)] mod name { … }`, attribute included.
pub(crate) fn test_blocks(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (begin, at) in test_items(tokens) {
        if let Some([Kind::Word("mod"), Kind::Word(_), Kind::Punct('{')]) = kinds(tokens, at)
            && found.last().is_none_or(|last| begin >= last.end)
        {
            found.push(begin..closing(tokens, at + 2) + 1);
        }
    }
    found
}

/// The names in `#[cfg(test)] mod name;`.
pub(crate) fn test_module_files<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    test_items(tokens)
        .filter_map(|(_, at)| match kinds(tokens, at)? {
            [Kind::Word("mod"), Kind::Word(name), Kind::Punct(';')] => Some(name),
            _ => None,
        })
        .collect()
}

/// For each `#[cfg(test)]`: where it begins, and where the item begins after
/// further attributes and a visibility.
fn test_items(tokens: &[Token<'_>]) -> impl Iterator<Item = (usize, usize)> {
    (0..tokens.len()).filter(|begin| is_cfg_test(tokens, *begin)).map(|begin| {
        let mut at = begin;
        while kinds(tokens, at) == Some([Kind::Punct('#'), Kind::Punct('[')]) {
            at = closing(tokens, at + 1) + 1;
        }
        if kinds(tokens, at) == Some([Kind::Word("pub")]) {
            at += 1;
            if kinds(tokens, at) == Some([Kind::Punct('(')]) {
                at = closing(tokens, at) + 1;
            }
        }
        (begin, at)
    })
}

/// `#[cfg(test)]` or `#[cfg(all(test, …))]`: what no shipped build contains.
fn is_cfg_test(tokens: &[Token<'_>], at: usize) -> bool {
    let opens = [Kind::Punct('#'), Kind::Punct('['), Kind::Word("cfg"), Kind::Punct('(')];
    if kinds(tokens, at) != Some(opens) {
        return false;
    }
    let inside = &tokens[at + opens.len()..closing(tokens, at + 3)];
    match kinds(inside, 0) {
        Some([Kind::Word("all"), Kind::Punct('(')]) => {
            split_parameters(&inside[2..closing(inside, 1)])
                .iter()
                .any(|part| matches!(part, [token] if token.kind == Kind::Word("test")))
        }
        _ => matches!(inside, [token] if token.kind == Kind::Word("test")),
    }
}

/// Types declared with any `pub`: name and line.
pub(crate) fn public_types<'a>(tokens: &[Token<'a>]) -> Vec<(&'a str, usize)> {
    let mut found = Vec::new();
    for index in 0..tokens.len() {
        if tokens[index].kind != Kind::Word("pub") {
            continue;
        }
        let mut at = index + 1;
        if kinds(tokens, at) == Some([Kind::Punct('(')]) {
            at = closing(tokens, at) + 1;
        }
        while matches!(kinds(tokens, at), Some([Kind::Word("unsafe" | "auto")])) {
            at += 1;
        }
        if let Some(
            [Kind::Word("struct" | "enum" | "union" | "trait" | "type"), Kind::Word(name)],
        ) = kinds(tokens, at)
        {
            found.push((name, tokens[at].line));
        }
    }
    found
}

#[cfg(test)]
mod tests;
