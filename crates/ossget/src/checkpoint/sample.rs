//! A checkpoint as a download makes it, for tests.

use ossget_core::{
    ByteRange, Header, Locator, ObjectIdentity, PartPlan, PartSize, SessionId, SourceKind, file_len,
};
use ossget_fs::{DestinationLock, FileSystem as _, NativeFileSystem, Place, Syncing};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;

/// The header of a download to the destination `a`, of so many bytes in the smallest parts.
pub(super) fn header(size: u64, partial_name: &str) -> Header {
    Header {
        session: SessionId::new([7; 16]),
        identity: ObjectIdentity::new(size),
        plan: PartPlan::new(ByteRange::new(0, size).unwrap(), PartSize::MIN),
        locator: Locator {
            kind: SourceKind::Oss,
            container: "examplebucket".into(),
            key: "a".into(),
        },
        partial_name: partial_name.into(),
        destination_hash: Sha256::digest("a").into(),
        creator: "ossget".into(),
    }
}

/// The whole checkpoint, with nothing recorded.
pub(super) fn file(header: &Header) -> Vec<u8> {
    let mut bytes = header.encode().unwrap();
    bytes.resize(file_len(header.plan.count()).try_into().unwrap(), 0);
    bytes
}

/// Where the destination `a` lies.
pub(super) fn place(dir: &Path) -> Place {
    Place::new(dir.join("a"))
}

/// Locks a destination and gives it this checkpoint.
pub(super) fn locked(place: &Place, bytes: &[u8]) -> Arc<dyn DestinationLock> {
    let lock = NativeFileSystem::new().lock(place, Syncing::Skip).unwrap();
    lock.checkpoint().reset(bytes.len() as u64).unwrap();
    lock.checkpoint().write_all_at(bytes, 0).unwrap();
    lock
}
