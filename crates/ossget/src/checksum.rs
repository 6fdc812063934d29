//! Digests that a user has from elsewhere, to be compared with the finished file.

use crate::Error;
use crc_fast::{CrcAlgorithm, Digest as Crc64};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// A digest that the whole download must have.
///
/// As text: `crc64:HEX`, `md5:HEX` or `sha256:HEX`. Sixteen digits behind `crc64:` are
/// hexadecimal, most significant first; any other number of them is decimal, as OSS writes it.
///
/// ```
/// use ossget::Checksum;
///
/// let checksum: Checksum = "md5:d41d8cd98f00b204e9800998ecf8427e".parse()?;
/// assert_eq!(checksum.to_string(), "md5:d41d8cd98f00b204e9800998ecf8427e");
/// assert_eq!("crc64:995dc9bbdf1939fa".parse(), Ok(Checksum::Crc64(0x995d_c9bb_df19_39fa)));
/// assert_eq!("crc64:11051210869376104954".parse(), Ok(Checksum::Crc64(0x995d_c9bb_df19_39fa)));
/// # Ok::<(), ossget::ChecksumError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checksum {
    /// CRC-64/XZ, the CRC-64 of OSS.
    Crc64(u64),
    /// MD5.
    Md5([u8; 16]),
    /// SHA-256.
    Sha256([u8; 32]),
}

/// Why a text is no [`Checksum`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChecksumError {
    /// It does not begin with `crc64:`, `md5:` or `sha256:`.
    Algorithm,
    /// What follows is not the digest's number of hexadecimal digits, nor a decimal CRC-64.
    Digits,
}

/// Computes a checksum of bytes in order.
pub(crate) struct Checking {
    wanted: Checksum,
    state: State,
}

enum State {
    Crc64(Box<Crc64>),
    Md5(Md5),
    Sha256(Sha256),
}

impl Checking {
    pub(crate) fn new(wanted: Checksum) -> Self {
        let state = match wanted {
            Checksum::Crc64(_) => State::Crc64(Box::new(Crc64::new(CrcAlgorithm::Crc64Xz))),
            Checksum::Md5(_) => State::Md5(Md5::new()),
            Checksum::Sha256(_) => State::Sha256(Sha256::new()),
        };
        Self { wanted, state }
    }

    /// The next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc64(digest) => digest.update(bytes),
            State::Md5(digest) => digest.update(bytes),
            State::Sha256(digest) => digest.update(bytes),
        }
    }

    /// Whether all bytes together have the wanted digest.
    pub(crate) fn matches(self) -> bool {
        self.wanted
            == match self.state {
                State::Crc64(digest) => Checksum::Crc64(digest.finalize()),
                State::Md5(digest) => Checksum::Md5(digest.finalize().into()),
                State::Sha256(digest) => Checksum::Sha256(digest.finalize().into()),
            }
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let (algorithm, digits) = text.split_once(':').ok_or(ChecksumError::Algorithm)?;
        let found = match algorithm.to_ascii_lowercase().as_str() {
            "crc64" => crc64(digits).map(Self::Crc64),
            "md5" => bytes(digits).map(Self::Md5),
            "sha256" => bytes(digits).map(Self::Sha256),
            _ => return Err(ChecksumError::Algorithm),
        };
        found.ok_or(ChecksumError::Digits)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, name: &str, bytes: &[u8]| {
            write!(f, "{name}:")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        match self {
            Self::Crc64(value) => hex(f, "crc64", &value.to_be_bytes()),
            Self::Md5(digest) => hex(f, "md5", digest),
            Self::Sha256(digest) => hex(f, "sha256", digest),
        }
    }
}

impl fmt::Display for ChecksumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => "not a checksum: write crc64:HEX, md5:HEX or sha256:HEX",
            Self::Digits => {
                "not a digest: 16 hexadecimal digits (or the decimal number) for crc64, 32 for \
                 md5, 64 for sha256"
            }
        })
    }
}

impl std::error::Error for ChecksumError {}

impl From<ChecksumError> for Error {
    fn from(error: ChecksumError) -> Self {
        Self::new(crate::ErrorKind::Config, error.to_string())
    }
}

fn crc64(digits: &str) -> Option<u64> {
    if digits.len() == 16 {
        return bytes(digits).map(u64::from_be_bytes);
    }
    // `parse` alone would take a sign.
    let decimal = digits.bytes().all(|digit| digit.is_ascii_digit());
    decimal.then(|| digits.parse().ok())?
}

/// Exactly `N` bytes in hexadecimal.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published digests of the empty text and of "abc".
    const KNOWN: [(&str, &str); 6] = [
        ("", "md5:d41d8cd98f00b204e9800998ecf8427e"),
        ("abc", "md5:900150983cd24fb0d6963f7d28e17f72"),
        ("", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("123456789", "crc64:995dc9bbdf1939fa"),
        ("123456789", "crc64:11051210869376104954"),
    ];

    fn matches(text: &str, wanted: &str) -> bool {
        let mut checking = Checking::new(wanted.parse().unwrap());
        for byte in text.as_bytes() {
            checking.update(&[*byte]);
        }
        checking.matches()
    }

    #[test]
    fn known_digests_match_their_text_and_no_other() {
        for (text, wanted) in KNOWN {
            assert!(matches(text, wanted), "{wanted}");
            assert!(matches(text, &wanted.to_uppercase()), "{wanted}");
            assert!(!matches("something else", wanted), "{wanted}");
        }
    }

    #[test]
    fn a_checksum_is_written_as_it_is_read() {
        for (_, text) in &KNOWN[..5] {
            assert_eq!(text.parse::<Checksum>().unwrap().to_string(), *text);
        }
    }

    #[test]
    fn what_is_no_checksum_is_refused_with_what_it_must_be() {
        for text in ["", "900150983cd24fb0d6963f7d28e17f72", "sha1:00", ":00"] {
            assert_eq!(text.parse::<Checksum>(), Err(ChecksumError::Algorithm), "{text}");
        }
        for text in [
            "md5:",
            "md5:0",
            "sha256:00",
            "crc64:",
            "crc64:-1",
            "crc64:+1",
            "crc64:xyz",
            "md5:900150983cd24fb0d6963f7d28e17f7g",
            "crc64:18446744073709551616",
            "md5:éééééééééééééééé",
        ] {
            assert_eq!(text.parse::<Checksum>(), Err(ChecksumError::Digits), "{text}");
        }
    }
}
