//! The names of the files that go with one destination.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Makes and recognises the names that belong to one destination.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    name: OsString,
    /// Of the name alone: what lies beside the destination is told apart by its directory.
    near_hash: String,
    /// Of the whole path: a checkpoint directory serves many directories.
    far_hash: String,
}

impl Names {
    /// Names for the destination `name` whose canonical absolute path is `canonical`.
    pub(crate) fn new(name: &OsStr, canonical: &Path) -> Self {
        let hash = |text: &OsStr| format!("{:08x}", folded_fnv1a(text.as_encoded_bytes()));
        let (near_hash, far_hash) = (hash(name), hash(canonical.as_os_str()));
        Self { name: name.to_owned(), near_hash, far_hash }
    }

    /// The destination's own final component.
    pub(crate) fn destination(&self) -> &OsStr {
        &self.name
    }

    /// `.<stem>.<hash8>.ossget` beside the destination: the lock, and the checkpoint unless that
    /// lies elsewhere. It depends on the name alone, so that runs that reach one directory by
    /// two paths, or before and after it was moved, find the same lock and the same checkpoint.
    pub(crate) fn lock(&self) -> OsString {
        self.dotted(&self.near_hash)
    }

    /// `.<stem>.<hash8>.ossget` in a checkpoint directory, which serves destinations of the same
    /// name in many directories: it depends on the whole path.
    pub(crate) fn checkpoint_elsewhere(&self) -> OsString {
        self.dotted(&self.far_hash)
    }

    fn dotted(&self, hash: &str) -> OsString {
        let tail = format!(".{hash}.ossget");
        let stem = shortened(&self.name, NAME_MAX - 1 - tail.len());
        let mut name = OsString::from(".");
        name.push(stem);
        name.push(tail);
        name
    }

    /// `<stem>.<suffix>.part`, and `<stem>.<hash8>.<suffix>.part` where the stem had to be
    /// shortened, so that two long names with one beginning never share a partial file's name.
    pub(crate) fn partial(&self, suffix: &str) -> OsString {
        let tail = format!(".{suffix}{PARTIAL_END}");
        if self.name.len() + tail.len() <= NAME_MAX {
            let mut name = self.name.clone();
            name.push(tail);
            return name;
        }
        let tail = format!(".{}{tail}", self.near_hash);
        let mut name = shortened(&self.name, NAME_MAX.saturating_sub(tail.len()));
        name.push(tail);
        name
    }

    /// Whether `name` is exactly what [`Names::partial`] makes for some suffix.
    ///
    /// The name is read from a checkpoint, that is from a file anyone may have edited: nothing
    /// but this form may ever be opened or removed.
    pub(crate) fn is_partial(&self, name: &OsStr) -> bool {
        let bytes = name.as_encoded_bytes();
        let Some(rest) = bytes.strip_suffix(PARTIAL_END.as_bytes()) else { return false };
        let Some(start) = rest.len().checked_sub(SUFFIX_LEN) else { return false };
        let Ok(suffix) = std::str::from_utf8(&rest[start..]) else { return false };
        is_suffix(suffix) && self.partial(suffix) == name
    }
}

/// What a name in a directory says about the file, if it has one of our forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A checkpoint or lock file, with its destination's name if it is the one beside it, and
    /// with what it keeps of that name in any case.
    Checkpoint { destination: Option<OsString>, stem: OsString },
    /// A partial file, with its destination's name if that was not shortened.
    Partial { destination: Option<OsString>, suffix: String },
}

impl Form {
    /// The form of `name`, or `None` if it has none of ours.
    pub(crate) fn of(name: &OsStr) -> Option<Self> {
        let bytes = name.as_encoded_bytes();
        if let Some(rest) = bytes.strip_prefix(b".").and_then(|it| it.strip_suffix(b".ossget")) {
            let (stem, hash) = split_hash(rest)?;
            let beside = hash == folded_fnv1a(stem);
            let stem = bytes_to_name(stem);
            let destination = beside.then(|| stem.clone());
            return Some(Self::Checkpoint { destination, stem });
        }
        let rest = bytes.strip_suffix(PARTIAL_END.as_bytes())?;
        let (stem, suffix) = rest.split_at_checked(rest.len().checked_sub(SUFFIX_LEN)?)?;
        let stem = stem.strip_suffix(b".").filter(|stem| !stem.is_empty())?;
        let suffix = std::str::from_utf8(suffix).ok().filter(|suffix| is_suffix(suffix))?;
        // A shortened name ends in its hash, and is as long as it may be.
        let shortened = bytes.len() + 3 >= NAME_MAX && split_hash(stem).is_some();
        let destination = (!shortened).then(|| bytes_to_name(stem));
        Some(Self::Partial { destination, suffix: suffix.to_owned() })
    }
}

