//! Bootstrap intervals (Efron 1979) for means over few prompts.
//!
//! Resampled means of n clusters spread too little, and their quantiles are those of a normal distribution: with four clusters the
//! plain percentile interval holds the mean in four of five cases only. Its ends' distances from the mean are therefore multiplied by
//! `sqrt(n / (n - 1)) t / z`, with the quantiles of Student's t with n - 1 degrees of freedom and of the normal distribution (after
//! Hesterberg 2015). For symmetric data it then holds as often as Student's interval, and it keeps the bootstrap's asymmetry.
//!
//! Clusters are drawn with replacement: pairs, both directions of a symmetric one together, because they are no independent
//! observations. The draws are the same for every cell of a map and on every machine, so that neighbouring cells are comparable and
//! reports are reproducible to the last digit.

use crate::metrics::PerPrompt;

/// Number of resamples.
pub(crate) const DRAWS: usize = 1000;

/// Coverage of the interval.
pub(crate) const COVERAGE: f64 = 0.95;

/// Resampling weights for the prompts of one group.
#[derive(Debug, Clone)]
pub(crate) struct Bootstrap {
    /// For each prompt, its cluster.
    cluster: Vec<usize>,
    /// For each resample, how often each cluster was drawn.
    draws: Vec<Vec<f64>>,
    /// Scratch space for the resampled means.
    means: Vec<f64>,
}

/// By cluster, the sum of its numbers and how many they are.
type Sums = Vec<(f64, f64)>;

impl Bootstrap {
    /// Resamples for prompts of these clusters. None for fewer than two clusters: a single one has no spread.
    pub(crate) fn new(clusters: &[usize]) -> Option<Self> {
        Self::seeded(clusters, 0)
    }

    /// As [`Self::new`] with another random stream: groups that are compared are resampled independently.
    pub(crate) fn seeded(clusters: &[usize], stream: u64) -> Option<Self> {
        let mut known: Vec<usize> = clusters.to_vec();
        known.sort_unstable();
        known.dedup();
        let count = known.len();
        if count < 2 {
            return None;
        }
        let cluster = clusters.iter().map(|cluster| known.partition_point(|known| known < cluster)).collect();
        let mut state = count as u64 + (stream << 32);
        let mut draw = || {
            let mut times = vec![0.0; count];
            for _ in 0..count {
                times[(next(&mut state) % count as u64) as usize] += 1.0;
            }
            times
        };
        let draws = (0..DRAWS).map(|_| draw()).collect();
        Some(Self { cluster, draws, means: Vec::with_capacity(DRAWS) })
    }

    /// The interval of the mean of `values`, one value per prompt, over those that are numbers. None if fewer than two clusters
    /// have any.
    pub(crate) fn interval(&mut self, values: &[f64]) -> Option<[f64; 2]> {
        let sums = self.sums(values)?;
        self.means.clear();
        self.means.extend(self.draws.iter().filter_map(|times| mean(times, &sums)));
        Some(self.middle(whole(&sums)?, widening(clusters(&sums))))
    }

    /// The interval of mean(`values`) - mean(`others`); `other` resamples the second group.
    pub(crate) fn interval_of_difference(
        &mut self,
        values: &[f64],
        other: &Self,
        others: &[f64],
    ) -> Option<[f64; 2]> {
        let (ones, twos) = (self.sums(values)?, other.sums(others)?);
        self.means.clear();
        let draws = self.draws.iter().zip(&other.draws);
        self.means.extend(draws.filter_map(|(one, two)| Some(mean(one, &ones)? - mean(two, &twos)?)));
        // The smaller group decides: its spread is known worst.
        let fewest = clusters(&ones).min(clusters(&twos));
        Some(self.middle(whole(&ones)? - whole(&twos)?, widening(fewest)))
    }

    /// How many clusters there are.
    pub(crate) fn clusters(&self) -> usize {
        self.draws.first().map_or(0, Vec::len)
    }

    /// Each cluster's sum of the values that are numbers; NaN where it has none.
    pub(crate) fn sums_of(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![f64::NAN; self.clusters()];
        for (&cluster, &value) in self.cluster.iter().zip(values).filter(|(_, value)| !value.is_nan()) {
            let sum = &mut sums[cluster];
            *sum = if sum.is_nan() { value } else { *sum + value };
        }
        sums
    }

    /// For each cell, in what share of the resamples it is among the `k` with the largest mean, and among those with the smallest.
    pub(crate) fn chosen(&self, values: &PerPrompt, cells: &[usize], k: usize) -> Vec<[f64; 2]> {
        let sums: Vec<Option<Sums>> = cells.iter().map(|&cell| self.sums(values.row(cell))).collect();
        let mut chosen = vec![[0.0; 2]; cells.len()];
        for times in &self.draws {
            let of = |sums: &Option<Sums>| sums.as_ref().and_then(|sums| mean(times, sums));
            let means: Vec<Option<f64>> = sums.iter().map(of).collect();
            let mut order: Vec<usize> = (0..cells.len()).filter(|&cell| means[cell].is_some()).collect();
            order.sort_by(|&a, &b| means[b].unwrap_or(0.0).total_cmp(&means[a].unwrap_or(0.0)));
            order.iter().take(k).for_each(|&cell| chosen[cell][0] += 1.0 / DRAWS as f64);
            order.iter().rev().take(k).for_each(|&cell| chosen[cell][1] += 1.0 / DRAWS as f64);
        }
        chosen
    }

