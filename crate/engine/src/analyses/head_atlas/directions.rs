//! The directions that a head writes most strongly: the singular vectors of its OV circuit, as tokens, and the singular values of OV
//! and QK (Millidge and Black 2022; TransformerLens's `decompose_head`).
//!
//! A single direction has a meaning only if its singular value stands apart: values closer than 1 % to each other share a
//! subspace, in which any direction is as good as another, and values below `d_model` times the rounding of float32 are noise.

use nalgebra::{Cholesky, DMatrix};
use patchlab_kernels::Tensor;

use super::copying::{copying, values_and_output};
use super::named;
use crate::analyses::Job;
use crate::error::{Error, Result};
use crate::figures::{Cell, Column, Part, Quantity, Row, Table};
use crate::host::{ProgressUnit, Work};
use crate::metrics::top_k;
use crate::model::Model;
use crate::names::Head;
use crate::readback::Reads;

/// Singular values closer than this, relative to the larger, share a subspace.
const APART: f64 = 0.01;

pub(super) async fn parts(job: &Job<'_>, head: &str, k: usize) -> Result<Vec<Part>> {
    let mut work = Work::new(job.viewer, "Taking heads apart", ProgressUnit::Points, 2);
    work.done(0).await?;
    let head = match named(job, head)? {
        Some(head) => head,
        None => most_copying(job).await?,
    };
    work.done(1).await?;
    let model = job.model;
    let [values, queries, keys, output] = weights(model, head).await?;
    let ov = singular(&values, &output)?;
    let qk = singular(&queries, &keys.transpose())?;
    let table = values_table(head, &ov.values, &qk.values);
    let directions = directions(job, head, &ov, k).await?;
    work.done(1).await?;
    Ok(vec![Part::Table(directions), Part::Table(table)])
}

/// The head whose OV has the largest eigenvalue score.
async fn most_copying(job: &Job<'_>) -> Result<Head> {
    let config = &job.model.config;
    let mut best = (f64::NEG_INFINITY, Head { layer: 0, head: 0 });
    for layer in 0..config.n_layers {
        for head in 0..config.n_heads {
            let head = Head { layer, head };
            let [values, _, _, output] = weights(job.model, head).await?;
            let score = copying(output * values).unwrap_or(0.0);
            if score > best.0 {
                best = (score, head);
            }
        }
    }
    Ok(best.1)
}

/// `W_V`, `W_Q`, `W_K`, `[d, e]` each, and `W_O`, `[e, d]`.
async fn weights(model: &Model, Head { layer, head }: Head) -> Result<[DMatrix<f64>; 4]> {
    let (e, d) = (model.config.d_head, model.config.d_model);
    let columns = head * e..(head + 1) * e;
    let part = |part: usize| -> Tensor<2> {
        let columns = part * d + columns.start..part * d + columns.end;
        model.blocks[layer].qkv.weight.clone().slice([0..d, columns])
    };
    let (_, output) = values_and_output(model, layer);
    let reads = Reads::default()
        .with(part(2))
        .with(part(0))
        .with(part(1))
        .with(output.slice([columns.clone(), 0..d]));
    let read = reads.fetch().await?;
    let matrix = |numbers: &[f32], rows: usize, columns: usize| {
        DMatrix::from_row_iterator(rows, columns, numbers.iter().map(|&number| f64::from(number)))
    };
    Ok([matrix(&read[0], d, e), matrix(&read[1], d, e), matrix(&read[2], d, e), matrix(&read[3], e, d)])
}

/// Singular values, descending, and the right singular vectors as rows, `[e, d]`.
struct Singular {
    values: Vec<f64>,
    right: DMatrix<f64>,
}

/// Of `left right`, `[d, e]` times `[e, d]`, without anything of size `[d, d]`: with `left = Q L^T` and `right = K P`, where `Q` has
/// orthonormal columns and `P` such rows, they are those of `L^T K`, which is `[e, e]`.
fn singular(left: &DMatrix<f64>, right: &DMatrix<f64>) -> Result<Singular> {
    let root = |gram: DMatrix<f64>| {
        let cholesky = Cholesky::new(gram);
        cholesky.map(|cholesky| cholesky.l()).ok_or_else(|| {
            Error::Compute("this head's weights do not span as many directions as it is wide".to_owned())
        })
    };
    let l = root(left.tr_mul(left))?;
    let k = root(right * right.transpose())?;
    let svd = (l.transpose() * &k).svd(false, true);
    let Some(turned) = svd.v_t else {
        return Err(Error::Compute("a head could not be taken apart".to_owned()));
    };
    let Some(rows) = k.solve_lower_triangular(right) else {
        return Err(Error::Compute("a head could not be taken apart".to_owned()));
    };
    let vectors = turned * rows; // [e, d]
    let mut order: Vec<usize> = (0..svd.singular_values.len()).collect();
    order.sort_by(|&a, &b| svd.singular_values[b].total_cmp(&svd.singular_values[a]));
    let right =
        DMatrix::from_fn(vectors.nrows(), vectors.ncols(), |row, column| vectors[(order[row], column)]);
    Ok(Singular { values: order.iter().map(|&index| svd.singular_values[index]).collect(), right })
}

