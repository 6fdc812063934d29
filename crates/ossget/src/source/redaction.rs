//! Blotting out secrets that a server repeats.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The text without the secrets: each occurrence is replaced, and where one shines through in
/// another form, nothing of the text is left.
pub(super) fn redacted<'a>(text: &'a str, secrets: &[&str]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if text.contains(secret) {
            text = text.replace(secret, REDACTED).into();
        }
    }
    match reveals(&text, secrets) {
        true => Cow::Borrowed(REDACTED),
        false => text,
    }
}

/// Whether the text has a piece of a secret in it: as it is, in other letter cases,
/// percent-encoded or as base64.
pub(super) fn reveals(text: &str, secrets: &[&str]) -> bool {
    let pieces: Vec<Vec<u8>> = secrets
        .iter()
        .map(|secret| secret.to_ascii_lowercase().into_bytes())
        .flat_map(|secret| {
            let windows = secret.len().saturating_sub(PIECE) + 1;
            let piece = move |at: usize| secret[at..secret.len().min(at + PIECE)].to_owned();
            (0..windows).map(piece).collect::<Vec<_>>()
        })
        .filter(|piece| !piece.is_empty())
        .collect();
    let has_piece = |bytes: &[u8]| {
        let bytes = bytes.to_ascii_lowercase();
        pieces.iter().any(|piece| bytes.windows(piece.len()).any(|window| window == piece))
    };
    // Encoding twice is what careless proxies do.
    let once: Cow<'_, [u8]> = percent_decode_str(text).into();
    let once = String::from_utf8_lossy(&once).into_owned();
    let twice: Cow<'_, [u8]> = percent_decode_str(&once).into();
    has_piece(text.as_bytes())
        || has_piece(once.as_bytes())
        || has_piece(&twice)
        || [text, &once].into_iter().flat_map(base64_runs).any(|bytes| has_piece(&bytes))
}

/// What the runs of base64 in a text decode to, from each of the four places where a group of four
/// characters may begin.
fn base64_runs(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let is_code = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let runs = text.split(move |c| !is_code(c)).filter(|run| run.len() >= PIECE);
    runs.flat_map(|run| (0..4).map(move |skipped| &run[skipped..])).flat_map(|run| {
        let whole = &run[..run.len() - usize::from(run.len() % 4 == 1)];
        [STANDARD, URL_SAFE]
            .map(|alphabet| GeneralPurpose::new(&alphabet, LENIENT).decode(whole))
            .into_iter()
            .filter_map(Result::ok)
    })
}

const REDACTED: &str = "[redacted]";

/// Characters of a secret that are not repeated by chance: 12 of base64 are 72 bits. A shorter
/// secret must be there whole.
const PIECE: usize = 12;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD as BASE64;

    const SECRET: &str = "CAISxQ/+z=Yy5Kd9Vw1";

    #[test]
    fn a_secret_is_replaced_where_it_stands() {
        assert_eq!(redacted(&format!("a {SECRET} b"), &["", SECRET]), "a [redacted] b");
        assert_eq!(redacted("nothing here", &["", SECRET]), "nothing here");
        assert_eq!(redacted("short: abc", &["abc"]), "short: [redacted]");
    }

    /// Faults: 135.
    #[test]
    fn in_another_form_it_takes_the_whole_text_with_it() {
        let percent = "CAISxQ%2F%2bz%3DYy5Kd9Vw1";
        let twice = percent.replace('%', "%25");
        let beginning = &SECRET[..14];
        let lower = SECRET.to_ascii_lowercase();
        let encoded = BASE64.encode(SECRET);
        let within = BASE64.encode(format!("id:{SECRET};"));
        for shown in [percent, &twice, beginning, &lower, &encoded, &within] {
            let text = format!("the token {shown} is bad");
            assert!(reveals(&text, &[SECRET]), "{text}");
            assert_eq!(redacted(&text, &[SECRET]), "[redacted]", "{text}");
        }
    }

    #[test]
    fn what_only_resembles_it_stays() {
        for text in ["CAISxQ/+z", "The OSS Access Key Id you provided does not exist", "%zz%"] {
            assert_eq!(redacted(text, &[SECRET]), text);
        }
    }
}
