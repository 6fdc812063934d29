//! Rust source as a flat list of tokens: enough to find items and to match
//! brackets, so that nothing inside a string or a comment is mistaken for code.

/// What a token is. Operators come one character at a time, except the two
/// that would otherwise be mistaken for an angle bracket or a type's colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// An identifier or keyword; a raw identifier without its `r#`.
    Word(&'a str),
    Lifetime,
    /// A string, character, byte or number.
    Literal,
    /// `->` or `=>`.
    Arrow,
    /// `::`.
    PathSeparator,
    Punct(char),
}

/// One token and the line, from 1, on which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) line: usize,
}

/// Splits source text into tokens; comments and white space are dropped.
/// Text that does not compile gives some list of tokens, never a panic.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let (length, kind) = next(&text[at..]);
        if let Some(kind) = kind {
            found.push(Token { kind, line });
        }
        line += text[at..at + length].matches('\n').count();
        at += length;
    }
    found
}

/// The line comments, documentation included: their text from the first `/` on, and their line.
pub(crate) fn line_comments(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let (length, _) = next(&text[at..]);
        let here = &text[at..at + length];
        if here.starts_with("//") {
            found.push((line, here));
        }
        line += here.matches('\n').count();
        at += length;
    }
    found
}

/// The index of the bracket that closes the one at `open`; the last index if none does.
pub(crate) fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Punct('(' | '[' | '{') => depth += 1,
            Kind::Punct(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    tokens.len().saturating_sub(1)
}

