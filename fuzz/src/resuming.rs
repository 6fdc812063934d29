//! Damage between two runs, against the object itself.

use crate::canned::block_on;
use crate::input::Input;
use async_trait::async_trait;
use bytes::Bytes;
use ossget::{
    Client, Durability, ErrorKind, Integrity, Object, ObjectIdentity, Parallel, PartSize,
    RangeBody, Source, SourceError,
};
use ossget_core::{
    ByteRange, Failure, HEADER_LEN, Header, PartIndex, SLOT_LEN, SLOTS_OFFSET, SlotCodec, crc64,
    siphash24,
};
use ossget_fs::NativeFileSystem;
use ossget_transport::{Body, BodyStream, TransportError};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Whatever becomes of checkpoint and partial file, the next run ends with the object, or refuses
/// and leaves the destination alone; where only chance did the damage, it ends with the object.
///
/// Input: up to `MOST_CHANGES` changes, see `Remains::change`.
pub fn checkpoint_resume(bytes: &[u8]) {
    thread_local! {
        static RIG: Rig = Rig::new();
    }
    RIG.with(|rig| {
        let mut remains = rig.template.clone();
        let mut input = Input::new(bytes);
        let mut forged = Forged::No;
        for _ in 0..MOST_CHANGES {
            if input.is_empty() {
                break;
            }
            if remains.change(&mut input) == Forged::Yes {
                forged = Forged::Yes;
            }
        }
        rig.resume(&remains, forged);
    });
}

/// Whether a change needed to know the format: chance does not make valid tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forged {
    No,
    Yes,
}

/// What a stopped run has left.
#[derive(Clone, Debug, Default)]
struct Remains {
    checkpoint: Vec<u8>,
    partial: Vec<u8>,
}

impl Remains {
    /// One change: a kind, and what it takes.
    fn change(&mut self, input: &mut Input<'_>) -> Forged {
        let kind = input.byte();
        let file = if kind & 0x80 == 0 { &mut self.checkpoint } else { &mut self.partial };
        let len = file.len().max(1);
        let at = usize::try_from(input.u32()).expect("at least 32 bits") % len;
        match kind % 8 {
            0 | 1 => {
                if let Some(byte) = file.get_mut(at) {
                    *byte ^= 1 << (input.byte() % 8);
                }
            }
            2 => {
                for (byte, new) in file.iter_mut().skip(at).zip(input.bytes(16)) {
                    *byte = *new;
                }
            }
            3 => file.truncate(at),
            4 => file.resize(len + at % HEADER_LEN, input.byte()),
            5 => {
                let page = at / HEADER_LEN * HEADER_LEN;
                for byte in file.iter_mut().skip(page).take(HEADER_LEN) {
                    *byte = 0;
                }
            }
            6 => {
                self.seal(if input.byte().is_multiple_of(2) { 0 } else { HEADER_LEN });
                return Forged::Yes;
            }
            _ => {
                self.forge_slot(input);
                return Forged::Yes;
            }
        }
        Forged::No
    }

    /// Gives a page the tag that it must have.
    fn seal(&mut self, page: usize) {
        let session = if page == 0 { 64 } else { 0 };
        let Some(page) = self.checkpoint.get_mut(page..page + HEADER_LEN) else { return };
        let key: [u8; 16] = page[session..session + 16].try_into().expect("16 bytes");
        let tag = siphash24(&key, &page[..HEADER_LEN - 8]);
        page[HEADER_LEN - 8..].copy_from_slice(&tag.to_le_bytes());
    }

    /// Records a part as what the file holds there now, right or wrong.
    fn forge_slot(&mut self, input: &mut Input<'_>) {
        let Ok(header) = Header::decode(&self.checkpoint) else { return };
        let part = PartIndex::new(u32::from(input.byte()) % header.plan.count().max(1));
        let Some(range) = header.plan.range(part) else { return };
        let bounds = usize::try_from(range.start()).ok().zip(usize::try_from(range.end()).ok());
        let bytes = bounds.and_then(|(start, end)| self.partial.get(start..end));
        let crc = bytes.map_or_else(|| u64::from(input.byte()), crc64);
        let slot = SlotCodec::new(header.session, &header.plan).encode(part, crc);
        let offset = usize::try_from(SLOTS_OFFSET).expect("a small number");
        let at = offset + SLOT_LEN * usize::try_from(part.get()).expect("at least 32 bits");
        if let Some(place) = self.checkpoint.get_mut(at..at + SLOT_LEN) {
            place.copy_from_slice(&slot);
        }
    }
}