/// Why a direction is none by itself. None: it is one.
fn shared(values: &[f64], index: usize, d_model: usize) -> Option<String> {
    let value = values[index];
    if value < values[0] * d_model as f64 * f64::from(f32::EPSILON) {
        return Some("rounding".to_owned());
    }
    let close = |other: usize| {
        let (low, high) = (values[other.max(index)], values[other.min(index)]);
        high - low < APART * high
    };
    let neighbour = [index.checked_sub(1), Some(index + 1).filter(|&next| next < values.len())]
        .into_iter()
        .flatten()
        .find(|&other| close(other));
    neighbour.map(|other| format!("as large as {other}"))
}

async fn directions(job: &Job<'_>, head: Head, ov: &Singular, k: usize) -> Result<Table> {
    let d = job.model.config.d_model;
    let shown = k.min(ov.values.len());
    let numbers: Vec<f32> =
        (0..shown).flat_map(|row| ov.right.row(row).iter().map(|&n| n as f32).collect::<Vec<_>>()).collect();
    let data = burn::tensor::TensorData::new(numbers, [shown, d]);
    let rows: Tensor<2> = Tensor::from_data(data, &job.model.device);
    let blocks = job.model.unembedding.logits_written(rows); // [shown, block] each
    let widths: Vec<usize> = blocks.iter().map(|block| block.dims()[1]).collect();
    let blocks = blocks.into_iter().fold(Reads::default(), Reads::with).fetch().await?;
    let row = |index: usize| {
        let logits = crate::runs::next_tokens::row_of(&blocks, &widths, index);
        let number = |text: String| Cell::Text(text);
        let mut cells = vec![Cell::Number(index as f64), Cell::Number(ov.values[index])];
        if let Some(why) = shared(&ov.values, index, d) {
            cells.extend([number(format!("no direction of its own ({why})")), Cell::Empty]);
            return Row { cells, mark: None };
        }
        // The sign is that of the token that it moves most.
        let largest = logits.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
        let turned =
            |sign: f32| -> Vec<f32> { logits.iter().map(|logit| logit * sign * largest.signum()).collect() };
        let tokens = |sign: f32| {
            let order = turned(sign);
            let name = |id: usize| format!("{:?}", job.tokenizer.token(id as u32).text);
            Cell::Text(top_k(&order, 5).into_iter().map(name).collect::<Vec<_>>().join(" "))
        };
        cells.extend([tokens(1.0), tokens(-1.0)]);
        Row { cells, mark: None }
    };
    Ok(Table {
        title: format!("{head}: directions that it writes"),
        note: Some(
            "Singular vectors of the OV circuit: the tokens that each raises most, and those that the opposite direction raises. A head \
             writes either, depending on what it reads."
                .to_owned(),
        ),
        group: None,
        columns: vec![
            Column::new("Direction", Quantity::Count),
            Column::new("Singular value", Quantity::Activation),
            Column::new("Raises", Quantity::Text),
            Column::new("Turned round", Quantity::Text),
        ],
        rows: (0..shown).map(row).collect(),
    })
}

fn values_table(head: Head, ov: &[f64], qk: &[f64]) -> Table {
    let row = |(index, (ov, qk)): (usize, (&f64, &f64))| Row {
        cells: vec![Cell::Number(index as f64), Cell::Number(*ov), Cell::Number(*qk)],
        mark: None,
    };
    Table {
        title: format!("{head}: singular values"),
        note: Some("Of OV, which moves content, and of QK, which decides where it comes from.".to_owned()),
        group: None,
        columns: vec![
            Column::new("Direction", Quantity::Count),
            Column::new("OV", Quantity::Activation),
            Column::new("QK", Quantity::Activation),
        ],
        rows: ov.iter().zip(qk).enumerate().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_taken_apart_without_being_computed() {
        let left = DMatrix::from_fn(7, 3, |row, column| ((row * 3 + column * 5) % 7) as f64 - 2.5);
        let right = DMatrix::from_fn(3, 7, |row, column| ((row * 4 + column * 3) % 5) as f64 - 1.5);
        let parts = singular(&left, &right).expect("parts");
        let mut expected: Vec<f64> = (&left * &right).singular_values().iter().copied().collect();
        expected.sort_by(|a, b| b.total_cmp(a));
        for (found, expected) in parts.values.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
        // `|A v|` of each right vector is its value.
        for (index, value) in parts.values.iter().enumerate() {
            let written = &left * &right * parts.right.row(index).transpose();
            assert!((written.norm() - value).abs() < 1e-9, "{index}");
        }
    }

    #[test]
    fn directions_that_share_a_subspace_are_none() {
        let values = [5.0, 4.99, 3.0, 1e-9];
        assert_eq!(shared(&values, 0, 64).as_deref(), Some("as large as 1"));
        assert_eq!(shared(&values, 1, 64).as_deref(), Some("as large as 0"));
        assert_eq!(shared(&values, 2, 64), None);
        assert_eq!(shared(&values, 3, 64).as_deref(), Some("rounding"));
    }
}
