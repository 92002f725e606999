//! Directions of the residual stream.

use crate::random::Random;

/// A vector of the residual stream, `[d_model]`.
pub(crate) type Direction = Vec<f64>;

/// The last coordinates, which no direction uses.
pub(crate) const RESERVED: usize = 2;

/// A random orthonormal basis, whose directions are given out one by one.
///
/// All are orthogonal to the vector of ones. What is written to the stream therefore has mean 0, and neither LayerNorm nor
/// TransformerLens's centring of weights changes it.
pub(crate) struct Space {
    pub(crate) d_model: usize,
    directions: Vec<Direction>,
    random: Random,
}

impl Space {
    pub(crate) fn new(d_model: usize, seed: &str) -> Self {
        Self { d_model, directions: Vec::new(), random: Random::new(seed, "directions") }
    }

    /// One more direction.
    pub(crate) fn direction(&mut self) -> Direction {
        let used = self.d_model - RESERVED;
        assert!(self.directions.len() + 1 < used, "the residual stream has no direction left");
        let mut direction: Direction = (0..used).map(|_| self.random.signed()).collect();
        // Gram-Schmidt. Once leaves errors of a few digits, twice none.
        for _ in 0..2 {
            let mean = direction.iter().sum::<f64>() / used as f64;
            direction.iter_mut().for_each(|x| *x -= mean);
            for other in &self.directions {
                let along = dot(&direction, other);
                direction.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let norm = dot(&direction, &direction).sqrt();
        direction.iter_mut().for_each(|x| *x /= norm);
        direction.resize(self.d_model, 0.0);
        self.directions.push(direction.clone());
        direction
    }

    /// Directions for a code of so many symbols.
    pub(crate) fn code(&mut self, symbols: usize) -> Vec<Direction> {
        (0..symbols).map(|_| self.direction()).collect()
    }
}

/// The sum of directions, each times a number.
pub(crate) fn sum<'a>(terms: impl IntoIterator<Item = (f64, &'a Direction)>) -> Direction {
    let mut total = Direction::new();
    for (factor, direction) in terms {
        total.resize(direction.len(), 0.0);
        total.iter_mut().zip(direction).for_each(|(x, y)| *x += factor * y);
    }
    total
}

/// In order, so that the rounding is the same everywhere.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_orthonormal_and_have_mean_zero() {
        let mut space = Space::new(40, "test/1");
        let basis = space.code(37);
        for (i, a) in basis.iter().enumerate() {
            assert!(a.iter().sum::<f64>().abs() < 1e-14);
            for (j, b) in basis.iter().enumerate() {
                assert!((dot(a, b) - f64::from(i == j)).abs() < 1e-14, "{i} {j}");
            }
        }
    }
}
