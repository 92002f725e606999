//! Matrix products for wasm, where vectors are four numbers wide and there are sixteen vector registers.
//!
//! The standard method (Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication"): the
//! inner dimension is cut into blocks, and what a tile reads of a block is packed contiguously.

/// Rows of a tile. Its sums, a row of the right side and a number of the left one stay in registers: 3 x 3 +
/// 3 + 1.
const ROWS: usize = 3;
/// Columns of a tile: three vectors.
const COLUMNS: usize = 12;
/// Block size of the inner dimension: what a tile reads of the right side (18 kB) stays in the L1 cache while
/// the rows of the left side stream past.
const DEPTH: usize = 384;

/// One side of a product: the rows of the left matrix, or the columns of the right one.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The matrix, starting with its first number.
    pub numbers: &'a [f32],
    /// Number of rows, or columns.
    pub count: usize,
    /// Distance from one row, or column, to the next.
    pub stride: usize,
    /// Distance between consecutive numbers of a row, or column; not 0.
    pub inner: usize,
}

impl Side<'_> {
    /// Packs the `N` rows, or columns, from `first` on, starting at index `start` of the inner dimension:
    /// k-major, zero-padded beyond the last.
    fn pack<const N: usize>(&self, first: usize, start: usize, packed: &mut [[f32; N]]) {
        let there = N.min(self.count - first);
        let numbers = &self.numbers[first * self.stride + start * self.inner..];
        // Where the inner dimension is 1, a row may be one number from the next in both directions.
        if self.stride == 1 && self.inner >= N && there == N {
            for (place, numbers) in packed.iter_mut().zip(numbers.chunks(self.inner)) {
                place.copy_from_slice(&numbers[..N]);
            }
            return;
        }
        packed.fill([0.0; N]);
        for index in 0..there {
            let numbers = numbers[index * self.stride..].iter().step_by(self.inner);
            packed.iter_mut().zip(numbers).for_each(|(place, &number)| place[index] = number);
        }
    }
}

/// Adds the product of the left side's rows and the right side's columns, each of `k` numbers, to `sums`,
/// row-major.
pub fn add_product(left: &Side<'_>, right: &Side<'_>, k: usize, sums: &mut [f32]) {
    let mut rows = vec![[0.0; ROWS]; left.count.div_ceil(ROWS) * DEPTH.min(k)];
    let mut columns = [[0.0; COLUMNS]; DEPTH];
    for start in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - start);
        for (index, rows) in rows.chunks_exact_mut(depth).take(left.count.div_ceil(ROWS)).enumerate() {
            left.pack(index * ROWS, start, rows);
        }
        for column in (0..right.count).step_by(COLUMNS) {
            let columns = &mut columns[..depth];
            right.pack(column, start, columns);
            let width = COLUMNS.min(right.count - column);
            let bands = sums.chunks_mut(ROWS * right.count);
            for (rows, band) in rows.chunks_exact(depth).zip(bands) {
                let tile = tile(rows, columns);
                for (sums, tile) in band.chunks_exact_mut(right.count).zip(&tile) {
                    let sums = sums[column..column + width].iter_mut();
                    sums.zip(tile).for_each(|(sum, number)| *sum += number);
                }
            }
        }
    }
}

/// The product of packed rows and columns.
fn tile(rows: &[[f32; ROWS]], columns: &[[f32; COLUMNS]]) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[0.0; COLUMNS]; ROWS];
    for (row, column) in rows.iter().zip(columns) {
        for (sums, number) in sums.iter_mut().zip(row) {
            sums.iter_mut().zip(column).for_each(|(sum, other)| *sum += number * other);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_sums_of_products() {
        for (m, k, n) in
            [(1, 1, 1), (12, 1, 24), (3, 5, 12), (4, 384, 13), (7, 385, 24), (64, 800, 31), (5, 2, 100)]
        {
            // Integers, so that sums are exact in any order; more of them than are used, so that strides
            // matter.
            let numbers: Vec<f32> =
                (0..(m.max(k) + 3) * (k.max(n) + 3)).map(|i| (i * 37 % 23) as f32 - 11.0).collect();
            let side = |count, stride, inner| Side { numbers: &numbers[2..], count, stride, inner };
            // A matrix of one row or column may be described by strides of 1 alone.
            let flat = |count| side(count, 1, if k == 1 { 1 } else { count + 2 });
            let lefts = [side(m, k + 3, 1), side(m, 1, m + 2), flat(m)];
            let rights = [side(n, 1, n + 3), side(n, k + 1, 1), flat(n)];
            for (left, right) in lefts.iter().flat_map(|left| rights.iter().map(move |right| (left, right))) {
                let mut sums = vec![1.0; m * n];
                add_product(left, right, k, &mut sums);
                for (place, sum) in sums.into_iter().enumerate() {
                    let number =
                        |side: &Side<'_>, index, i| side.numbers[index * side.stride + i * side.inner];
                    let exact: f32 =
                        (0..k).map(|i| number(left, place / n, i) * number(right, place % n, i)).sum();
                    assert_eq!(sum, 1.0 + exact, "{m} x {k} x {n}, at {place}");
                }
            }
        }
    }
}
