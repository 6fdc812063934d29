//! Content that is put together of parts.

use std::io;

use md5::{Digest as _, Md5};

use crate::content::Content;
use crate::gf2;

/// Contents one after another; their bytes stay where they are.
#[derive(Debug)]
pub(crate) struct Joined {
    /// Each with where it begins.
    pieces: Vec<(u64, Content)>,
    size: u64,
}

impl Joined {
    pub(crate) fn new(contents: Vec<Content>) -> Self {
        let mut size = 0;
        let mut pieces = Vec::with_capacity(contents.len());
        for content in contents {
            let start = size;
            size += content.size();
            pieces.push((start, content));
        }
        Self { pieces, size }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn count(&self) -> usize {
        self.pieces.len()
    }

    pub(crate) fn try_fill(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        // The last that begins there: those before it are empty.
        let first = self.pieces.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        let (mut at, mut rest) = (offset, buf);
        for (start, content) in &self.pieces[first..] {
            if rest.is_empty() {
                break;
            }
            let within = at - start;
            let length = (content.size() - within).min(rest.len() as u64);
            // Bounded by a length in memory.
            let (piece, after) = rest.split_at_mut(length as usize);
            content.try_fill(within, piece)?;
            at += length;
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Out of those of the pieces, none of which is read for it.
    pub(crate) fn crc64(&self) -> u64 {
        self.pieces
            .iter()
            .fold(0, |crc, (_, content)| gf2::followed_by(crc, content.crc64(), content.size()))
    }

    /// The MD5 of the MD5s of the pieces.
    pub(crate) fn md5(&self) -> [u8; 16] {
        let mut md5 = Md5::new();
        self.pieces.iter().for_each(|(_, content)| md5.update(content.md5()));
        md5.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_read_as_one_wherever_the_window_lies() {
        let contents = vec![
            Content::bytes(""),
            Content::bytes("0123"),
            Content::bytes(""),
            Content::generated(1, 10_000),
            Content::generated(2, 20_000).slice(5_000..5_007),
            Content::bytes(""),
        ];
        let mut whole = b"0123".to_vec();
        whole.extend(Content::generated(1, 10_000).window(0..10_000));
        whole.extend(Content::generated(2, 20_000).window(5_000..5_007));
        let joined = Content::joined(contents);
        assert_eq!(joined.size(), whole.len() as u64);
        for (start, end) in [(0, 0), (0, 4), (3, 5), (4, 4), (0, 10_011), (10_003, 10_011)] {
            let range = start as u64..end as u64;
            assert_eq!(joined.window(range), whole[start..end], "{start}..{end}");
        }
        assert!(joined.try_fill(10_010, &mut [0; 2]).is_err());
        assert_eq!(joined.crc64(), Content::bytes(whole).crc64());
    }
}
