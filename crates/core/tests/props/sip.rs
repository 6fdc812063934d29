//! SipHash-2-4 against the standard library's.

use std::hash::Hasher;

use ossget_core::{siphash24, siphash24_words};
use proptest::prelude::*;

#[expect(deprecated, reason = "the one SipHash-2-4 in the standard library")]
fn reference(key: &[u8; 16], message: &[u8]) -> u64 {
    let key = u128::from_le_bytes(*key);
    let mut hasher = std::hash::SipHasher::new_with_keys(key as u64, (key >> 64) as u64);
    hasher.write(message);
    hasher.finish()
}

proptest! {
    #[test]
    fn any_message_hashes_as_the_reference_does(
        key in any::<[u8; 16]>(),
        message in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert_eq!(siphash24(&key, &message), reference(&key, &message));
    }

    #[test]
    fn three_words_hash_as_their_bytes_do(key in any::<[u8; 16]>(), words in any::<[u64; 3]>()) {
        let bytes = words.map(u64::to_le_bytes).concat();
        prop_assert_eq!(siphash24_words(&key, words), reference(&key, &bytes));
    }
}
