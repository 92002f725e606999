//! The text of a product's kernel. It is written out, without loops over a thread's sums, because compilers keep
//! arrays that loops index in memory.

use std::fmt::Write as _;

use super::product::{ADD, BIAS, GELU, MASK};
use super::tile::Tile;

/// What happens to the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    /// They are written, after bias, activation function, addition or mask.
    Write,
    /// See `summarize_products`.
    Summarize,
}

/// The text of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ProductText {
    pub tile: Tile,
    /// Whether the right side's columns, not its rows, have their numbers next to each other.
    pub transposed: bool,
    pub by_four: bool,
    pub ending: Ending,
}

/// Writes lines of WGSL. Writing to a string cannot fail.
macro_rules! line {
    ($text:expr, $($arguments:tt)*) => { if writeln!($text, $($arguments)*).is_err() { unreachable!() } };
}

impl ProductText {
    /// Slots of four numbers per row of a slice in workgroup memory. One more than needed where threads read
    /// different rows at once, so that these lie in different banks.
    fn slots(&self) -> usize {
        self.tile.depth / 4 + usize::from(self.transposed)
    }

    /// How many slots of four numbers a slice of the right side has in workgroup memory.
    fn right_slots(&self) -> usize {
        if self.transposed {
            self.tile.columns * self.slots()
        } else {
            self.tile.depth * self.tile.columns / 4
        }
    }

    /// Whether results are written four at a time.
    fn writes_fours(&self) -> bool {
        self.by_four && !self.transposed
    }

    /// Its name, for those who watch.
    pub(super) fn name(&self) -> String {
        let what = if self.ending == Ending::Summarize { "vocabulary product" } else { "product" };
        let side = if self.transposed { ", right side by columns" } else { "" };
        let width = if self.by_four { "" } else { ", not aligned" };
        format!("{what} {}x{}{side}{width}", self.tile.rows, self.tile.columns)
    }

    pub(super) fn wgsl(&self) -> String {
        let (tile, [x, y]) = (self.tile, self.tile.threads());
        let result = match self.ending {
            Ending::Summarize => "vec4<f32>",
            Ending::Write if self.writes_fours() => "vec4<f32>",
            Ending::Write => "f32",
        };
        let (third, fourth) = match self.ending {
            Ending::Summarize => ("f32", "i32"),
            Ending::Write => (result, result),
        };
        let mut w = String::new();
        line!(w, "@group(0) @binding(0) var<storage, {{input}}> left: array<{{numbers}}>;");
        line!(w, "@group(0) @binding(1) var<storage, {{input}}> right: array<{{numbers}}>;");
        line!(w, "@group(0) @binding(2) var<storage, {{input}}> bias: array<{third}>;");
        line!(w, "@group(0) @binding(3) var<storage, {{input}}> add: array<{fourth}>;");
        line!(w, "@group(0) @binding(4) var<storage, read_write> result: array<{result}>;");
        line!(w, "@group(0) @binding(5) var<storage, read> info: array<u32>;");
        line!(w, "var<workgroup> rows: array<vec4<f32>, {}>;", tile.rows * self.slots());
        line!(w, "var<workgroup> columns: array<vec4<f32>, {}>;", self.right_slots());
        if self.ending == Ending::Summarize {
            line!(w, "var<workgroup> found: array<vec4<f32>, {}>;", Tile::THREADS);
        }
        w.push_str(if self.by_four { LOAD_FOUR } else { LOAD_ONE });
        line!(w, "@compute @workgroup_size({x}, {y})");
        line!(
            w,
            "fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {{"
        );
        w.push_str(START);
        line!(w, "let x = thread % {x}u; let y = thread / {x}u;");
        line!(w, "let row0 = group.y * {}u; let column0 = group.x * {}u;", tile.rows, tile.columns);
        for (i, j) in self.sums() {
            line!(w, "var s{i}_{j} = {};", if self.transposed { "0.0" } else { "vec4<f32>(0.0)" });
        }
        self.ask(&mut w, "start", true);
        line!(w, "for (var inner = start; inner < end; inner += {}u) {{", tile.depth);
        self.store(&mut w);
        line!(w, "workgroupBarrier();");
        self.ask(&mut w, &format!("inner + {}u", tile.depth), false);
        self.add(&mut w);
        line!(w, "workgroupBarrier();");
        line!(w, "}}");
        match self.ending {
            Ending::Write => self.write(&mut w),
            Ending::Summarize => self.summarize(&mut w),
        }
        line!(w, "}}");
        w
    }

    /// The sums of a thread: its rows, and its columns or fours of columns.
    fn sums(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (rows, columns) =
            (self.tile.thread_rows, self.tile.thread_fours * if self.transposed { 4 } else { 1 });
        (0..rows).flat_map(move |i| (0..columns).map(move |j| (i, j)))
    }

    /// The slots that a thread copies, for each side: `(name, slots, slots per row or column)`.
    fn copies(&self) -> [(char, usize, usize); 2] {
        let (tile, slots) = (self.tile, self.tile.depth / 4);
        let right = if self.transposed { slots } else { tile.columns / 4 };
        [('l', tile.rows * slots, slots), ('r', tile.columns * slots, right)]
    }

