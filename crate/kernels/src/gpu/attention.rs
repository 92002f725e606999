//! Scores, mask, softmax and mix in one launch.

use burn::tensor::{Int, Tensor};
use burn_cubecl::tensor::CubeTensor;

use super::shader::{Shader, Text, output, spread};
use super::{integers, primitive, tensor};

/// Queries of a workgroup.
const TILE: usize = 8;
/// Widest head that fits into the workgroup memory that every device has: 27 slots of four numbers per number
/// of a tile.
const WIDEST: usize = 160;

/// Whether heads of this width can be computed in one launch.
pub(crate) fn fits(width: usize) -> bool {
    width <= WIDEST
}

/// See [`crate::attention`]: queries, keys and values, past keys and values, `destinations [1 or b, n]`.
pub(crate) fn attention(
    [q, k, v]: [Tensor<4>; 3],
    past: Option<[Tensor<4>; 2]>,
    destinations: Tensor<2, Int>,
) -> Tensor<4> {
    let ([rows, n, heads, width], [_, computed, ..]) = (q.dims(), k.dims());
    let [lists, _] = destinations.dims();
    let (before, prompts) = past.as_ref().map_or((0, 1), |[keys, _]| (keys.dims()[1], keys.dims()[0]));
    let [q, k, v] = [q, k, v].map(last_axis_contiguous);
    let [past_k, past_v] = match past {
        Some(past) => past.map(last_axis_contiguous),
        None => [k.clone(), v.clone()],
    };
    let all = [&q, &k, &v, &past_k, &past_v];
    let by_four = width.is_multiple_of(4)
        && all.iter().all(|tensor| strides(tensor).iter().all(|stride| stride.is_multiple_of(4)));
    let z = output([rows, n, heads, width], &q);

    let ([y, z_groups], first) = spread(rows);
    let mut info = vec![rows, n, heads, width, before + computed, before, prompts, first];
    info.extend(all.iter().flat_map(|tensor| strides(tensor)));
    info.push(lists);
    let mut info: Vec<u32> = info.into_iter().map(|number| number as u32).collect();
    info.push((1.0 / (width as f32).sqrt()).to_bits());
    let shader = Shader { text: Text::Attention(width.div_ceil(4)), threads: [64, 1], by_four };
    let inputs = [&q, &k, &v, &past_k, &past_v, &integers(destinations)];
    shader.launch(&inputs, &[&z], &info, [heads * n.div_ceil(TILE), y, z_groups]);
    tensor(z)
}

/// The distances between rows, positions and heads.
fn strides(tensor: &CubeTensor) -> [usize; 3] {
    let strides = tensor.meta.strides();
    [strides[0], strides[1], strides[2]]
}

/// A copy where the numbers of a head are not next to each other.
fn last_axis_contiguous(x: Tensor<4>) -> CubeTensor {
    let x = primitive(x);
    let (shape, strides) = (x.meta.shape(), x.meta.strides());
    if strides[3] == 1 || shape[3] == 1 { x } else { super::combine::row_major(x) }
}

/// The kernel for heads that fill `slots` slots of four numbers, the last perhaps not whole.
pub(super) fn text(slots: usize, by_four: bool) -> String {
    let mut text = include_str!("attention.wgsl").replace("{slots}", &slots.to_string());
    let load = |name: &str| {
        if by_four {
            return format!(
                "fn load_{name}(offset: u32, slot: u32) -> vec4<f32> {{ return {name}[offset / 4u + slot]; }}\n"
            );
        }
        let number = |i: usize| {
            format!("if (i + {i}u < info[3]) {{ numbers[{i}] = {name}[offset + i + {i}u]; }}\n    ")
        };
        format!(
            "fn load_{name}(offset: u32, slot: u32) -> vec4<f32> {{\n    var numbers = vec4<f32>(0.0);\n    \
             let i = 4u * slot;\n    {}return numbers;\n}}\n",
            [0, 1, 2, 3].map(number).concat()
        )
    };
    let loads: String = ["q", "k", "v", "past_k", "past_v"].map(load).concat();
    let each = |line: &dyn Fn(usize) -> String| (0..slots.div_ceil(TILE)).map(line).collect::<String>();
    // The last slots of a thread may not exist: their sums are of another slot's values, and not stored.
    let slot = |i: usize| format!("min(thread % TILE + {}u, SLOTS - 1u)", TILE * i);
    let store = |i: usize| {
        let slot = format!("thread % TILE + {}u", TILE * i);
        let stores = if by_four {
            format!("z[out / 4u + {slot}] = z{i} / sum;")
        } else {
            let one = |j: usize| {
                format!(
                    "if (4u * ({slot}) + {j}u < info[3]) {{ z[out + 4u * ({slot}) + {j}u] = z{i}[{j}] / sum; }}\n"
                )
            };
            [0, 1, 2, 3].map(one).concat()
        };
        format!("if ({slot} < SLOTS) {{ {stores} }}\n")
    };
    for (name, lines) in [
        ("{loads}", loads),
        ("{zeros}", each(&|i| format!("var z{i} = vec4<f32>(0.0);\n"))),
        ("{shrinks}", each(&|i| format!("z{i} *= shrink;\n"))),
        ("{sums}", each(&|i| format!("z{i} += share * values[i * SLOTS + {}];\n", slot(i)))),
        ("{stores}", each(&store)),
    ] {
        text = text.replace(name, &lines);
    }
    text
}
