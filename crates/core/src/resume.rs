//! Whether what an earlier run left may be resumed: the rules that need no I/O.

use alloc::string::String;

use crate::{ByteRange, CheckpointError, Header, IdentityField, Locator, ObjectIdentity};

/// What is asked for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The object.
    pub locator: &'a Locator,
    /// The version asked for; `None` for the current one.
    pub version_id: Option<&'a str>,
    /// How much of the object.
    pub extent_request: ExtentRequest,
    /// SHA-256 of the canonical destination.
    pub destination_hash: &'a [u8; 32],
}

/// How much of an object is asked for, before its length is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtentRequest {
    /// All of it.
    #[default]
    Whole,
    /// The bytes of a range, clipped at the end of the object.
    Slice(ByteRange),
    /// The bytes from an offset to the end.
    From(u64),
    /// So many bytes before the end, or all if there are fewer.
    Last(u64),
}

impl ExtentRequest {
    /// The bytes it means in an object of `size` bytes; `None` if a slice, even of an empty
    /// object, has none: it is empty or starts beyond the end.
    #[must_use]
    pub fn resolve(self, size: u64) -> Option<ByteRange> {
        let whole = ByteRange::new(0, size)?;
        match self {
            Self::Whole => Some(whole),
            Self::Slice(range) => whole.intersect(range),
            Self::From(start) => whole.intersect(ByteRange::new(start, u64::MAX)?),
            Self::Last(n) => {
                ByteRange::new(size.saturating_sub(n), size).filter(|range| !range.is_empty())
            }
        }
    }
}

/// What becomes of a checkpoint that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Start over in its place.
    Fresh(FreshReason),
    /// Resume from it, if the probe then finds the same object.
    Resume,
    /// Leave it alone and stop: it may be another download's.
    Refuse(RefuseReason),
}

/// Why a download starts over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FreshReason {
    /// Nothing was recorded yet.
    Empty,
    /// What was recorded cannot be read.
    Damaged(CheckpointError),
}

/// Why a checkpoint is neither used nor replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefuseReason {
    /// It is of a format that this version does not know.
    UnknownVersion {
        /// The major version of its format.
        major: u16,
        /// The program that wrote it, if that can be read.
        creator: Option<String>,
    },
    /// It is of another object.
    OtherObject,
    /// It is of another version of the object than the one asked for.
    OtherVersion,
    /// It is of another range of the object.
    OtherRange,
    /// It is of another destination.
    OtherDestination,
}

/// Decides, before the object is probed, what a found checkpoint means.
///
/// Whatever may be the state of somebody else's download is refused, never replaced; what nobody
/// can use any more is started over. A range is compared as what it means in the object that the
/// checkpoint knows; whether the object is still that one, the probe tells ([`same_object`]).
///
/// A version that the checkpoint knows but nobody asks for now does not refuse: a bucket with
/// versioning on reports one for every object, so it need not have been asked for then either.
/// Should the current version be another one, the probe tells.
#[must_use]
pub fn admit(found: &Result<Header, CheckpointError>, wanted: &Wanted<'_>) -> Admission {
    match found {
        Ok(header) => match refusal(header, wanted) {
            Some(reason) => Admission::Refuse(reason),
            None => Admission::Resume,
        },
        Err(CheckpointError::Empty) => Admission::Fresh(FreshReason::Empty),
        Err(CheckpointError::UnknownVersion { major, creator }) => {
            let (major, creator) = (*major, creator.clone());
            Admission::Refuse(RefuseReason::UnknownVersion { major, creator })
        }
        Err(error) => Admission::Fresh(FreshReason::Damaged(error.clone())),
    }
}

/// What shows that the probed object is not the one that a checkpoint was made of; `None` if
/// nothing does, and its parts may be kept.
#[must_use]
pub fn same_object(
    header_identity: &ObjectIdentity,
    probed: &ObjectIdentity,
) -> Option<IdentityField> {
    header_identity.difference(probed)
}

