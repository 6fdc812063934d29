//! Checkpoint files, damaged or made up.

use crate::allocation::most_allocated;
use crate::canned::block_on;
use crate::input::Input;
use async_trait::async_trait;
use ossget::{
    Client, Durability, ErrorKind, Object, ObjectIdentity, RangeBody, Source, SourceError,
};
use ossget_core::{
    Bind, ByteRange, Failure, HEADER_LEN, Header, Locator, PartIndex, PartPlan, PartSet, PartSize,
    SLOT_LEN, SessionId, Slot, SlotCodec, SourceKind, file_len, siphash24,
};
use ossget_fs::{FileSystem, NativeFileSystem, Place, Syncing};
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// The header page and the bind page, as they are and with a valid tag.
pub fn checkpoint_header(bytes: &[u8]) {
    for page in [bytes.to_vec(), sealed(bytes, PREFIX, SESSION)] {
        if let Ok(header) = Header::decode(&page) {
            let again = header.encode().expect("what was decoded fits a page");
            assert_eq!(Header::decode(&again), Ok(header));
        }
    }
    for page in [bytes.to_vec(), sealed(bytes, &[], 0)] {
        if let Ok(bind) = Bind::decode(&page) {
            let again = bind.encode().expect("what was decoded fits a page");
            assert_eq!(Bind::decode(&again), Ok(bind));
        }
    }
}

/// The slots: one counts only if it is, byte for byte, the one we would write.
pub fn checkpoint_slots(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let session = SessionId::new(input.array());
    let extent = ByteRange::new(0, u64::from(input.u32())).expect("0 is not beyond the end");
    let plan = PartPlan::new(extent, PartSize::MIN);
    let codec = SlotCodec::new(session, &plan);
    let (first, crc) = (input.u32(), u64::from(input.u32()) << 16);
    only_own_slots_count(&codec, &plan, first, input.rest());
    // Parts beyond the plan are met often enough, but not nearly always.
    a_damaged_slot_does_not_count(&codec, &plan, PartIndex::new(first % (plan.count() + 2)), crc);
}

/// A file in place of the checkpoint, through both ways of the library to read one: no panic, and
/// little memory, however long the file and whatever it says.
///
/// Input: a byte of flags (1: the rest is given magic and tag; 2: the length follows the plan;
/// 4: the length is given; 8: a download resumes from it, else it is only looked at), eight bytes
/// of length, the file's beginning.
pub fn checkpoint_load(bytes: &[u8]) {
    thread_local! {
        static PLACE: CheckpointPlace = CheckpointPlace::new();
    }
    let mut input = Input::new(bytes);
    let (flags, len) = (input.byte(), input.u64());
    let mut content = input.rest().to_vec();
    if flags & 1 != 0 && content.len() >= HEADER_LEN {
        let page = sealed(&content[..HEADER_LEN], PREFIX, SESSION);
        content[..HEADER_LEN].copy_from_slice(&page);
    }
    let planned = Header::decode(&content).map(|header| file_len(header.plan.count()));
    let len = match planned {
        Ok(planned) if flags & 2 != 0 => Some(planned),
        _ if flags & 4 != 0 => Some(len % (MOST_LENGTH + 1)),
        _ => None,
    };
    PLACE.with(|place| {
        place.plant(&content, len);
        if flags & 8 == 0 { place.look() } else { place.resume() }
    });
}

/// A folder with a checkpoint in it.
struct CheckpointPlace {
    // Held for its drop.
    _dir: TempDir,
    destination: PathBuf,
    checkpoint: PathBuf,
    client: Client,
}

impl CheckpointPlace {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let destination = dir.path().join("f");
        let lock = NativeFileSystem::new().lock(&Place::new(&destination), Syncing::Skip);
        let mut entries = fs::read_dir(dir.path()).expect("a readable folder");
        let checkpoint = entries.next().expect("the lock has a file").expect("a name").path();
        drop(lock);
        let files = Arc::new(NativeFileSystem::new());
        let client = Client::with_source(Arc::new(Gone), files);
        Self { _dir: dir, destination, checkpoint, client }
    }

    fn look(&self) {
        let most = most_allocated(|| {
            drop(ossget::checkpoint::show(&self.destination, None));
        });
        assert!(most <= MOST_BITMAP + MOST_BESIDE, "looking at it took {most} bytes");
    }

    fn resume(&self) {
        let object = Object::new("bucket", "key").expect("an object");
        let download =
            self.client.download(object, &self.destination).durability(Durability::Process);
        let mut ended = None;
        let most = most_allocated(|| ended = Some(block_on(download.into_future())));
        // The session has a bitmap of its own beside what was loaded.
        assert!(most <= 2 * MOST_BITMAP + MOST_BESIDE, "resuming from it took {most} bytes");
        let error = ended.expect("it has run").expect_err("there is no object");
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::NotFound | ErrorKind::Refused), "{error:?}");
        assert!(!self.destination.exists());
    }

    fn plant(&self, content: &[u8], len: Option<u64>) {
        drop(fs::remove_file(&self.checkpoint));
        fs::write(&self.checkpoint, content).expect("a writable folder");
        let permissions = Permissions::from_mode(0o600);
        fs::set_permissions(&self.checkpoint, permissions).expect("our own file");
        if let Some(len) = len {
            let file: File =
                OpenOptions::new().write(true).open(&self.checkpoint).expect("our own file");
            file.set_len(len).expect("a sparse file");
        }
    }
}