/// The kinds of the tokens from `from` on, for slice patterns.
pub(crate) fn kinds<'a, const N: usize>(
    tokens: &[Token<'a>],
    from: usize,
) -> Option<[Kind<'a>; N]> {
    let window: &[Token<'a>; N] = tokens.get(from..from + N)?.try_into().ok()?;
    Some(window.map(|token| token.kind))
}

/// Length in bytes and kind of what `rest` begins with; no kind for blanks and comments.
fn next(rest: &str) -> (usize, Option<Kind<'_>>) {
    let first = rest.chars().next().unwrap_or(' ');
    match first {
        _ if first.is_whitespace() => (first.len_utf8(), None),
        '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), None),
        '/' if rest.starts_with("/*") => (block_comment(rest), None),
        '"' => (quoted(rest, '"'), Some(Kind::Literal)),
        '\'' => character_or_lifetime(rest),
        '0'..='9' => (number(rest), Some(Kind::Literal)),
        _ if is_word(first) => word_or_literal(rest),
        ':' if rest.starts_with("::") => (2, Some(Kind::PathSeparator)),
        '-' | '=' if rest[1..].starts_with('>') => (2, Some(Kind::Arrow)),
        _ => (first.len_utf8(), Some(Kind::Punct(first))),
    }
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn word_length(rest: &str) -> usize {
    rest.find(|character| !is_word(character)).unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// A literal between two `quote`s, the first of which `rest` begins with.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// `'a'` and `'\n'` are characters, `'a` is a lifetime.
fn character_or_lifetime(rest: &str) -> (usize, Option<Kind<'_>>) {
    let mut after = rest[1..].chars();
    let first = after.next();
    if first == Some('\\') || after.next() == Some('\'') {
        (quoted(rest, '\''), Some(Kind::Literal))
    } else {
        (1 + word_length(&rest[1..]), Some(Kind::Lifetime))
    }
}

/// A number with its suffix. A dot belongs to it only before a digit: `0..9` and `1.max(2)` do not.
fn number(rest: &str) -> usize {
    let whole = word_length(rest);
    let fraction = &rest[whole..];
    if fraction.starts_with('.') && fraction[1..].starts_with(|c: char| c.is_ascii_digit()) {
        whole + 1 + word_length(&fraction[1..])
    } else {
        whole
    }
}

/// A word, unless it is the prefix of a literal (`b"…"`, `br#"…"#`, `b'x'`) or of a raw identifier.
fn word_or_literal(rest: &str) -> (usize, Option<Kind<'_>>) {
    let length = word_length(rest);
    let (word, after) = rest.split_at(length);
    match word {
        "b" | "c" if after.starts_with('"') => (length + quoted(after, '"'), Some(Kind::Literal)),
        "b" if after.starts_with('\'') => (length + quoted(after, '\''), Some(Kind::Literal)),
        "r" | "br" | "cr" => {
            let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
            if after[hashes..].starts_with('"') {
                (length + raw_string(after, hashes), Some(Kind::Literal))
            } else if hashes == 1 && after[1..].starts_with(is_word) {
                let name = &after[1..];
                let name_length = word_length(name);
                (length + 1 + name_length, Some(Kind::Word(&name[..name_length])))
            } else {
                (length, Some(Kind::Word(word)))
            }
        }
        _ => (length, Some(Kind::Word(word))),
    }
}

/// A raw string whose `hashes` and opening quote `rest` begins with.
fn raw_string(rest: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    let body = hashes + 1;
    rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text)
            .into_iter()
            .filter_map(|token| if let Kind::Word(word) = token.kind { Some(word) } else { None })
            .collect()
    }

    #[test]
    fn nothing_in_comments_or_literals_is_a_word() {
        assert_eq!(words("a // fn b\n/* fn /* c */ fn */ d"), ["a", "d"]);
        assert_eq!(words(r#"a "fn \" fn \\" b b"x y" c"z" "#), ["a", "b"]);
        assert_eq!(words("r\"a \\\" b r#\"c \" d\"# br##\"e \"# f\"## g"), ["b", "g"]);
        assert_eq!(words(r"x 'a' '\'' '\u{41}' b'q' b'\\' '{' y"), ["x", "y"]);
        assert_eq!(words("r#type rest r b"), ["type", "rest", "r", "b"]);
    }

    #[test]
    fn lifetimes_are_not_characters() {
        let kinds: Vec<Kind<'_>> = tokens("&'a str, 'b', 'static").iter().map(|t| t.kind).collect();
        assert_eq!(
            kinds,
            [
                Kind::Punct('&'),
                Kind::Lifetime,
                Kind::Word("str"),
                Kind::Punct(','),
                Kind::Literal,
                Kind::Punct(','),
                Kind::Lifetime
            ]
        );
    }

    #[test]
    fn numbers_leave_ranges_and_methods_alone() {
        assert_eq!(words("0..n 1.max(2) 1.5f32 0xFFu8 tail"), ["n", "max", "tail"]);
    }

    #[test]
    fn arrows_and_paths_are_one_token() {
        let kinds: Vec<Kind<'_>> = tokens("-> => :: >=").iter().map(|t| t.kind).collect();
        assert_eq!(
            kinds,
            [Kind::Arrow, Kind::Arrow, Kind::PathSeparator, Kind::Punct('>'), Kind::Punct('=')]
        );
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let text = "a\n\"x\ny\" b\n/*\n\n*/ c";
        let lines: Vec<usize> = tokens(text).iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 3, 6]);
    }

    #[test]
    fn comments_are_found_where_they_are_none_of_a_literal() {
        let text = "/// one\nfn a() { \"/// no\" } // two\n/* // no */ //! three";
        assert_eq!(line_comments(text), [(1, "/// one"), (2, "// two"), (3, "//! three")]);
    }

    #[test]
    fn brackets_close_across_kinds() {
        let list = tokens("f([a, { b }], c) d");
        assert_eq!(list[closing(&list, 1) + 1].kind, Kind::Word("d"));
        assert_eq!(closing(&tokens("( ("), 0), 1);
    }

    #[test]
    fn unfinished_text_does_not_panic() {
        for text in ["\"", "'", "'\\", "r#\"x", "/* /*", "b'", "é'", "r#", "'é", "0."] {
            tokens(text);
        }
    }
}
