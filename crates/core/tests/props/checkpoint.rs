//! Checkpoint pages: what is written is read back, what is damaged is noticed, nothing panics.

use ossget_core::{
    Bind, ByteRange, CheckpointError, CheckpointField, HEADER_LEN, Header, Locator, ObjectIdentity,
    PartIndex, PartPlan, PartSet, PartSize, SessionId, Slot, SlotCodec, SourceKind, siphash24,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn identities() -> impl Strategy<Value = ObjectIdentity> {
    let text = |most| {
        option::of(prop::string::string_regex(&format!(".{{0,{most}}}")).expect("a valid pattern"))
    };
    (any::<u64>(), text(64), text(32), text(32), option::of(any::<u64>()), text(12)).prop_map(
        |(size, etag, last_modified, version_id, crc64, object_type)| {
            let mut identity = ObjectIdentity::new(size);
            identity.etag = etag;
            identity.last_modified = last_modified;
            identity.version_id = version_id;
            identity.crc64 = crc64;
            identity.object_type = object_type;
            identity
        },
    )
}

fn locators() -> impl Strategy<Value = Locator> {
    let kinds =
        prop_oneof![Just(SourceKind::Oss), Just(SourceKind::Http), Just(SourceKind::ObjectStore)];
    (kinds, ".{0,63}", ".{0,255}").prop_map(|(kind, container, key)| Locator {
        kind,
        container,
        key,
    })
}

prop_compose! {
    fn headers()(
        session in any::<[u8; 16]>(),
        identity in identities(),
        ends in any::<(u64, u64)>(),
        part_size in 102_400..=(5_u64 << 30),
        locator in locators(),
        partial_name in ".{0,63}",
        destination_hash in any::<[u8; 32]>(),
        creator in ".{0,12}",
    ) -> Header {
        let within = |at: u64| identity.size.checked_add(1).map_or(at, |sizes| at % sizes);
        let (one, other) = (within(ends.0), within(ends.1));
        let extent = ByteRange::new(one.min(other), one.max(other)).expect("in order");
        Header {
            session: SessionId::new(session),
            plan: PartPlan::new(extent, PartSize::new(part_size).expect("within its bounds")),
            identity,
            locator,
            partial_name,
            destination_hash,
            creator,
        }
    }
}

/// A header with a key of the longest that OSS allows, and everything else long too.
fn largest() -> Header {
    Header {
        session: SessionId::new([9; 16]),
        identity: ObjectIdentity::new(u64::MAX)
            .etag("e".repeat(256))
            .last_modified("Sun, 06 Nov 1994 08:49:37 GMT")
            .version_id("v".repeat(64))
            .crc64(u64::MAX)
            .object_type("Appendable"),
        plan: PartPlan::new(ByteRange::new(0, u64::MAX).expect("in order"), PartSize::MIN),
        locator: Locator {
            kind: SourceKind::Oss,
            container: "b".repeat(63),
            key: "\u{754c}".repeat(341),
        },
        partial_name: "p".repeat(255),
        destination_hash: [0xff; 32],
        creator: "c".repeat(50),
    }
}

/// Puts a fitting tag on a page, so that its content is read however odd it is.
fn retag(page: &mut [u8], session_at: usize) {
    let key = <[u8; 16]>::try_from(&page[session_at..session_at + 16]).expect("16 bytes");
    let tag = siphash24(&key, &page[..HEADER_LEN - 8]);
    page[HEADER_LEN - 8..HEADER_LEN].copy_from_slice(&tag.to_le_bytes());
}

proptest! {
    #[test]
    fn a_header_is_read_back(header in headers()) {
        let page = header.encode().unwrap();
        prop_assert_eq!(page.len(), HEADER_LEN);
        prop_assert_eq!(Header::decode(&page), Ok(header));
    }

    #[test]
    fn a_bind_page_is_read_back(
        session in any::<[u8; 16]>(),
        numbers in any::<(u64, i64, u64, u64)>(),
        partial_name in ".{0,63}",
    ) {
        let (inode, birth, size, device) = numbers;
        let session = SessionId::new(session);
        let bind = Bind { session, inode, birth, size, device, partial_name };
        prop_assert_eq!(Bind::decode(&bind.encode().unwrap()), Ok(bind));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..5000)) {
        prop_assert!(Header::decode(&bytes).is_err());
        prop_assert!(Bind::decode(&bytes).is_err());
    }

    #[test]
    fn any_bytes_with_our_magic_and_tag_are_read_without_panic(
        bytes in vec(any::<u8>(), HEADER_LEN),
    ) {
        let mut page = bytes;
        retag(&mut page, 0);
        let _ = Bind::decode(&page);
        page[..12].copy_from_slice(b"OSSGETC1\x01\0\0\0");
        retag(&mut page, 64);
        if let Ok(header) = Header::decode(&page) {
            prop_assert!(header.encode().is_ok());
        }
    }

    #[test]
    fn an_altered_header_with_a_fitting_tag_is_consistent_or_refused(
        header in headers(),
        changes in vec((12_usize..400, any::<u8>()), 1..4),
    ) {
        let mut page = header.encode().unwrap();
        for (at, byte) in changes {
            page[at] = byte;
        }
        retag(&mut page, 64);
        match Header::decode(&page) {
            Ok(read) => {
                prop_assert!(read.plan.extent().end() <= read.identity.size);
                prop_assert_eq!(Header::decode(&read.encode().unwrap()), Ok(read));
            }
            Err(error) => prop_assert_eq!(error, CheckpointError::Inconsistent),
        }
    }

    #[test]
    fn random_slots_are_not_recorded(
        session in any::<[u8; 16]>(),
        bytes in vec(any::<u8>(), 0..700),
        first in any::<u32>(),
    ) {
        let plan = PartPlan::new(ByteRange::new(0, 3_000_000).unwrap(), PartSize::MIN);
        let mut set = PartSet::new(plan.count());
        let codec = SlotCodec::new(SessionId::new(session), &plan);
        let summary = codec.load(PartIndex::new(first), &bytes, &mut set);
        prop_assert_eq!(summary.recorded, 0);
        prop_assert!(set.is_empty());
    }

    #[test]
    fn stale_slots_of_another_session_are_not_recorded(
        sessions in any::<[[u8; 16]; 2]>(),
        crcs in vec(any::<u64>(), 30),
    ) {
        prop_assume!(sessions[0] != sessions[1]);
        let plan = PartPlan::new(ByteRange::new(0, 3_000_000).unwrap(), PartSize::MIN);
        let [old, new] = sessions.map(|id| SlotCodec::new(SessionId::new(id), &plan));
        let parts = || (0..).map(PartIndex::new);
        let bytes: Vec<u8> =
            parts().zip(&crcs).flat_map(|(part, &crc)| old.encode(part, crc)).collect();
        for ((part, &crc), slot) in parts().zip(&crcs).zip(bytes.as_chunks::<16>().0) {
            prop_assert_eq!(old.decode(part, slot), Slot::Recorded { crc });
        }
        let mut set = PartSet::new(plan.count());
        let summary = new.load(PartIndex::new(0), &bytes, &mut set);
        prop_assert_eq!((summary.recorded, summary.invalid), (0, 30));
        prop_assert!(set.is_empty());
    }
}

