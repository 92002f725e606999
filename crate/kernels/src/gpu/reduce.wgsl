// Sum, mean or maximum of each row. A workgroup takes one row.
// info: rows, numbers of a row, 0 sum, 1 mean or 2 maximum, workgroups in direction y.

@group(0) @binding(0) var<storage, {input}> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> reduced: array<f32>;
@group(0) @binding(2) var<storage, read> info: array<u32>;

const THREADS = 64u;

var<workgroup> parts: array<f32, THREADS>;

fn together(a: f32, b: f32, kind: u32) -> f32 {
    // A NaN is the largest. Compilers may take a comparison for one of numbers, so its bits are looked at.
    let is_nan = (bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u;
    return select(a + b, select(b, a, is_nan || a >= b), kind == 2u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.z * info[3] + group.y;
    if (row >= info[0]) {
        return;
    }
    let width = info[1];
    let kind = info[2];
    let first = row * width;
    // Threads beyond the row's end repeat its last number, which adds nothing to a maximum.
    var own = select(0.0, x[first + min(thread, width - 1u)], kind == 2u || thread < width);
    for (var i = thread + THREADS; i < width; i += THREADS) {
        own = together(own, x[first + i], kind);
    }
    parts[thread] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            parts[thread] = together(parts[thread], parts[thread + half], kind);
        }
    }
    if (thread == 0u) {
        reduced[row] = select(parts[0], parts[0] / f32(width), kind == 1u);
    }
}
