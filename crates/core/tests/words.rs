//! What is wrong is told in words that a user can act on: they are part of the interface.

use ossget_core::{ByteRange, CheckpointError, CheckpointField, PartIndex, Rejection};

#[test]
fn what_is_wrong_with_a_checkpoint_is_told() {
    let known = |creator: Option<&str>| CheckpointError::UnknownVersion {
        major: 7,
        creator: creator.map(str::to_owned),
    };
    for (error, words) in [
        (CheckpointError::Empty, "empty checkpoint"),
        (CheckpointError::Truncated, "truncated checkpoint"),
        (CheckpointError::BadMagic, "not a checkpoint"),
        (known(None), "checkpoint of unknown format version 7"),
        (known(Some("x/1")), "checkpoint of unknown format version 7, written by x/1"),
        (CheckpointError::Corrupt, "damaged checkpoint"),
        (CheckpointError::Inconsistent, "checkpoint that contradicts itself"),
        (CheckpointError::TooLong(CheckpointField::Key), "object key too long for a checkpoint"),
    ] {
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn why_a_response_is_refused_is_told() {
    for (rejection, words) in [
        (Rejection::RangeIgnored, "the server ignored the range"),
        (
            Rejection::RangeMismatch { got: ByteRange::new(3, 5).unwrap() },
            "the server sent range [3, 5) instead",
        ),
        (Rejection::LengthMismatch, "Content-Length does not fit the range"),
        (Rejection::ErrorStatus(503), "error status 503"),
    ] {
        assert_eq!(rejection.to_string(), words);
    }
}

#[test]
fn a_part_is_named_by_its_index() {
    assert_eq!(format!("part {:>3}", PartIndex::new(12)), "part  12");
}