    /// Asks for the slice that starts at `inner`.
    fn ask(&self, w: &mut String, inner: &str, declare: bool) {
        for (name, all, per) in self.copies() {
            for i in 0..all.div_ceil(Tile::THREADS) {
                let place = format!("(thread + {}u)", i * Tile::THREADS);
                let (outer, within) = (format!("{place} / {per}u"), format!("{place} % {per}u"));
                let fewer = (i + 1) * Tile::THREADS > all;
                let there = if fewer { format!(" && {place} < {all}u") } else { String::new() };
                let load = match (name, self.transposed) {
                    ('l', _) => format!(
                        "load_left(left_base + (row0 + {outer}) * info[7], {inner} + 4u * ({within}), end, \
                         row0 + {outer} < m{there})"
                    ),
                    (_, true) => format!(
                        "load_right(right_base + (column0 + {outer}) * info[10], {inner} + 4u * ({within}), end, \
                         column0 + {outer} < n{there})"
                    ),
                    _ => format!(
                        "load_right(right_base + ({inner} + {outer}) * info[10], column0 + 4u * ({within}), n, \
                         {inner} + {outer} < end{there})"
                    ),
                };
                line!(w, "{}{name}{i} = {load};", if declare { "var " } else { "" });
            }
        }
    }

    /// Copies what was asked for into workgroup memory.
    fn store(&self, w: &mut String) {
        for (name, all, per) in self.copies() {
            let array = if name == 'l' { "rows" } else { "columns" };
            let padded = if name == 'l' || self.transposed { self.slots() } else { per };
            for i in 0..all.div_ceil(Tile::THREADS) {
                let place = format!("(thread + {}u)", i * Tile::THREADS);
                let slot = if padded == per {
                    place.clone()
                } else {
                    format!("{place} / {per}u * {padded}u + {place} % {per}u")
                };
                let store = format!("{array}[{slot}] = {name}{i};");
                if (i + 1) * Tile::THREADS > all {
                    line!(w, "if ({place} < {all}u) {{ {store} }}");
                } else {
                    line!(w, "{store}");
                }
            }
        }
    }

    /// Adds the products of a slice to the sums.
    fn add(&self, w: &mut String) {
        let (tile, [x, y]) = (self.tile, self.tile.threads());
        line!(w, "for (var slot = 0u; slot < {}u; slot += 1u) {{", tile.depth / 4);
        for i in 0..tile.thread_rows {
            line!(w, "let l{i}_ = rows[(y + {}u) * {}u + slot];", i * y, self.slots());
        }
        if self.transposed {
            for j in 0..4 * tile.thread_fours {
                line!(w, "let r{j}_ = columns[(x + {}u) * {}u + slot];", j * x, self.slots());
                for i in 0..tile.thread_rows {
                    line!(w, "s{i}_{j} += dot(l{i}_, r{j}_);");
                }
            }
        } else {
            for (step, part) in ['x', 'y', 'z', 'w'].into_iter().enumerate() {
                for j in 0..tile.thread_fours {
                    line!(
                        w,
                        "let r{j}_{part} = columns[(4u * slot + {step}u) * {}u + x + {}u];",
                        tile.columns / 4,
                        j * x
                    );
                }
                for (i, j) in self.sums() {
                    line!(w, "s{i}_{j} = fma(vec4<f32>(l{i}_.{part}), r{j}_{part}, s{i}_{j});");
                }
            }
        }
        line!(w, "}}");
    }

    /// The column of a thread's sum, or its first if it is of four.
    fn column(&self, j: usize) -> String {
        let [x, _] = self.tile.threads();
        let times = if self.transposed { 1 } else { 4 };
        format!("column0 + {times}u * (x + {}u)", j * x)
    }

    fn write(&self, w: &mut String) {
        let [_, y] = self.tile.threads();
        line!(w, "let out = batch0 * info[14] + batch1 * info[15] + split * info[16];");
        for (i, j) in self.sums() {
            let (row, column) = (format!("(row0 + y + {}u)", i * y), self.column(j));
            if self.writes_fours() {
                line!(w, "if ({row} < m && {column} < n) {{");
                line!(w, "var number = s{i}_{j};");
                line!(w, "if ((flags & {BIAS}u) != 0u) {{ number += bias[({column}) / 4u]; }}");
                line!(w, "if ((flags & {GELU}u) != 0u) {{ number = gelu_new4(number); }}");
                line!(w, "if ((flags & {ADD}u) != 0u) {{ number += add[({row} * n + {column}) / 4u]; }}");
                line!(w, "result[(out + {row} * info[13] + {column}) / 4u] = number;");
                line!(w, "}}");
                continue;
            }
            for part in if self.transposed { &[""][..] } else { &[".x", ".y", ".z", ".w"] } {
                let offset = part.chars().nth(1).and_then(|part| "xyzw".find(part)).unwrap_or(0);
                line!(w, "if ({row} < m && {column} + {offset}u < n) {{");
                line!(w, "let column = {column} + {offset}u;");
                line!(w, "var number = s{i}_{j}{part};");
                line!(w, "if ((flags & {BIAS}u) != 0u) {{ number += bias[column]; }}");
                line!(w, "if ((flags & {GELU}u) != 0u) {{ number = gelu_new1(number); }}");
                line!(w, "if ((flags & {ADD}u) != 0u) {{ number += add[{row} * n + column]; }}");
                line!(w, "if ((flags & {MASK}u) != 0u) {{");
                line!(w, "let destination = bitcast<u32>(bias[batch0 % info[19] * m + {row}]);");
                line!(
                    w,
                    "number = select(bitcast<f32>(info[18]), number * bitcast<f32>(info[17]), column <= destination);"
                );
                line!(w, "}}");
                line!(w, "result[out + {row} * info[13] + column] = number;");
                line!(w, "}}");
            }
        }
    }

