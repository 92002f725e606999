//! Whether means differ from zero by more than chance: sign flips over pairs, and false discoveries among many cells.

use crate::bootstrap::next;

/// With so many pairs or fewer, every assignment of signs is tried; with more, some are drawn.
const EXACT: usize = 12;

/// How many assignments are drawn.
const DRAWN: usize = 10_000;

/// Most additions that testing a map may take: some seconds in a browser.
const MOST_ADDITIONS: usize = 400_000_000;

/// Sums that differ by less than this share of the sum of magnitudes are equal but for rounding.
const TIE: f64 = 1e-12;

/// Sign flips for maps of so many pairs. If nothing is the case, each pair's sum is as likely with the other sign (Fisher 1935;
/// one-sample permutation test). The same for every cell, so that neighbouring cells are comparable.
#[derive(Debug)]
pub(crate) struct SignFlips {
    /// Drawn assignments, a bit for each pair. Empty: all are always tried.
    drawn: Vec<Vec<u64>>,
}

impl SignFlips {
    /// For a map of so many cells. None: it has too many to be tested in reasonable time.
    pub(crate) fn new(pairs: usize, cells: usize) -> Option<Self> {
        let tried = if pairs <= EXACT { 1 << pairs } else { DRAWN * pairs };
        if tried.checked_mul(cells)? > MOST_ADDITIONS {
            return None;
        }
        let mut state = pairs as u64;
        let mut draw = || (0..pairs.div_ceil(64)).map(|_| next(&mut state)).collect();
        let drawn = if pairs <= EXACT { Vec::new() } else { (0..DRAWN).map(|_| draw()).collect() };
        Some(Self { drawn })
    }

    /// The two-sided p-value of a mean: the share of assignments of signs to the pairs' sums whose mean is at least as far from
    /// zero. Drawn ones count the observed assignment too, so that it is never 0. NaN: the pair has no number.
    pub(crate) fn p(&self, sums: &[f64]) -> f64 {
        let present: Vec<f64> = sums.iter().copied().filter(|sum| !sum.is_nan()).collect();
        let size: f64 = present.iter().map(|sum| sum.abs()).sum();
        let least = present.iter().sum::<f64>().abs() - TIE * size;
        if present.len() <= EXACT {
            return exact(&present, least);
        }
        let flipped = |signs: &&Vec<u64>| {
            let signed = |(pair, sum): (usize, &f64)| {
                let flip = signs[pair / 64] >> (pair % 64) & 1 == 1;
                if flip { -sum } else { *sum }
            };
            let all = sums.iter().enumerate().filter(|(_, sum)| !sum.is_nan());
            all.map(signed).sum::<f64>().abs() >= least
        };
        (1 + self.drawn.iter().filter(flipped).count()) as f64 / (1 + DRAWN) as f64
    }
}

/// The share of all assignments whose sum has at least this magnitude. Each differs from the one before in one sign.
fn exact(sums: &[f64], least: f64) -> f64 {
    let all = 1usize << sums.len();
    let mut signs = vec![1.0; sums.len()];
    let (mut sum, mut extreme) = (sums.iter().sum::<f64>(), 0);
    for step in 1..=all {
        extreme += usize::from(sum.abs() >= least);
        let pair = step.trailing_zeros() as usize;
        if let (Some(sign), Some(own)) = (signs.get_mut(pair), sums.get(pair)) {
            sum -= 2.0 * *sign * own;
            *sign = -*sign;
        }
    }
    extreme as f64 / all as f64
}

/// Adjusted p-values (Benjamini and Hochberg 1995): among the cells at or below a rate, at most that share is expected to be there by
/// chance. None: the cell was not tested.
pub(crate) fn adjusted(ps: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> = (0..ps.len()).filter(|&cell| ps[cell].is_some()).collect();
    let p = |cell: usize| ps[cell].unwrap_or(1.0);
    order.sort_by(|&a, &b| p(b).total_cmp(&p(a)));
    let (tested, mut found, mut least) = (order.len(), vec![None; ps.len()], 1.0f64);
    for (place, &cell) in order.iter().enumerate() {
        least = least.min(p(cell) * tested as f64 / (tested - place) as f64);
        found[cell] = Some(least);
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn recorded() -> Value {
        serde_json::from_str(include_str!("../../../tests/fixtures/statistics.json")).expect("JSON")
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number")).collect()
    }

    #[test]
    fn exact_p_values_are_those_of_brute_force() {
        for set in recorded()["sign_flips"].as_array().expect("data sets") {
            let values = numbers(&set["values"]);
            let p = SignFlips::new(values.len(), 1).expect("few").p(&values);
            assert!((p - set["p_abs"].as_f64().expect("a number")).abs() < 1e-12, "{}: {p}", set["name"]);
            let mut gaps = values.clone();
            gaps.insert(1, f64::NAN);
            assert_eq!(SignFlips::new(gaps.len(), 1).expect("few").p(&gaps), p, "{}", set["name"]);
        }
    }

    #[test]
    fn drawn_p_values_are_close_to_exact_ones() {
        // Twelve pairs are tried exactly; a thirteenth of zero changes nothing.
        for set in recorded()["sign_flips"].as_array().expect("data sets") {
            let mut values = numbers(&set["values"]);
            values.resize(13, 0.0);
            let p = SignFlips::new(13, 1).expect("few").p(&values);
            // Three standard errors of 10,000 draws at most.
            assert!((p - set["p_abs"].as_f64().expect("a number")).abs() < 0.015, "{}: {p}", set["name"]);
        }
        assert!(SignFlips::new(1000, 40).is_some() && SignFlips::new(1000, 36_864).is_none());
    }

    #[test]
    fn adjusted_p_values_are_scipys() {
        for list in recorded()["false_discovery"].as_array().expect("lists") {
            let ps = numbers(&list["values"]);
            let tested: Vec<Option<f64>> = [None].into_iter().chain(ps.into_iter().map(Some)).collect();
            let found = adjusted(&tested);
            assert_eq!(found[0], None);
            for (found, expected) in found[1..].iter().zip(numbers(&list["bh"])) {
                assert!((found.expect("tested") - expected).abs() < 1e-12, "{}", list["name"]);
            }
        }
    }
}