#[test]
fn every_flipped_bit_of_a_header_is_noticed() {
    let page = largest().encode().unwrap();
    for bit in 0..HEADER_LEN * 8 {
        let mut flipped = page.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 64 { CheckpointError::BadMagic } else { CheckpointError::Corrupt };
        assert_eq!(Header::decode(&flipped), Err(expected), "bit {bit}");
    }
}

#[test]
fn every_flipped_bit_of_a_bind_page_is_noticed() {
    let header = largest();
    let (session, partial_name) = (header.session, header.partial_name.clone());
    let bind = Bind { session, inode: 1, birth: 2, size: 3, device: 4, partial_name };
    assert!(bind.is_of(&header));
    let page = bind.encode().unwrap();
    for bit in 0..HEADER_LEN * 8 {
        let mut flipped = page.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Bind::decode(&flipped), Err(CheckpointError::Corrupt), "bit {bit}");
    }
}

#[test]
fn a_header_of_the_longest_values_fits() {
    let page = largest().encode().unwrap();
    assert_eq!(Header::decode(&page), Ok(largest()));
}

#[test]
fn what_does_not_fit_is_named() {
    let too_long = |change: fn(&mut Header)| {
        let mut header = largest();
        change(&mut header);
        header.encode().unwrap_err()
    };
    let of = CheckpointError::TooLong;
    assert_eq!(too_long(|h| h.creator.push('c')), of(CheckpointField::Creator));
    assert_eq!(too_long(|h| h.partial_name.push('p')), of(CheckpointField::PartialName));
    assert_eq!(too_long(|h| h.identity.etag = Some("e".repeat(257))), of(CheckpointField::ETag));
    assert_eq!(too_long(|h| h.locator.key = "k".repeat(4000)), of(CheckpointField::Key));
    assert_eq!(too_long(|h| h.locator.key = "k".repeat(70_000)), of(CheckpointField::Key));
    assert_eq!(
        too_long(|h| h.locator.container = "c".repeat(4000)),
        of(CheckpointField::Container)
    );
    assert_eq!(
        too_long(|h| h.identity.version_id = Some("v".repeat(3000))),
        of(CheckpointField::VersionId)
    );
}