    fn summarize(&self, w: &mut String) {
        let [x, y] = self.tile.threads();
        line!(w, "let tokens = info[20]; let tile = info[21] + group.x;");
        for i in 0..self.tile.thread_rows {
            let row = format!("(row0 + y + {}u)", i * y);
            line!(w, "{{");
            line!(w, "var largest = -1e38; var sum = 0.0; var above = 0.0;");
            line!(w, "let place = 3u * min({row}, m - 1u);");
            line!(
                w,
                "let own = bias[place] + bias[place + 2u]; let own_token = u32(add[{row} % info[19] * 2u]);"
            );
            for step in ["largest", "sum"] {
                for j in 0..4 * self.tile.thread_fours {
                    let column = self.column(j);
                    line!(w, "if ({column} < n) {{");
                    if step == "largest" {
                        line!(w, "largest = max(largest, s{i}_{j});");
                    } else {
                        line!(w, "sum += exp(max(s{i}_{j} - largest, -100.0));");
                        line!(w, "if (s{i}_{j} > own && tokens + {column} != own_token) {{ above += 1.0; }}");
                    }
                    line!(w, "}}");
                }
            }
            line!(w, "found[thread] = vec4<f32>(largest, sum, above, 0.0);");
            line!(w, "workgroupBarrier();");
            line!(w, "if (x == 0u && {row} < m) {{");
            line!(
                w,
                "for (var other = 1u; other < {x}u; other += 1u) {{ largest = max(largest, found[thread + other].x); }}"
            );
            line!(w, "sum *= exp(max(found[thread].x - largest, -100.0));");
            line!(w, "for (var other = 1u; other < {x}u; other += 1u) {{");
            line!(w, "sum += found[thread + other].y * exp(max(found[thread + other].x - largest, -100.0));");
            line!(w, "above += found[thread + other].z;");
            line!(w, "}}");
            line!(w, "result[{row} * info[22] + tile] = vec4<f32>(largest, sum, above, 0.0);");
            line!(w, "}}");
            line!(w, "workgroupBarrier();");
            line!(w, "}}");
        }
    }
}

/// What a product reads first: `info` is filled in by `multiply`.
const START: &str = "
let m = info[0]; let n = info[1]; let flags = info[6];
let split = group.z % info[4];
let batch1 = group.z / info[4] % info[5];
let batch0 = group.z / info[4] / info[5];
let start = split * info[3];
let end = min(start + info[3], info[2]);
let left_base = batch0 * info[8] + batch1 * info[9];
let right_base = batch0 * info[11] + batch1 * info[12];
";

/// Four numbers from `base + place` on: 0 where `there` is false, or beyond `end`.
const LOAD_FOUR: &str = "
fn load_left(base: u32, place: u32, end: u32, there: bool) -> vec4<f32> {
    if (there && place < end) { return left[(base + place) / 4u]; }
    return vec4<f32>(0.0);
}
fn load_right(base: u32, place: u32, end: u32, there: bool) -> vec4<f32> {
    if (there && place < end) { return right[(base + place) / 4u]; }
    return vec4<f32>(0.0);
}
";

/// The same, where they may start anywhere.
const LOAD_ONE: &str = "
fn load_left(base: u32, place: u32, end: u32, there: bool) -> vec4<f32> {
    var numbers = vec4<f32>(0.0);
    if (there && place < end) { numbers.x = left[base + place]; }
    if (there && place + 1u < end) { numbers.y = left[base + place + 1u]; }
    if (there && place + 2u < end) { numbers.z = left[base + place + 2u]; }
    if (there && place + 3u < end) { numbers.w = left[base + place + 3u]; }
    return numbers;
}
fn load_right(base: u32, place: u32, end: u32, there: bool) -> vec4<f32> {
    var numbers = vec4<f32>(0.0);
    if (there && place < end) { numbers.x = right[base + place]; }
    if (there && place + 1u < end) { numbers.y = right[base + place + 1u]; }
    if (there && place + 2u < end) { numbers.z = right[base + place + 2u]; }
    if (there && place + 3u < end) { numbers.w = right[base + place + 3u]; }
    return numbers;
}
";