/// `stem.hash8`, taken apart.
fn split_hash(bytes: &[u8]) -> Option<(&[u8], u32)> {
    let (stem, hash) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
    let hash = std::str::from_utf8(hash).ok()?;
    let digits = hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let hash = u32::from_str_radix(hash, 16).ok().filter(|_| digits)?;
    Some((stem.strip_suffix(b".").filter(|stem| !stem.is_empty())?, hash))
}

fn is_suffix(suffix: &str) -> bool {
    suffix.len() == SUFFIX_LEN && suffix.bytes().all(|it| matches!(it, b'a'..=b'z' | b'2'..=b'7'))
}

/// `name` cut to at most `max` bytes, never inside a UTF-8 character.
fn shortened(name: &OsStr, max: usize) -> OsString {
    let bytes = name.as_encoded_bytes();
    if bytes.len() <= max {
        return name.to_owned();
    }
    let mut end = max;
    // At most three steps back: a name that is no UTF-8 at all must not be eaten up.
    while end > max.saturating_sub(3) && bytes[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    bytes_to_name(&bytes[..end])
}

#[cfg(unix)]
fn bytes_to_name(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(bytes).to_owned()
}

#[cfg(not(unix))]
fn bytes_to_name(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// FNV-1a, 64 bits, its halves combined by exclusive or.
///
/// Only tells destinations apart; nothing relies on it being hard to forge, since whoever can
/// place files into the directory needs no collision. Must never change: it would orphan every
/// checkpoint on disk.
fn folded_fnv1a(bytes: &[u8]) -> u32 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 32) as u32 ^ (hash & 0xffff_ffff) as u32
}