#[test]
fn a_header_may_fill_its_page_to_the_last_byte() {
    let mut header = largest();
    let fits = (0..4000)
        .rev()
        .find(|&len| {
            header.locator.key = "k".repeat(len);
            header.encode().is_ok()
        })
        .unwrap();
    header.locator.key = "k".repeat(fits);
    let page = header.encode().unwrap();
    assert_eq!(Header::decode(&page).as_ref(), Ok(&header));
    let used = 168 + 7 * 2 + 63 + fits + 255 + 256 + 29 + 64 + 10;
    assert_eq!(used, HEADER_LEN - 8);
}

#[test]
fn an_extent_beyond_the_object_is_not_written() {
    let mut header = largest();
    header.identity.size -= 1;
    assert_eq!(header.encode(), Err(CheckpointError::Inconsistent));
}

#[test]
fn nothing_and_too_little_are_told_apart() {
    let page = largest().encode().unwrap();
    for len in [0, 1, 4095, 4096, 9000] {
        assert_eq!(Header::decode(&vec![0; len]), Err(CheckpointError::Empty));
        assert_eq!(Bind::decode(&vec![0; len]), Err(CheckpointError::Empty));
    }
    for len in [1, 8, 12, 4088, 4095] {
        assert_eq!(Header::decode(&page[..len]), Err(CheckpointError::Truncated));
    }
    assert_eq!(Header::decode(&[1; HEADER_LEN]), Err(CheckpointError::BadMagic));
    assert_eq!(Bind::decode(&[1; HEADER_LEN]), Err(CheckpointError::Corrupt));
}

#[test]
fn another_major_version_is_named_with_its_creator() {
    let mut page = largest().encode().unwrap();
    page[8] = 2;
    retag(&mut page, 64);
    let creator = Some("c".repeat(50));
    assert_eq!(Header::decode(&page), Err(CheckpointError::UnknownVersion { major: 2, creator }));
    // A creator that would garble a terminal, or is none, is not shown.
    let nameless = CheckpointError::UnknownVersion { major: 2, creator: None };
    for (at, byte) in [(14, 0x1b), (14, 0xff), (13, 0xff), (12, 51)] {
        let mut odd = page.clone();
        odd[at] = byte;
        assert_eq!(Header::decode(&odd), Err(nameless.clone()), "byte {at}");
    }
}

#[test]
fn a_later_minor_version_is_read() {
    let mut page = largest().encode().unwrap();
    page[10] = 7;
    page[4080] = 1;
    retag(&mut page, 64);
    assert_eq!(Header::decode(&page), Ok(largest()));
}

#[test]
fn content_that_makes_no_sense_is_refused_although_its_tag_fits() {
    let mut header = largest();
    header.identity.size = 1_000_000;
    header.plan = PartPlan::new(ByteRange::new(0, 1_000_000).unwrap(), PartSize::MIN);
    let page = header.encode().unwrap();
    for (what, at, bytes) in [
        ("an object shorter than the extent", 80, &999_999_u64.to_le_bytes()[..]),
        ("another part size", 88, &204_800_u64.to_le_bytes()),
        ("a part size of zero", 88, &[0; 8]),
        ("a part too many", 96, &[11]),
        ("a part count beyond 32 bits", 100, &[1]),
        ("an extent that ends beyond all offsets", 104, &[0xff; 16]),
        ("an unknown kind of source", 160, &[4]),
        ("a string that is no UTF-8", 170, &[0xff]),
        ("a string longer than the page", 168, &[0xff, 0xff]),
    ] {
        let mut odd = page.clone();
        odd[at..at + bytes.len()].copy_from_slice(bytes);
        retag(&mut odd, 64);
        assert_eq!(Header::decode(&odd), Err(CheckpointError::Inconsistent), "{what}");
    }
}

#[test]
fn a_bind_page_with_a_name_that_no_file_can_have_is_none() {
    let session = SessionId::new([7; 16]);
    let most =
        Bind { session, inode: 1, birth: 2, size: 3, device: 4, partial_name: "n".repeat(255) };
    let mut page = most.encode().unwrap();
    assert_eq!(Bind::decode(&page), Ok(most));
    // One byte more, and the tag that goes with it.
    page[48..50].copy_from_slice(&256_u16.to_le_bytes());
    page[50 + 255] = b'n';
    let tag = siphash24(session.bytes(), &page[..HEADER_LEN - 8]);
    page[HEADER_LEN - 8..].copy_from_slice(&tag.to_le_bytes());
    assert_eq!(Bind::decode(&page), Err(CheckpointError::Inconsistent));
}

#[test]
fn a_bind_page_belongs_to_one_session_and_one_partial_file() {
    let header = largest();
    let (session, partial_name) = (header.session, header.partial_name.clone());
    let bind = Bind { session, inode: 1, birth: 2, size: 3, device: 4, partial_name };
    assert!(bind.is_of(&header));
    let stale = Bind { session: SessionId::new([8; 16]), ..bind.clone() };
    assert!(!stale.is_of(&header));
    let other = Bind { partial_name: "other".into(), ..bind };
    assert!(!other.is_of(&header));
}
