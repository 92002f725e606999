//! Random numbers that are the same on every machine.

/// SplitMix64, as in `tests/weights.rs`.
pub(crate) struct Random(u64);

impl Random {
    /// The stream of this seed and purpose: drawing more for one purpose changes nothing for another.
    pub(crate) fn new(seed: &str, purpose: &str) -> Self {
        // FNV-1a.
        Self(format!("{seed}/{purpose}").bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from -1 to 1, exact in f64.
    pub(crate) fn signed(&mut self) -> f64 {
        (self.next() >> 40) as f64 / 8_388_608.0 - 1.0
    }

    /// An index below `count`, which is small: the remainder's bias does not matter.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// All items in random order (Fisher-Yates).
    pub(crate) fn shuffled<T>(&mut self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
        items
    }
}