/// What the usual file systems allow for one component, in bytes.
const NAME_MAX: usize = 255;
const SUFFIX_LEN: usize = 16;
const PARTIAL_END: &str = ".part";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SUFFIX: &str = "abcdefghijkl2345";

    fn names(name: &str) -> Names {
        Names::new(OsStr::new(name), &Path::new("/data").join(name))
    }

    #[test]
    fn the_hash_is_pinned_since_checkpoints_on_disk_depend_on_it() {
        assert_eq!(folded_fnv1a(b""), 0xcbf2_9ce4 ^ 0x8422_2325);
        // FNV-1a 64 of "foobar" is 85944171f73967e8 in the reference test vectors.
        assert_eq!(folded_fnv1a(b"foobar"), 0x8594_4171 ^ 0xf739_67e8);
        assert_eq!(names("a.bin").checkpoint_elsewhere(), ".a.bin.0fb7b3ba.ossget");
        assert_eq!(names("foobar").lock(), ".foobar.72ad2699.ossget");
    }

    #[test]
    fn a_short_name_keeps_its_whole_stem() {
        assert_eq!(names("a.bin").partial(SUFFIX), "a.bin.abcdefghijkl2345.part");
    }

    #[test]
    fn destinations_with_one_shortened_stem_get_different_names() {
        let (one, two) = (names(&format!("{}1", "x".repeat(254))), names(&"x".repeat(255)));
        assert_ne!(one.lock(), two.lock());
        assert_ne!(one.partial(SUFFIX), two.partial(SUFFIX));
        assert!(!two.is_partial(&one.partial(SUFFIX)));
    }

    #[test]
    fn one_name_in_two_directories_has_one_lock_name_but_two_checkpoints_elsewhere() {
        let one = Names::new(OsStr::new("a"), Path::new("/x/a"));
        let two = Names::new(OsStr::new("a"), Path::new("/y/a"));
        assert_eq!(one.lock(), two.lock());
        assert_ne!(one.checkpoint_elsewhere(), two.checkpoint_elsewhere());
    }

    #[test]
    fn only_the_exact_form_is_a_partial_name() {
        let names = names("a.bin");
        for wrong in [
            "",
            ".part",
            "a.bin",
            "abcdefghijkl2345.part",
            "a.bin.abcdefghijkl234.part",
            "a.bin.abcdefghijkl23456.part",
            "a.bin.ABCDEFGHIJKL2345.part",
            "a.bin.abcdefghijkl2341.part",
            "a.bin.abcdefghijkl2345.PART",
            "b.bin.abcdefghijkl2345.part",
            "/a.bin.abcdefghijkl2345.part",
            "../a.bin.abcdefghijkl2345.part",
            "a.bin.abcdefghijkl2345.part/",
            "a.bin./bcdefghijkl2345.part",
        ] {
            assert!(!names.is_partial(OsStr::new(wrong)), "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_long_name_that_is_no_utf8_is_cut_but_not_eaten_up() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = OsStr::from_bytes(&[0x80; 255]);
        let names = Names::new(name, Path::new("/x"));
        assert_eq!(names.lock().len(), 255 - 3);
        assert!(names.is_partial(&names.partial(SUFFIX)));
    }

    #[test]
    fn a_name_in_a_directory_tells_whose_it_is() {
        let stem = OsString::from("a.bin");
        let destination = Some(stem.clone());
        let names = names("a.bin");
        assert_eq!(
            Form::of(&names.lock()),
            Some(Form::Checkpoint { destination: destination.clone(), stem: stem.clone() })
        );
        assert_eq!(
            Form::of(&names.checkpoint_elsewhere()),
            Some(Form::Checkpoint { destination: None, stem })
        );
        let suffix = SUFFIX.to_owned();
        assert_eq!(
            Form::of(&names.partial(SUFFIX)),
            Some(Form::Partial { destination, suffix: suffix.clone() })
        );
        let long = Names::new(OsStr::new(&"x".repeat(250)), Path::new("/x"));
        assert_eq!(
            Form::of(&long.partial(SUFFIX)),
            Some(Form::Partial { destination: None, suffix })
        );
        let stem = "x".repeat(255 - 17).into();
        assert_eq!(Form::of(&long.lock()), Some(Form::Checkpoint { destination: None, stem }));
    }

    #[test]
    fn what_has_no_form_of_ours_belongs_to_somebody_else() {
        for name in [
            "",
            "a.bin",
            ".part",
            ".ossget",
            "..ossget",
            "a.part",
            "a.ossget",
            ".a.ossget",
            ".0fb7b3ba.ossget",
            ".a.0FB7B3BA.ossget",
            ".a.+fb7b3ba.ossget",
            "a.0fb7b3ba.ossget",
            "abcdefghijkl2345.part",
            ".abcdefghijkl2345.part",
            "a.abcdefghijkl2345.PART",
            "a.abcdefghijkl234.part",
            "a.Abcdefghijkl2345.part",
        ] {
            assert_eq!(Form::of(OsStr::new(name)), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_fits_and_is_recognised(name in "[^/\0]{1,255}", suffix in "[a-z2-7]{16}") {
            let name = bytes_to_name(shortened(OsStr::new(&name), 255).as_encoded_bytes());
            let names = Names::new(&name, &Path::new("/d").join(&name));
            let (checkpoint, partial) = (names.lock(), names.partial(&suffix));
            prop_assert!(checkpoint.len() <= 255 && partial.len() <= 255);
            prop_assert!(checkpoint.to_str().is_some() && partial.to_str().is_some());
            prop_assert!(names.is_partial(&partial));
            let ours = |it: &Option<OsString>| it.as_ref().is_none_or(|it| *it == name);
            let told = match Form::of(&partial) {
                Some(Form::Partial { destination, suffix: it }) => it == suffix && ours(&destination),
                _ => false,
            };
            prop_assert!(told);
            let told = match Form::of(&checkpoint) {
                Some(Form::Checkpoint { destination, .. }) => ours(&destination),
                _ => false,
            };
            prop_assert!(told);
            prop_assert!(!names.is_partial(&checkpoint));
            prop_assert!(!names.is_partial(&name) || name.len() > 22);
        }
    }
}
