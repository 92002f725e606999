//! Percentile bootstrap intervals (Efron 1979) for means over few prompts.
//!
//! Prompts are drawn with replacement. The draws are the same for every cell of a map and on every machine,
//! so that neighbouring cells are comparable and reports are reproducible to the last digit.

/// Number of resamples.
pub(crate) const DRAWS: usize = 1000;

/// Coverage of the interval.
pub(crate) const COVERAGE: f64 = 0.95;

/// Resampling weights for the prompts of one group.
#[derive(Debug, Clone)]
pub(crate) struct Bootstrap {
    /// For each resample, each prompt's weight in the mean.
    draws: Vec<Vec<f64>>,
    /// Scratch space for the resampled means.
    means: Vec<f64>,
}

impl Bootstrap {
    /// Resamples for this many prompts. None for fewer than two: a single value has no spread.
    pub(crate) fn new(prompts: usize) -> Option<Self> {
        Self::seeded(prompts, 0)
    }

    /// As [`Self::new`] with another random stream: groups that are compared are resampled independently.
    pub(crate) fn seeded(prompts: usize, stream: u64) -> Option<Self> {
        if prompts < 2 {
            return None;
        }
        let mut state = prompts as u64 + (stream << 32);
        let mut draw = || {
            let mut shares = vec![0.0; prompts];
            for _ in 0..prompts {
                shares[(next(&mut state) % prompts as u64) as usize] += 1.0 / prompts as f64;
            }
            shares
        };
        Some(Self { draws: (0..DRAWS).map(|_| draw()).collect(), means: Vec::with_capacity(DRAWS) })
    }

    /// The interval of the mean of `values`, one value per prompt.
    pub(crate) fn interval(&mut self, values: &[f64]) -> [f64; 2] {
        self.means.clear();
        self.means.extend(self.draws.iter().map(|shares| mean(shares, values)));
        self.middle()
    }

    /// The interval of mean(`values`) - mean(`others`); `other` resamples the second group.
    pub(crate) fn interval_of_difference(
        &mut self,
        values: &[f64],
        other: &Self,
        others: &[f64],
    ) -> [f64; 2] {
        self.means.clear();
        let draws = self.draws.iter().zip(&other.draws);
        self.means.extend(draws.map(|(one, two)| mean(one, values) - mean(two, others)));
        self.middle()
    }

    /// The central [`COVERAGE`] of the resampled means.
    fn middle(&mut self) -> [f64; 2] {
        let below = ((1.0 - COVERAGE) / 2.0 * DRAWS as f64) as usize;
        [quantile(&mut self.means, below), quantile(&mut self.means, DRAWS - 1 - below)]
    }
}

/// The weighted mean of one resample.
fn mean(shares: &[f64], values: &[f64]) -> f64 {
    shares.iter().zip(values).map(|(share, value)| share * value).sum()
}

/// The number at this index in ascending order.
fn quantile(numbers: &mut [f64], place: usize) -> f64 {
    *numbers.select_nth_unstable_by(place, f64::total_cmp).1
}

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_many_prompts_is_the_normal_one() {
        // The mean of n values with variance 1/12 has the 95 % interval +- 1.96 sqrt(1 / 12 n).
        let values: Vec<f64> = (0..400).map(|i| (f64::from(i) + 0.5) / 400.0).collect();
        let [low, high] = Bootstrap::new(400).expect("many").interval(&values);
        let half = 1.96 * (1.0 / 12.0 / 400.0f64).sqrt();
        assert!((low - (0.5 - half)).abs() < 0.1 * half, "{low}");
        assert!((high - (0.5 + half)).abs() < 0.1 * half, "{high}");
    }

    #[test]
    fn equal_prompts_leave_no_doubt_and_one_prompt_tells_nothing() {
        let [low, high] = Bootstrap::new(3).expect("three").interval(&[2.0, 2.0, 2.0]);
        assert!((low - 2.0).abs() < 1e-12 && (high - 2.0).abs() < 1e-12);
        assert!(Bootstrap::new(1).is_none());
    }
}
