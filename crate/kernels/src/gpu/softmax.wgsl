// Softmax of each row; numbers below -1e38 count as minus infinity. A workgroup takes one row.
// info: rows, numbers of a row, workgroups in direction y.

@group(0) @binding(0) var<storage, {input}> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> shares: array<f32>;
@group(0) @binding(2) var<storage, read> info: array<u32>;

const THREADS = 64u;
const HIDDEN = -1e38;

var<workgroup> parts: array<f32, THREADS>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.z * info[2] + group.y;
    if (row >= info[0]) {
        return;
    }
    let width = info[1];
    let first = row * width;

    var own = HIDDEN;
    for (var i = thread; i < width; i += THREADS) {
        own = max(own, x[first + i]);
    }
    parts[thread] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            parts[thread] = max(parts[thread], parts[thread + half]);
        }
    }
    workgroupBarrier();
    let largest = parts[0];
    workgroupBarrier();

    own = 0.0;
    for (var i = thread; i < width; i += THREADS) {
        let number = x[first + i];
        own += select(0.0, exp(max(number - largest, -100.0)), number > HIDDEN);
    }
    parts[thread] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            parts[thread] += parts[thread + half];
        }
    }
    workgroupBarrier();
    let sum = parts[0];

    for (var i = thread; i < width; i += THREADS) {
        let number = x[first + i];
        shares[first + i] = select(0.0, exp(max(number - largest, -100.0)) / sum, number > HIDDEN);
    }
}
