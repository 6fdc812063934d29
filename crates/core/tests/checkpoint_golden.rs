//! The bytes of checkpoint format v1, pinned.

use ossget_core::{
    Bind, ByteRange, Header, Locator, ObjectIdentity, PartIndex, PartPlan, PartSet, PartSize,
    SLOTS_OFFSET, SessionId, SlotCodec, SourceKind, file_len,
};

const GOLDEN: &str = include_str!("golden/checkpoint-v1.hex");
const CRCS: [u64; 3] = [0x995d_c9bb_df19_39fa, 0, u64::MAX];

fn golden() -> Vec<u8> {
    let mut file = vec![0; usize::try_from(file_len(3)).expect("a short file")];
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let (offset, hex) = line.split_once(": ").expect("offset and bytes");
        let offset = usize::from_str_radix(offset, 16).expect("a hexadecimal offset");
        for (at, pair) in hex.as_bytes().chunks(2).enumerate() {
            let pair = str::from_utf8(pair).expect("text");
            file[offset + at] = u8::from_str_radix(pair, 16).expect("hexadecimal bytes");
        }
    }
    file
}

fn header() -> Header {
    let extent = ByteRange::new(1000, 301_000).expect("in order");
    Header {
        session: SessionId::new(core::array::from_fn(|at| at as u8)),
        identity: ObjectIdentity::new(1_000_000)
            .etag("\"5B3C1A2E053D763E1B002CC607C5A0FE\"")
            .last_modified("Sun, 06 Nov 1994 08:49:37 GMT")
            .crc64(0x0123_4567_89ab_cdef)
            .object_type("Normal"),
        plan: PartPlan::new(extent, PartSize::MIN),
        locator: Locator {
            kind: SourceKind::Oss,
            container: "examplebucket".into(),
            key: "exampledir/ex\u{e4}mpleobject.txt".into(),
        },
        partial_name: "exampleobject.txt.abcdefghij234567.part".into(),
        destination_hash: core::array::from_fn(|at| 0xa0 + at as u8),
        creator: "ossget 0.1.0".into(),
    }
}

fn bind() -> Bind {
    Bind {
        session: header().session,
        inode: 0x1122_3344_5566_7788,
        birth: -5,
        size: 300_000,
        device: 0xfd01,
        partial_name: header().partial_name,
    }
}

#[test]
fn what_is_written_is_byte_for_byte_format_v1() {
    let golden = golden();
    assert_eq!(header().encode().unwrap(), golden[..4096]);
    assert_eq!(bind().encode().unwrap(), golden[4096..8192]);
    let codec = SlotCodec::new(header().session, &header().plan);
    for (part, crc) in (0..).map(PartIndex::new).zip(CRCS) {
        let at = usize::try_from(codec.offset(part)).unwrap();
        assert_eq!(codec.encode(part, crc), golden[at..at + 16], "slot {part}");
    }
}

#[test]
fn format_v1_is_read() {
    let golden = golden();
    let read = Header::decode(&golden).unwrap();
    assert_eq!(read, header());
    let bound = Bind::decode(&golden[4096..]).unwrap();
    assert_eq!(bound, bind());
    assert!(bound.is_of(&read));
    let mut recorded = PartSet::new(3);
    let slots = &golden[usize::try_from(SLOTS_OFFSET).unwrap()..];
    let summary =
        SlotCodec::new(read.session, &read.plan).load(PartIndex::new(0), slots, &mut recorded);
    assert_eq!((summary.recorded, summary.invalid), (3, 0));
    assert!(recorded.is_full());
}
