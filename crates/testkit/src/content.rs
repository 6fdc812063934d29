//! What an object holds.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use md5::{Digest as _, Md5};

use crate::generated::Generated;
use crate::gf2;
use crate::joined::Joined;

/// The bytes of an object: in memory, in a file, generated on the fly, or put together of such.
///
/// Cloning is cheap and shares the bytes. Reading is a pure function of offset and length, so a
/// test can compare a download with the object without keeping either in memory.
#[derive(Clone)]
pub struct Content {
    kind: Kind,
    sums: Arc<OnceLock<Sums>>,
}

impl Content {
    /// Content held in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::of(Kind::Memory(bytes.into()))
    }

    /// A deterministic object of any size that occupies no memory; its CRC is known at once.
    pub fn generated(seed: u64, size: u64) -> Self {
        Self::of(Kind::Generated(Generated::new(seed, size)))
    }

    /// The content of an existing file, which must not change afterwards.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or is no regular file.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self::of(Kind::File { file: Arc::new(file), size: metadata.len() }))
    }

    /// The length in bytes.
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::Memory(bytes) => bytes.len() as u64,
            Kind::File { size, .. } => *size,
            Kind::Generated(generated) => generated.size(),
            Kind::Joined(joined) => joined.size(),
            Kind::Slice { range, .. } => range.end - range.start,
        }
    }

    /// The CRC-64/XZ of the whole content: immediate when generated, otherwise computed once.
    ///
    /// # Panics
    ///
    /// When the file behind the content can no longer be read.
    pub fn crc64(&self) -> u64 {
        self.sums().crc64
    }

    /// The entity tag with its quotes: the MD5 in upper-case hex, or, for generated content, a
    /// synthetic value of the same shape that depends on seed and size. That of an object put
    /// together of parts is the MD5 of their MD5s, a hyphen, and how many there are.
    ///
    /// # Panics
    ///
    /// When the file behind the content can no longer be read.
    pub fn etag(&self) -> String {
        let sums = self.sums();
        match sums.parts {
            None => format!("\"{}\"", upper_hex(&sums.md5)),
            Some(parts) => format!("\"{}-{parts}\"", upper_hex(&sums.md5)),
        }
    }

    /// Writes the bytes from `offset` on into `buf`.
    ///
    /// # Panics
    ///
    /// When the window reaches past the end, or the file behind the content cannot be read.
    pub fn fill(&self, offset: u64, buf: &mut [u8]) {
        self.try_fill(offset, buf).expect("the window lies within readable content");
    }

    /// The bytes of one window.
    ///
    /// # Panics
    ///
    /// As [`fill`](Self::fill).
    pub fn window(&self, range: Range<u64>) -> Vec<u8> {
        let length = range.end.checked_sub(range.start).expect("a range runs forwards");
        let length = usize::try_from(length).expect("a window fits in memory");
        let mut bytes = vec![0; length];
        self.fill(range.start, &mut bytes);
        bytes
    }

    /// Contents one after another, as CompleteMultipartUpload puts parts together.
    pub(crate) fn joined(contents: Vec<Self>) -> Self {
        Self::of(Kind::Joined(Arc::new(Joined::new(contents))))
    }

    /// A part of this content, which it shares; `range` must lie within it.
    pub(crate) fn slice(&self, range: Range<u64>) -> Self {
        match &self.kind {
            // The ETag of a part is an MD5, also where the object's is one of MD5s.
            Kind::Joined(_) => {}
            _ if range == (0..self.size()) => return self.clone(),
            // `size` bounds the range by a length in memory.
            Kind::Memory(bytes) => {
                return Self::bytes(bytes.slice(range.start as usize..range.end as usize));
            }
            _ => {}
        }
        Self::of(Kind::Slice { whole: Arc::new(self.clone()), range })
    }

    /// The same bytes with the same sums, read from a file that now holds them.
    pub(crate) fn moved_to(&self, path: &Path) -> io::Result<Self> {
        Ok(Self { kind: Self::file(path)?.kind, sums: self.sums.clone() })
    }

    /// The MD5, or what stands for it.
    pub(crate) fn md5(&self) -> [u8; 16] {
        self.sums().md5
    }

    /// As `fill`, for the server: a broken file must cut the response, not the process.
    pub(crate) fn try_fill(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let within = offset.checked_add(buf.len() as u64).is_some_and(|end| end <= self.size());
        if !within {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "past the content's end"));
        }
        match &self.kind {
            Kind::Memory(bytes) => {
                // `within` bounds the offset by a length in memory.
                let start = offset as usize;
                buf.copy_from_slice(&bytes[start..start + buf.len()]);
            }
            Kind::File { file, .. } => read_exact_at(file, buf, offset)?,
            Kind::Generated(generated) => generated.fill(offset, buf),
            Kind::Joined(joined) => joined.try_fill(offset, buf)?,
            Kind::Slice { whole, range } => whole.try_fill(range.start + offset, buf)?,
        }
        Ok(())
    }

    /// One piece for the wire, without a copy where the bytes are in memory already.
    pub(crate) fn piece(&self, at: Range<u64>, pool: &mut BytesMut) -> io::Result<Bytes> {
        if let Kind::Memory(bytes) = &self.kind {
            let outside = || io::Error::new(io::ErrorKind::UnexpectedEof, "past the content's end");
            let range = usize::try_from(at.start).ok().zip(usize::try_from(at.end).ok());
            let range = range.filter(|(start, end)| start <= end && *end <= bytes.len());
            return range.map(|(start, end)| bytes.slice(start..end)).ok_or_else(outside);
        }
        // Reuses the allocation of an earlier piece once that has been sent.
        pool.resize((at.end - at.start) as usize, 0);
        self.try_fill(at.start, pool)?;
        Ok(pool.split().freeze())
    }

    fn of(kind: Kind) -> Self {
        Self { kind, sums: Arc::new(OnceLock::new()) }
    }

    fn sums(&self) -> &Sums {
        self.sums.get_or_init(|| match &self.kind {
            Kind::Memory(bytes) => Sums::plain(gf2::crc64(bytes), Md5::digest(bytes).into()),
            Kind::Generated(generated) => {
                let name = format!("generated {} {}", generated.seed(), generated.size());
                Sums::plain(generated.crc64(), Md5::digest(name).into())
            }
            Kind::Joined(joined) => {
                let parts = Some(joined.count());
                Sums { crc64: joined.crc64(), md5: joined.md5(), parts }
            }
            Kind::Slice { whole, range } => match &whole.kind {
                Kind::Generated(generated) => {
                    let name = format!("generated {} {range:?}", generated.seed());
                    Sums::plain(generated.window_crc64(range), Md5::digest(name).into())
                }
                _ => self.read_sums().expect("the content's file stays readable"),
            },
            Kind::File { .. } => self.read_sums().expect("the content's file stays readable"),
        })
    }

    fn read_sums(&self) -> io::Result<Sums> {
        let mut crc = Digest::new(CrcAlgorithm::Crc64Xz);
        let mut md5 = Md5::new();
        let mut offset = 0;
        let mut buf = vec![0; 1 << 20];
        while offset < self.size() {
            let length = (self.size() - offset).min(buf.len() as u64) as usize;
            self.try_fill(offset, &mut buf[..length])?;
            crc.update(&buf[..length]);
            md5.update(&buf[..length]);
            offset += length as u64;
        }
        Ok(Sums::plain(crc.finalize(), md5.finalize().into()))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Memory(bytes) => write!(f, "Content(memory, {} bytes)", bytes.len()),
            Kind::File { size, .. } => write!(f, "Content(file, {size} bytes)"),
            Kind::Generated(generated) => write!(f, "Content({generated:?})"),
            Kind::Joined(joined) => write!(f, "Content({} parts)", joined.count()),
            Kind::Slice { whole, range } => write!(f, "Content({range:?} of {whole:?})"),
        }
    }
}