    fn sums(&self, values: &[f64]) -> Option<Sums> {
        let mut sums: Sums = vec![(0.0, 0.0); self.clusters()];
        for (&cluster, value) in self.cluster.iter().zip(values).filter(|(_, value)| !value.is_nan()) {
            sums[cluster].0 += value;
            sums[cluster].1 += 1.0;
        }
        (clusters(&sums) >= 2).then_some(sums)
    }

    /// The central [`COVERAGE`] of the resampled means, its ends moved away from the mean.
    fn middle(&mut self, mean: f64, widening: f64) -> [f64; 2] {
        let count = self.means.len();
        let below = ((1.0 - COVERAGE) / 2.0 * count as f64) as usize;
        [below, count - 1 - below].map(|place| mean + widening * (quantile(&mut self.means, place) - mean))
    }
}

/// How many clusters have numbers.
fn clusters(sums: &Sums) -> usize {
    sums.iter().filter(|(_, count)| *count > 0.0).count()
}

/// The mean over all of them.
fn whole(sums: &Sums) -> Option<f64> {
    mean(&vec![1.0; sums.len()], sums)
}

/// By how much the distances of the ends from the mean grow for so many clusters.
fn widening(clusters: usize) -> f64 {
    let n = clusters as f64;
    (n / (n - 1.0)).sqrt() * student(clusters - 1) / NORMAL
}

/// The 97.5 % quantile of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

/// The 97.5 % quantile of Student's t with so many degrees of freedom. From eight on the expansion by powers
/// of 1 / n (Fisher 1926; Abramowitz and Stegun, 26.7.5), which is within 3e-5 there.
fn student(freedom: usize) -> f64 {
    const FEW: [f64; 7] = [12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624];
    if let Some(&exact) = FEW.get(freedom.wrapping_sub(1)) {
        return exact;
    }
    let (z, n) = (NORMAL, freedom as f64);
    let odd = |coefficients: &[f64]| coefficients.iter().rev().fold(0.0, |sum, c| sum * z * z + c) * z;
    z + odd(&[1.0, 1.0]) / (4.0 * n)
        + odd(&[3.0, 16.0, 5.0]) / (96.0 * n.powi(2))
        + odd(&[-15.0, 17.0, 19.0, 3.0]) / (384.0 * n.powi(3))
        + odd(&[-945.0, -1920.0, 1482.0, 776.0, 79.0]) / (92_160.0 * n.powi(4))
}

/// The mean of one resample. None: no cluster with numbers was drawn.
fn mean(times: &[f64], sums: &Sums) -> Option<f64> {
    let add = |(sum, count), (times, (own, number)): (&f64, &(f64, f64))| {
        (sum + times * own, count + times * number)
    };
    let (sum, count) = times.iter().zip(sums).fold((0.0, 0.0), add);
    (count > 0.0).then(|| sum / count)
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
        let clusters = Vec::from_iter(0..400);
        let [low, high] = Bootstrap::new(&clusters).expect("many").interval(&values).expect("numbers");
        let half = 1.96 * (1.0 / 12.0 / 400.0f64).sqrt();
        assert!((low - (0.5 - half)).abs() < 0.1 * half, "{low}");
        assert!((high - (0.5 + half)).abs() < 0.1 * half, "{high}");
    }

    #[test]
    fn equal_prompts_leave_no_doubt_and_one_prompt_tells_nothing() {
        let mut three = Bootstrap::new(&[0, 1, 2]).expect("three");
        let [low, high] = three.interval(&[2.0, 2.0, 2.0]).expect("numbers");
        assert!((low - 2.0).abs() < 1e-12 && (high - 2.0).abs() < 1e-12);
        assert!(three.interval(&[2.0, f64::NAN, f64::NAN]).is_none());
        assert!(Bootstrap::new(&[4, 4]).is_none());
    }

    #[test]
    fn an_interval_holds_the_mean_as_often_as_it_says() {
        let mut state = 7;
        let mut uniform = move || (super::next(&mut state) >> 11) as f64 / (1u64 << 53) as f64;
        let mut normal = move || {
            let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
            radius * (std::f64::consts::TAU * uniform()).cos()
        };
        let squares = |normal: &mut dyn FnMut() -> f64| (0..5).map(|_| normal().powi(2)).sum::<f64>();
        for heavy in [false, true] {
            for clusters in [4, 6, 8, 12, 30, 100] {
                let mut bootstrap = Bootstrap::new(&Vec::from_iter(0..clusters)).expect("several");
                let holds = (0..2000).filter(|_| {
                    let mut number = || {
                        // Student's t with five degrees of freedom has heavy tails.
                        let scale = if heavy { (squares(&mut normal) / 5.0).sqrt() } else { 1.0 };
                        normal() / scale
                    };
                    let values: Vec<f64> = (0..clusters).map(|_| number()).collect();
                    let [low, high] = bootstrap.interval(&values).expect("numbers");
                    low <= 0.0 && 0.0 <= high
                });
                let share = holds.count() as f64 / 2000.0;
                assert!((0.93..=0.97).contains(&share), "{clusters} clusters, heavy tails {heavy}: {share}");
            }
        }
    }

    #[test]
    fn both_directions_of_a_pair_are_drawn_together() {
        let alone = Bootstrap::new(&[0, 1, 2]).expect("three").interval(&[1.0, 2.0, 6.0]);
        let twice = Bootstrap::new(&[3, 3, 7, 7, 9, 9]).expect("three");
        assert_eq!(twice.clone().interval(&[1.0, 1.0, 2.0, 2.0, 6.0, 6.0]), alone);
        assert_eq!(twice.clone().interval(&[1.0, f64::NAN, 2.0, f64::NAN, 6.0, f64::NAN]), alone);
    }
}
