//! Waits stay within their bounds.

use std::time::Duration;

use ossget_core::{Backoff, MAX_RETRY_AFTER, retry_after};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_wait_never_exceeds_the_cap_nor_its_step(
        base in 0_u64..1 << 40,
        cap in 0_u64..1 << 50,
        failures in any::<u32>(),
        jitter in any::<u64>(),
    ) {
        let (base, cap) = (Duration::from_nanos(base), Duration::from_nanos(cap));
        let delay = Backoff::new(base, cap).delay(failures, jitter);
        prop_assert!(delay <= cap);
        if let Some(step) = 1_u32.checked_shl(failures).and_then(|n| base.checked_mul(n)) {
            prop_assert!(delay <= step);
        }
        prop_assert_eq!(delay, Backoff::new(base, cap).delay(failures, jitter));
    }

    #[test]
    fn any_bytes_in_retry_after_ask_for_a_bounded_wait_or_none(
        value in prop::collection::vec(any::<u8>(), 0..40),
        now in any::<u64>(),
    ) {
        prop_assert!(retry_after(&value, now).is_none_or(|wait| wait <= MAX_RETRY_AFTER));
    }

    #[test]
    fn any_number_of_seconds_is_read(seconds in any::<u64>(), now in any::<u64>()) {
        let wait = retry_after(seconds.to_string().as_bytes(), now);
        prop_assert_eq!(wait, Some(Duration::from_secs(seconds.min(60))));
    }

    #[test]
    fn anything_like_a_date_is_read_or_refused_without_panic(
        value in "(Sun|Mon|Xyz), [0-9]{2} (Jan|Feb|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        now in any::<u64>(),
    ) {
        prop_assert!(retry_after(value.as_bytes(), now).is_none_or(|wait| wait <= MAX_RETRY_AFTER));
    }
}