impl From<&'static str> for Content {
    fn from(text: &'static str) -> Self {
        Self::bytes(text)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::bytes(bytes)
    }
}

#[derive(Clone)]
enum Kind {
    Memory(Bytes),
    File { file: Arc<File>, size: u64 },
    Generated(Generated),
    Joined(Arc<Joined>),
    Slice { whole: Arc<Content>, range: Range<u64> },
}

struct Sums {
    crc64: u64,
    md5: [u8; 16],
    /// Of how many parts' MD5s the MD5 is, if it is not one of the bytes.
    parts: Option<usize>,
}

impl Sums {
    fn plain(crc64: u64, md5: [u8; 16]) -> Self {
        Self { crc64, md5, parts: None }
    }
}

/// Upper-case hex, as OSS writes ETags and request ids.
pub(crate) fn upper_hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02X}").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(unix)]
fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    let mut done = 0;
    while done < buf.len() {
        match file.seek_read(&mut buf[done..], offset + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_file_agree() {
        let bytes = Content::generated(9, 3_000_001).window(0..3_000_001);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("object");
        std::fs::write(&path, &bytes).unwrap();
        let (memory, file) = (Content::bytes(bytes), Content::file(&path).unwrap());
        assert_eq!(memory.size(), file.size());
        assert_eq!(memory.crc64(), file.crc64());
        assert_eq!(memory.etag(), file.etag());
        assert_eq!(memory.window(5..77), file.window(5..77));
        assert_eq!(memory.crc64(), Content::generated(9, 3_000_001).crc64());
    }

    #[test]
    fn the_etag_of_bytes_is_their_quoted_md5() {
        assert_eq!(Content::bytes("hello").etag(), "\"5D41402ABC4B2A76B9719D911017C592\"");
    }

    #[test]
    fn the_etag_of_joined_bytes_is_the_md5_of_md5s_and_their_number() {
        let joined = Content::joined(vec!["hello".into(), "world".into()]);
        let md5s = [Md5::digest("hello"), Md5::digest("world")].concat();
        let expected = format!("\"{}-2\"", upper_hex(&Md5::digest(md5s)));
        assert_eq!(joined.etag(), expected);
        assert_eq!(joined.slice(0..10).etag(), Content::bytes("helloworld").etag());
    }

    #[test]
    fn a_slice_has_the_sums_of_its_bytes_wherever_they_are() {
        let generated = Content::generated(4, 50_000);
        let bytes = generated.window(0..50_000);
        let joined = Content::joined(vec![Content::bytes(bytes.clone())]);
        for range in [0..50_000, 1..50_000, 0..49_999, 20_000..20_000] {
            let plain = Content::bytes(bytes[range.start as usize..range.end as usize].to_vec());
            for content in [Content::bytes(bytes.clone()), joined.clone()] {
                let slice = content.slice(range.clone());
                assert_eq!((slice.crc64(), slice.etag()), (plain.crc64(), plain.etag()));
                assert_eq!(slice.window(0..slice.size()), plain.window(0..plain.size()));
            }
            assert_eq!(generated.slice(range).crc64(), plain.crc64());
        }
    }

    #[test]
    fn a_slice_of_a_generated_object_is_not_read_for_its_sums() {
        let largest = Content::generated(7, 53_687_091_200_000);
        let slice = largest.slice(5..40_000_000_000_000);
        assert_ne!(slice.crc64(), largest.crc64());
        assert_ne!(slice.etag(), largest.slice(5..40_000_000_000_001).etag());
    }

    #[test]
    fn a_window_past_the_end_is_refused() {
        for content in [Content::bytes("12345"), Content::generated(0, 5)] {
            assert!(content.try_fill(3, &mut [0; 3]).is_err());
            assert!(content.try_fill(u64::MAX, &mut [0; 3]).is_err());
            assert!(content.try_fill(3, &mut [0; 2]).is_ok());
        }
    }
}