fn refusal(header: &Header, wanted: &Wanted<'_>) -> Option<RefuseReason> {
    if header.locator != *wanted.locator {
        return Some(RefuseReason::OtherObject);
    }
    if wanted.version_id.is_some() && wanted.version_id != header.identity.version_id.as_deref() {
        return Some(RefuseReason::OtherVersion);
    }
    if wanted.extent_request.resolve(header.identity.size) != Some(header.plan.extent()) {
        return Some(RefuseReason::OtherRange);
    }
    if *wanted.destination_hash != header.destination_hash {
        return Some(RefuseReason::OtherDestination);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PartPlan, PartSize, SessionId, SourceKind};

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).unwrap()
    }

    fn header() -> Header {
        Header {
            session: SessionId::new([1; 16]),
            identity: ObjectIdentity::new(1000).etag("\"A\"").version_id("v1"),
            plan: PartPlan::new(range(0, 1000), PartSize::DEFAULT),
            locator: locator(),
            partial_name: "file.aaaaaaaaaaaaaaaa.part".into(),
            destination_hash: [2; 32],
            creator: "ossget 0.1.0".into(),
        }
    }

    fn locator() -> Locator {
        Locator { kind: SourceKind::Oss, container: "bucket".into(), key: "key".into() }
    }

    fn admission(header: Header, change: impl FnOnce(&mut Wanted<'_>)) -> Admission {
        let locator = locator();
        let mut wanted = Wanted {
            locator: &locator,
            version_id: None,
            extent_request: ExtentRequest::Whole,
            destination_hash: &[2; 32],
        };
        change(&mut wanted);
        admit(&Ok(header), &wanted)
    }

    fn failed(error: CheckpointError) -> Admission {
        let locator = locator();
        let wanted = Wanted {
            locator: &locator,
            version_id: None,
            extent_request: ExtentRequest::Whole,
            destination_hash: &[2; 32],
        };
        admit(&Err(error), &wanted)
    }

    #[test]
    fn the_same_download_is_resumed() {
        assert_eq!(admission(header(), |_| {}), Admission::Resume);
        assert_eq!(admission(header(), |wanted| wanted.version_id = Some("v1")), Admission::Resume);
    }

    #[test]
    fn another_object_is_refused() {
        for (kind, container, key) in [
            (SourceKind::Http, "bucket", "key"),
            (SourceKind::Oss, "other", "key"),
            (SourceKind::Oss, "bucket", "other"),
            (SourceKind::Oss, "buc", "ketkey"),
        ] {
            let mut other = header();
            other.locator = Locator { kind, container: container.into(), key: key.into() };
            let refused = Admission::Refuse(RefuseReason::OtherObject);
            assert_eq!(admission(other, |_| {}), refused, "{container} {key}");
        }
    }

    #[test]
    fn another_version_is_refused() {
        let refused = Admission::Refuse(RefuseReason::OtherVersion);
        assert_eq!(admission(header(), |wanted| wanted.version_id = Some("v2")), refused);
        let mut unversioned = header();
        unversioned.identity.version_id = None;
        assert_eq!(admission(unversioned, |wanted| wanted.version_id = Some("v1")), refused);
    }

    #[test]
    fn another_range_is_refused_however_it_is_written() {
        let refused = Admission::Refuse(RefuseReason::OtherRange);
        let mut slice = header();
        slice.plan = PartPlan::new(range(400, 1000), PartSize::DEFAULT);
        assert_eq!(admission(slice.clone(), |_| {}), refused);
        for request in [
            ExtentRequest::From(400),
            ExtentRequest::Last(600),
            ExtentRequest::Slice(range(400, 5000)),
        ] {
            let same = admission(slice.clone(), |wanted| wanted.extent_request = request);
            assert_eq!(same, Admission::Resume, "{request:?}");
        }
        for request in [
            ExtentRequest::From(401),
            ExtentRequest::Last(599),
            ExtentRequest::Slice(range(400, 999)),
            ExtentRequest::From(1000),
        ] {
            let other = admission(slice.clone(), |wanted| wanted.extent_request = request);
            assert_eq!(other, refused, "{request:?}");
        }
    }

    #[test]
    fn another_destination_is_refused() {
        let refused = Admission::Refuse(RefuseReason::OtherDestination);
        assert_eq!(admission(header(), |wanted| wanted.destination_hash = &[3; 32]), refused);
    }

    #[test]
    fn an_unknown_version_is_refused_with_its_creator() {
        let creator = Some("ossget 9.0.0".into());
        let error = CheckpointError::UnknownVersion { major: 9, creator: creator.clone() };
        let reason = RefuseReason::UnknownVersion { major: 9, creator };
        assert_eq!(failed(error), Admission::Refuse(reason));
    }

    #[test]
    fn what_cannot_be_read_starts_over() {
        assert_eq!(failed(CheckpointError::Empty), Admission::Fresh(FreshReason::Empty));
        for error in [
            CheckpointError::Truncated,
            CheckpointError::BadMagic,
            CheckpointError::Corrupt,
            CheckpointError::Inconsistent,
        ] {
            let fresh = Admission::Fresh(FreshReason::Damaged(error.clone()));
            assert_eq!(failed(error), fresh);
        }
    }

    #[test]
    fn requests_are_clipped_at_the_end_of_the_object() {
        assert_eq!(ExtentRequest::Whole.resolve(0), Some(range(0, 0)));
        assert_eq!(ExtentRequest::Whole.resolve(u64::MAX), Some(range(0, u64::MAX)));
        assert_eq!(ExtentRequest::Last(5).resolve(3), Some(range(0, 3)));
        assert_eq!(ExtentRequest::Slice(range(2, 9)).resolve(5), Some(range(2, 5)));
        for nothing in [
            ExtentRequest::Last(0),
            ExtentRequest::From(5),
            ExtentRequest::Slice(range(5, 9)),
            ExtentRequest::Slice(range(2, 2)),
        ] {
            assert_eq!(nothing.resolve(5), None, "{nothing:?}");
        }
        assert_eq!(ExtentRequest::Last(5).resolve(0), None);
    }

    #[test]
    fn a_probe_that_differs_is_another_object() {
        let probed = ObjectIdentity::new(1000).etag("\"B\"").version_id("v1");
        assert_eq!(same_object(&header().identity, &probed), Some(IdentityField::ETag));
        assert_eq!(same_object(&header().identity, &header().identity), None);
    }
}
