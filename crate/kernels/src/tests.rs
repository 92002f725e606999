//! The operations for tensors in main memory and for a GPU, against those in Burn's operations on the
//! processor.
//!
//! Shapes are drawn, odd and tiny ones among them, besides those of GPT-2. Numbers are below 1, so a sum of `k`
//! products carries a rounding error of about `k` times that of one number, in whatever order it is added up.

use burn::tensor::{Device, TensorData};

use super::*;

/// Unit of rounding of numbers below 1.
const UNIT: f32 = f32::EPSILON;

fn flex() -> Device {
    Device::flex()
}

/// The graphics adapter, software where there is no other.
fn gpu() -> Device {
    static GPU: std::sync::OnceLock<Device> = std::sync::OnceLock::new();
    GPU.get_or_init(|| Device::wgpu_options().init().expect("a graphics adapter")).clone()
}

/// Draws numbers and sizes, the same in every run.
struct Draw(fastrand::Rng);

impl Draw {
    fn new() -> Self {
        Draw(fastrand::Rng::with_seed(7))
    }

    fn numbers<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let count = shape.iter().product();
        let numbers: Vec<f32> = (0..count).map(|_| 2.0 * self.0.f32() - 1.0).collect();
        Tensor::from_data(TensorData::new(numbers, shape), &flex())
    }

    /// Small and odd sizes mostly, now and then one beyond a tile.
    fn size(&mut self) -> usize {
        match self.0.usize(0..4) {
            0 => self.0.usize(1..5),
            1 => 4 * self.0.usize(1..10),
            2 => self.0.usize(1..40),
            _ => self.0.usize(60..150),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test may wait")]
fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.0.into_data().try_into_vec().expect("f32")
}

fn on<const D: usize>(device: &Device, x: &Tensor<D>) -> Tensor<D> {
    Tensor(x.0.clone().to_device(device))
}

#[track_caller]
fn same<const D: usize>(found: Tensor<D>, expected: Tensor<D>, tolerance: f32, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    for (place, (found, expected)) in numbers(found).into_iter().zip(numbers(expected)).enumerate() {
        let same = found == expected || (found - expected).abs() <= tolerance * (1.0 + expected.abs());
        assert!(same, "{what}, at {place}: {found} is not {expected}");
    }
}

/// GPT-2's products for a few prompts, with and without a split inner dimension, and one for every tile.
const SHAPES: [[usize; 3]; 5] =
    [[8, 768, 768], [64, 3072, 768], [64, 768, 2304], [300, 64, 256], [2100, 64, 2100]];

#[test]
fn affine_maps_and_what_follows() {
    let mut draw = Draw::new();
    let drawn: Vec<[usize; 3]> = (0..30).map(|_| [draw.size(), draw.size(), draw.size()]).collect();
    for [m, k, n] in drawn.into_iter().chain(SHAPES) {
        let (x, w) = (draw.numbers([m, k]), draw.numbers([k, n]));
        let (bias, other) = (draw.numbers([1, n]), draw.numbers([m, n]));
        let tolerance = UNIT * (k as f32 + 8.0);
        for then in [Then::Nothing, Then::Gelu, Then::Add(other)] {
            let y = Tensor(plain::affine(x.0.clone(), w.0.clone(), bias.0.clone()));
            let expected = match then.clone() {
                Then::Nothing => y,
                Then::Gelu => Tensor(plain::gelu_new(y.0)),
                Then::Add(other) => other + y,
            };
            for device in [flex(), gpu()] {
                let then = match &then {
                    Then::Add(other) => Then::Add(on(&device, other)),
                    then => then.clone(),
                };
                let found = affine(on(&device, &x), on(&device, &w), on(&device, &bias), then);
                same(found, expected.clone(), tolerance, &format!("{m} x {k} x {n} on {device:?}"));
            }
        }
    }
}

#[test]
fn products_of_transposed_and_cut_matrices() {
    let mut draw = Draw::new();
    for _ in 0..30 {
        let [m, k, n] = [draw.size(), draw.size(), draw.size()];
        let (left, right) = (draw.numbers([m + 2, k + 3]), draw.numbers([n + 1, k + 5]));
        let cut = |left: &Tensor<2>, right: &Tensor<2>| {
            let left = left.clone().slice([1..m + 1, 2..k + 2]);
            let right = right.clone().slice([1..n + 1, 3..k + 3]);
            // The right side transposed, and both sides.
            [product(left.clone(), right.clone().transpose()), product(right, left.transpose())]
        };
        let expected = cut(&left, &right);
        for (found, expected) in cut(&on(&gpu(), &left), &on(&gpu(), &right)).into_iter().zip(expected) {
            same(found, expected, UNIT * (k as f32 + 8.0), &format!("{m} x {k} x {n}"));
        }
    }
}

#[test]
fn one_product_per_head() {
    let mut draw = Draw::new();
    for _ in 0..20 {
        let (c, [m, k, n]) = (draw.0.usize(1..6), [draw.size(), draw.size(), draw.size()]);
        // As heads lie in the residual stream: [m, c, k], seen as [c, m, k].
        let (left, right, add) = (draw.numbers([m, c, k]), draw.numbers([c, k, n]), draw.numbers([m, n]));
        let on_device = |device: &Device| {
            products(on(device, &left).swap_dims(0, 1), on(device, &right), on(device, &add))
        };
        same(
            on_device(&gpu()),
            on_device(&flex()),
            UNIT * (k as f32 + 8.0),
            &format!("{c} x {m} x {k} x {n}"),
        );
    }
}

#[test]
fn layer_norms() {
    let mut draw = Draw::new();
    for [b, p, d] in [[1, 1, 1], [2, 3, 13], [3, 8, 768], [1, 1, 4], [5, 7, 30]] {
        let x = draw.numbers([b, p, d]) + 3.0;
        let (normalized, scale) = plain::layer_norm(x.0.clone(), 1e-5);
        let (normalized, scale) = (Tensor(normalized), Tensor(scale));
        for device in [flex(), gpu()] {
            let found = layer_norm(on(&device, &x), 1e-5);
            // The mean, about 3, is known to three roundings; a small variance makes them larger.
            let tolerance = 3.0 * 8.0 * UNIT / if d < 4 { 1e-2 } else { 0.3 };
            same(found.normalized, normalized.clone(), tolerance, &format!("{d} on {device:?}"));
            same(found.scale, scale.clone(), tolerance, &format!("{d} on {device:?}"));
        }
    }
}

#[test]
fn activations() {
    let mut draw = Draw::new();
    for shape in [[1, 1], [3, 5], [8, 3072], [100, 1000]] {
        let x = draw.numbers(shape) * 40.0;
        for device in [flex(), gpu()] {
            same(
                gelu_new(on(&device, &x)),
                Tensor(plain::gelu_new(x.0.clone())),
                16.0 * UNIT,
                &format!("{shape:?}"),
            );
        }
    }
}

#[test]
fn rank_one_changes() {
    let mut draw = Draw::new();
    for _ in 0..20 {
        let [c, m, n] = [draw.size(), draw.0.usize(1..30), draw.size()];
        let all = [draw.numbers([m, n]), draw.numbers([c, n]), draw.numbers([c, m]), draw.numbers([c, m])];
        let bias = draw.numbers([1, n]);
        let on_device = |device: &Device| all.each_ref().map(|x| on(device, x));
        let [s_w, w_w, change, inverse] = on_device(&flex());
        let expected = Tensor(plain::rank_one(s_w.0, w_w.0, change.0, inverse.0, bias.0.clone()));
        for device in [flex(), gpu()] {
            let [s_w, w_w, change, inverse] = on_device(&device);
            let found = rank_one(s_w, w_w, change, inverse, on(&device, &bias));
            same(found, expected.clone(), 4.0 * UNIT, &format!("{c} x {m} x {n}"));
        }
    }
}

/// Copies, prompts, queries, past positions, heads, head width.
fn attention_shapes(draw: &mut Draw) -> Vec<[usize; 6]> {
    let mut drawn = |most| draw.0.usize(1..most);
    let drawn = (0..25).map(|_| [drawn(4), drawn(4), drawn(20), drawn(12) - 1, drawn(5), drawn(40)]);
    drawn
        .chain([
            [3, 2, 6, 2, 12, 64],
            [1, 1, 300, 0, 2, 64],
            [1, 2, 9, 4, 2, 160],
            [1, 1, 5, 0, 1, 200],
            [2, 2, 5, 3, 2, 200],
        ])
        .collect()
}

#[test]
fn a_past_is_what_stands_before() {
    let mut draw = Draw::new();
    for [c, b, t, s, h, e] in attention_shapes(&mut draw).into_iter().filter(|shape| shape[3] > 0) {
        let [q, k, v] = [0; 3].map(|_| draw.numbers([c * b, t, h, e]) * 3.0);
        let [keys, values] = [0; 2].map(|_| draw.numbers([b, s, h, e]));
        let mask = CausalMask::new(&[(s..s + t).collect()], s + t, &flex());
        let copied = |past: &Tensor<4>, own: &Tensor<4>| {
            Tensor::cat(vec![Tensor::cat(vec![past.clone(); c], 0), own.clone()], 1)
        };
        let [all_k, all_v] = [copied(&keys, &k), copied(&values, &v)];
        let whole = attention(q.clone(), all_k, all_v, None, &mask);
        let continued = attention(q, k, v, Some(Past { keys, values }), &mask);
        let tolerance = UNIT * 9.0 * (e as f32).sqrt() * 4.0 + UNIT * (s + t) as f32;
        same(
            continued,
            whole,
            tolerance,
            &format!("{c} x {b} prompts, {s} + {t} positions, {h} heads of {e}"),
        );
    }
}

#[test]
fn attention_with_and_without_a_past() {
    let mut draw = Draw::new();
    for [c, b, t, s, h, e] in attention_shapes(&mut draw) {
        let current = [0; 3].map(|_| draw.numbers([c * b, t, h, e]) * 3.0);
        let past = [0; 2].map(|_| draw.numbers([b, s.max(1), h, e]));
        let ends: Vec<usize> = (0..b).map(|_| draw.0.usize(0..t)).collect();
        let on_device = |device: &Device, last_only: bool| {
            let [q, k, v] = current.each_ref().map(|x| on(device, x));
            let [keys, values] = past.each_ref().map(|x| on(device, x));
            let destinations: Vec<Vec<usize>> = if last_only {
                ends.iter().map(|end| vec![s + end]).collect()
            } else {
                vec![(s..s + t).collect()]
            };
            let q = if last_only { q.slice([0..c * b, 0..1, 0..h, 0..e]) } else { q };
            let mask = CausalMask::new(&destinations, s + t, device);
            attention(q, k, v, (s > 0).then_some(Past { keys, values }), &mask)
        };
        for last_only in [false, true] {
            let what = format!("{c} x {b} prompts, {s} + {t} positions, {h} heads of {e}, {last_only}");
            // Scores are below 9 sqrt(e), and their error becomes a relative one of the exponentials.
            let tolerance = UNIT * 9.0 * (e as f32).sqrt() * 4.0 + UNIT * (s + t) as f32;
            same(on_device(&gpu(), last_only), on_device(&flex(), last_only), tolerance, &what);
        }
    }
}

#[test]
fn scores_patterns_and_mixes() {
    let mut draw = Draw::new();
    for [c, b, t, s, h, e] in attention_shapes(&mut draw) {
        let [q, k, v] = [0; 3].map(|_| draw.numbers([c * b, t, h, e]));
        let [keys, values] = [0; 2].map(|_| draw.numbers([b, s.max(1), h, e]));
        let on_device = |device: &Device| {
            let past = Past { keys: on(device, &keys), values: on(device, &values) };
            let past = (s > 0).then_some(&past);
            let mask = CausalMask::new(&[(s..s + t).collect()], s + t, device);
            let scores = scores(on(device, &q), on(device, &k), past, &mask);
            let pattern = softmax(scores.clone());
            (scores, pattern.clone(), mix(pattern, on(device, &v), past))
        };
        let ((scores, pattern, z), expected) = (on_device(&gpu()), on_device(&flex()));
        let what = format!("{c} x {b} prompts, {s} + {t} positions, {h} heads of {e}");
        let tolerance = UNIT * (e + s + t) as f32;
        same(scores, expected.0, tolerance, &what);
        same(pattern, expected.1, tolerance, &what);
        same(z, expected.2, tolerance, &what);
    }
}

#[test]
fn logits_of_chosen_tokens_and_of_the_vocabulary() {
    let mut draw = Draw::new();
    for [c, prompts, d, tokens] in [[1, 1, 1, 2], [3, 2, 8, 70], [2, 3, 13, 131], [9, 8, 96, 1000]] {
        let n = c * prompts;
        let h = draw.numbers([n, d]);
        let rows = draw.numbers([tokens, d]);
        // Blocks of uneven sizes.
        let first = tokens / 3 + 1;
        let blocks = [rows.clone().slice([0..first, 0..d]), rows.clone().slice([first..tokens, 0..d])];
        let ids: Vec<i32> = (0..2 * prompts).map(|_| draw.0.i32(0..tokens as i32)).collect();
        let asked = |device: &Device| Indices::new(ids.clone(), [prompts, 2], device);
        let mean = rows.clone().mean_dim(0);
        let chosen = rows.select(&Indices::new(ids.clone(), [2 * prompts], &flex())).reshape([prompts, 2, d]);
        let mean: Tensor<3> = mean.unsqueeze::<3>().expand([prompts, 1, d]);
        let directions = Tensor::cat(vec![chosen - mean.clone(), mean], 1);
        let constants = draw.numbers([prompts, 3]);

        let tolerance = UNIT * (d as f32 + 16.0);
        let expected = chosen_logits(h.clone(), directions.clone(), constants.clone());
        let found = chosen_logits(on(&gpu(), &h), on(&gpu(), &directions), on(&gpu(), &constants));
        same(found.clone(), expected.clone(), tolerance, "chosen logits");
        let expected = vocabulary(h.clone(), &blocks, expected, &asked(&flex()));
        let blocks = blocks.each_ref().map(|block| on(&gpu(), block));
        let found = vocabulary(on(&gpu(), &h), &blocks, found, &asked(&gpu()));
        same(found, expected, tolerance, &format!("{n} rows, {tokens} tokens"));
    }
}

#[test]
fn products_in_a_page_are_flexs() {
    /// Integers, so that sums are exact in any order.
    fn matrix(rows: usize, columns: usize) -> Tensor<2> {
        let numbers = (0..rows * columns).map(|i| (i * 37 % 23) as f32 - 11.0).collect::<Vec<_>>();
        Tensor::from_data(TensorData::new(numbers, [rows, columns]), &flex())
    }
    let compare = |left: Tensor<2>, right: Tensor<2>| {
        let (left, right) = (left.0, right.0);
        same(
            Tensor(cpu::multiplied(left.clone(), right.clone())),
            Tensor(left.matmul(right)),
            0.0,
            "product",
        );
    };
    for (m, k, n) in [(1, 1, 1), (3, 5, 12), (4, 384, 13), (7, 385, 24), (64, 800, 31), (5, 2, 100)] {
        compare(matrix(m, k), matrix(k, n));
        // Transposed matrices, and slices of larger ones.
        compare(matrix(k, m).transpose(), matrix(n, k).transpose());
        compare(
            matrix(m + 2, k + 3).slice([1..m + 1, 2..k + 2]),
            matrix(k + 1, n + 5).slice([1..k + 1, 3..n + 3]),
        );
    }
}

#[test]
fn arithmetic_with_repeated_axes() {
    let mut draw = Draw::new();
    for _ in 0..20 {
        let shape: [usize; 4] = [0; 4].map(|_| draw.0.usize(1..7));
        let mut narrow = || shape.map(|size| if draw.0.bool() { size } else { 1 });
        let (left, right) = (narrow(), narrow());
        let (left, right) = (draw.numbers(left), draw.numbers(right) + 2.0);
        let on_device = |device: &Device| {
            let (left, right) = (on(device, &left), on(device, &right));
            let both =
                [left.clone() + right.clone(), left.clone() - right.clone(), left.clone() * right.clone()];
            let alone =
                [left.clone() / 3.0, right.clone().sqrt(), right.clone().recip(), left.clone().abs() - 1.0];
            let told = [left.clone().differs(left.clone()), left.clone().differs(right.clone())];
            both.into_iter().chain(alone).chain(told).chain([left / right]).collect::<Vec<_>>()
        };
        for (found, expected) in on_device(&gpu()).into_iter().zip(on_device(&flex())) {
            same(found, expected, 4.0 * UNIT, &format!("{shape:?}"));
        }
    }
}

#[test]
fn parts_and_shapes() {
    let mut draw = Draw::new();
    for _ in 0..20 {
        let [a, b, c] = [0; 3].map(|_| draw.0.usize(2..70));
        let (x, other) = (draw.numbers([a, b, c]), draw.numbers([a, 3, c]));
        let value = draw.numbers([a, b, c]);
        let rows: Vec<i32> = (0..5).map(|_| draw.0.i32(0..a as i32)).collect();
        let on_device = |device: &Device| {
            let (x, other, value) = (on(device, &x), on(device, &other), on(device, &value));
            let indices = Indices::new(rows.clone(), [5], device);
            let part = [1..2, 0..b, 1..c];
            [
                x.clone().slice([0..a, 1..b, 1..c]),
                x.clone().slice([1..a, 0..b, 0..c]).swap_dims(0, 2),
                x.clone().slice_assign(part.clone(), value.slice(part)),
                Tensor::cat(vec![x.clone(), other.swap_dims(0, 2).swap_dims(0, 2), x.clone()], 1),
                x.clone().swap_dims(0, 1).reshape([a, c, b]),
                x.clone().slice([0..a, 0..b, 1..c]).reshape([b, a, c - 1]).transpose(),
                x.clone().select(&indices),
                x.clone().sum_dim(2),
                x.clone().mean_dim(0),
                x.clone().transpose().sum_dim(1),
                x.zeros([2, 3, 4]),
                x.max().reshape([1, 1, 1]),
            ]
        };
        for (place, (found, expected)) in on_device(&gpu()).into_iter().zip(on_device(&flex())).enumerate() {
            same(found, expected, 70.0 * UNIT, &format!("{a} x {b} x {c}, {place}"));
        }
    }
}

#[test]
fn what_is_not_a_number_is_the_largest() {
    for place in [0, 70, 199] {
        let mut all: Vec<f32> = (0..200).map(|number| number as f32).collect();
        all[place] = f32::NAN;
        let x = Tensor::<1>::from_data(TensorData::new(all, [200]), &gpu());
        assert!(numbers(x.max())[0].is_nan());
    }
}