/// A source without any object: what is loaded before is all that happens.
#[derive(Debug)]
struct Gone;

#[async_trait]
impl Source for Gone {
    async fn probe(&self, _: &Object) -> Result<ObjectIdentity, SourceError> {
        Err(SourceError::new(Failure::NotFound, "it is gone"))
    }

    async fn get_range(
        &self,
        _: &Object,
        _: ByteRange,
        _: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        Err(SourceError::new(Failure::NotFound, "it is gone"))
    }
}

/// Inputs of [`checkpoint_load`] that matter most, made by the codec of today.
#[must_use]
pub fn load_seeds() -> Vec<(String, Vec<u8>)> {
    let page = |parts: u64| {
        let extent = ByteRange::new(0, parts * PartSize::MIN.bytes()).expect("a range");
        let header = Header {
            session: SessionId::new([7; 16]),
            identity: ObjectIdentity::new(extent.len()).etag("\"5B3C1A2E053D763E1B002CC607C5A0FE\""),
            plan: PartPlan::new(extent, PartSize::MIN),
            locator: Locator {
                kind: SourceKind::Oss,
                container: "bucket".into(),
                key: "key".into(),
            },
            partial_name: "f.abcdefghijklmnop.part".into(),
            // SHA-256 of `f`.
            destination_hash: *b"\x25\x2f\x10\xc8\x36\x10\xeb\xca\x1a\x05\x9c\x0b\xae\x82\x55\xeb\xa2\xf9\x5b\xe4\xd1\xd7\xbc\xfa\x89\xd7\x24\x8a\x82\xd9\xf1\x11",
            creator: "ossget 0.1.0".into(),
        };
        header.encode().expect("it fits")
    };
    let seed = |flags: u8, len: u64, page: &[u8]| [&[flags][..], &len.to_le_bytes(), page].concat();
    let looked_at = vec![
        ("empty", seed(0, 0, &[])),
        ("valid", seed(2, 0, &page(3))),
        ("most_parts", seed(2, 0, &page(1 << 24))),
        ("ten_gigabytes", seed(4, MOST_LENGTH, &page(3))),
        ("ten_gigabytes_of_nothing", seed(4, MOST_LENGTH, &[])),
        ("short", seed(4, 8191, &page(3))),
    ];
    let mut seeds = Vec::new();
    for (name, bytes) in looked_at {
        let resumed = [&[bytes[0] | 8], &bytes[1..]].concat();
        seeds.push((name.to_owned(), bytes));
        seeds.push((format!("{name}_resumed"), resumed));
    }
    seeds
}

/// A page of these bytes with the beginning and the tag that make the decoder read on.
fn sealed(bytes: &[u8], prefix: &[u8], session: usize) -> Vec<u8> {
    let mut page = bytes.to_vec();
    page.resize(HEADER_LEN, 0);
    page[..prefix.len()].copy_from_slice(prefix);
    let key: [u8; 16] = page[session..session + 16].try_into().expect("16 bytes");
    let tag = siphash24(&key, &page[..HEADER_LEN - 8]);
    page[HEADER_LEN - 8..].copy_from_slice(&tag.to_le_bytes());
    page
}

fn only_own_slots_count(codec: &SlotCodec, plan: &PartPlan, first: u32, bytes: &[u8]) {
    let (slots, _) = bytes.as_chunks::<SLOT_LEN>();
    for (index, slot) in (u64::from(first)..).zip(slots) {
        let Ok(index) = u32::try_from(index) else { break };
        if let Slot::Recorded { crc } = codec.decode(PartIndex::new(index), slot) {
            assert!(index < plan.count());
            assert_eq!(codec.encode(PartIndex::new(index), crc), *slot);
        }
    }
    let mut recorded = PartSet::new(plan.count());
    let summary = codec.load(PartIndex::new(first), bytes, &mut recorded);
    assert_eq!(summary.recorded, recorded.len());
}

fn a_damaged_slot_does_not_count(codec: &SlotCodec, plan: &PartPlan, part: PartIndex, crc: u64) {
    let slot = codec.encode(part, crc);
    if part.get() >= plan.count() {
        assert_eq!(codec.decode(part, &slot), Slot::Empty);
        return;
    }
    assert_eq!(codec.decode(part, &slot), Slot::Recorded { crc });
    for bit in 0..SLOT_LEN * 8 {
        let mut damaged = slot;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(codec.decode(part, &damaged), Slot::Recorded { .. }));
    }
    let elsewhere = PartIndex::new(part.get() + 1);
    assert!(!matches!(codec.decode(elsewhere, &slot), Slot::Recorded { .. }));
}

/// Magic, major and minor version.
const PREFIX: &[u8] = b"OSSGETC1\x01\x00\x00\x00";
const SESSION: usize = 64;
/// The longest file that is planted.
const MOST_LENGTH: u64 = 10 << 30;
/// The bitmap of 2^24 parts, the most there can be.
const MOST_BITMAP: usize = 2 << 20;
/// What is read at once, and the run around it.
const MOST_BESIDE: usize = 256 << 10;