/// A folder, an object, and what a stopped run left of it.
struct Rig {
    dir: TempDir,
    client: Client,
    content: Bytes,
    template: Remains,
    checkpoint_path: PathBuf,
    partial_path: PathBuf,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let content = content();
        let stopping = client(Memory { content: content.clone(), refused_from: 2 * PART });
        let error = download(&stopping, dir.path()).expect_err("it is refused half-way");
        assert_eq!(error.kind(), ErrorKind::Denied);
        let (mut checkpoint_path, mut partial_path) = (None, None);
        for entry in fs::read_dir(dir.path()).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            let is_partial = path.extension().is_some_and(|extension| extension == "part");
            *(if is_partial { &mut partial_path } else { &mut checkpoint_path }) = Some(path);
        }
        let checkpoint_path = checkpoint_path.expect("a checkpoint is left");
        let partial_path = partial_path.expect("a partial file is left");
        let template = Remains {
            checkpoint: fs::read(&checkpoint_path).expect("our own file"),
            partial: fs::read(&partial_path).expect("our own file"),
        };
        let summary = ossget::checkpoint::show(&dir.path().join("f"), None);
        let summary = summary.expect("it is valid").expect("it is there");
        assert_eq!(summary.parts_recorded, 2);
        let client = client(Memory { content: content.clone(), refused_from: u64::MAX });
        Self { dir, client, content, template, checkpoint_path, partial_path }
    }

    fn resume(&self, remains: &Remains, forged: Forged) {
        for entry in fs::read_dir(self.dir.path()).expect("a readable folder") {
            fs::remove_file(entry.expect("a readable folder").path()).expect("our own file");
        }
        for (path, bytes) in
            [(&self.checkpoint_path, &remains.checkpoint), (&self.partial_path, &remains.partial)]
        {
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(path);
            file.and_then(|mut file| file.write_all(bytes)).expect("a writable folder");
        }
        match download(&self.client, self.dir.path()) {
            Ok(()) => self.assert_holds_object(),
            Err(error) => {
                assert!(!self.dir.path().join("f").exists(), "{error:?}");
                match (error.kind(), forged) {
                    // Of another object, for instance.
                    (ErrorKind::Refused, Forged::Yes) => {}
                    // The version stands before the tag: what an unknown one means nobody knows.
                    (ErrorKind::Refused, Forged::No) if self.has_other_version(remains) => {}
                    (ErrorKind::Integrity, Forged::Yes) => {
                        // What was wrong is gone: nothing is poisoned.
                        download(&self.client, self.dir.path()).expect("it starts over");
                        self.assert_holds_object();
                    }
                    _ => panic!("{forged:?}: {error:?}"),
                }
            }
        }
    }

    /// Whether a checkpoint says that it is of another major version.
    fn has_other_version(&self, remains: &Remains) -> bool {
        let of = |remains: &Remains| remains.checkpoint.get(MAJOR).map(<[u8]>::to_vec);
        of(remains).is_some_and(|version| Some(version) != of(&self.template))
    }

    fn assert_holds_object(&self) {
        let found = fs::read(self.dir.path().join("f")).expect("the destination is there");
        assert!(found == self.content, "wrong bytes");
    }
}

fn client(source: Memory) -> Client {
    Client::with_source(Arc::new(source), Arc::new(NativeFileSystem::new()))
}

fn download(client: &Client, dir: &Path) -> Result<(), ossget::Error> {
    let object = Object::new("bucket", "key").expect("an object");
    let download = client
        .download(object, dir.join("f"))
        .part_size(PartSize::MIN)
        .parallel(Parallel::Fixed(NonZeroU32::MIN))
        // What survives a power cut is not the question here.
        .durability(Durability::Process);
    let done = block_on(download.into_future())?;
    assert_eq!(done.integrity, Integrity::Verified);
    Ok(())
}

/// Bytes that do not repeat within an object.
fn content() -> Bytes {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(SIZE).collect()
}

/// A source that grants what it has not to refuse.
#[derive(Debug)]
struct Memory {
    content: Bytes,
    refused_from: u64,
}

#[async_trait]
impl Source for Memory {
    async fn probe(&self, _: &Object) -> Result<ObjectIdentity, SourceError> {
        Ok(ObjectIdentity::new(self.content.len() as u64).etag("\"1\"").crc64(crc64(&self.content)))
    }

    async fn get_range(
        &self,
        _: &Object,
        range: ByteRange,
        _: &ObjectIdentity,
    ) -> Result<RangeBody, SourceError> {
        if range.start() >= self.refused_from {
            return Err(SourceError::new(Failure::Denied, "no more"));
        }
        let end = range.end().min(self.refused_from);
        let granted = ByteRange::new(range.start(), end).expect("the end is behind the start");
        let index = |offset| usize::try_from(offset).expect("within the object");
        let bytes = self.content.slice(index(range.start())..index(end));
        Ok(RangeBody { granted, body: Body::new(Piece(Some(bytes))), held_back: false })
    }
}

struct Piece(Option<Bytes>);

#[async_trait]
impl BodyStream for Piece {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        Ok(self.0.take())
    }
}

const PART: u64 = PartSize::MIN.bytes();
const SIZE: usize = 3 * 100 * 1024 + 1234;
const MOST_CHANGES: usize = 16;
/// Where a checkpoint says of which major version it is.
const MAJOR: std::ops::Range<usize> = 8..10;
