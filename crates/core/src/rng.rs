//! Reproducible jitter.

/// A small stream of numbers for jitter: splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
///
/// The same seed gives the same stream. It is not for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jitter(u64);

impl Jitter {
    /// A stream that starts from `seed`; any value will do.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, uniform over all of `u64`.
    #[expect(clippy::should_implement_trait, reason = "the stream has no end, so no Option")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_splitmix64() {
        // The published first outputs for seed 1234567 (Rosetta Code, "Pseudo-random
        // numbers/Splitmix64").
        let mut jitter = Jitter::new(1_234_567);
        let stream = [0; 5].map(|_| jitter.next());
        assert_eq!(
            stream,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }
}
