// LayerNorm without weights. A workgroup takes one row.
// info: rows, elements of a row, numbers of a row, eps, workgroups in direction y.

@group(0) @binding(0) var<storage, {input}> x: array<{numbers}>;
@group(0) @binding(1) var<storage, read_write> normalized: array<{numbers}>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;
@group(0) @binding(3) var<storage, read> info: array<u32>;

const THREADS = 64u;

var<workgroup> parts: array<f32, THREADS>;

fn sum(x: {numbers}) -> f32 {
    return {sum};
}

// The sum over the workgroup's threads.
fn total(own: f32, thread: u32) -> f32 {
    parts[thread] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            parts[thread] += parts[thread + half];
        }
    }
    workgroupBarrier();
    let all = parts[0];
    workgroupBarrier();
    return all;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.z * info[4] + group.y;
    if (row >= info[0]) {
        return;
    }
    let width = info[1];
    let first = row * width;
    let count = f32(info[2]);

    var own = 0.0;
    for (var i = thread; i < width; i += THREADS) {
        own += sum(x[first + i]);
    }
    let mean = total(own, thread) / count;

    own = 0.0;
    for (var i = thread; i < width; i += THREADS) {
        let centred = x[first + i] - mean;
        own += sum(centred * centred);
    }
    let scale = sqrt(total(own, thread) / count + bitcast<f32>(info[3]));

    for (var i = thread; i < width; i += THREADS) {
        normalized[first + i] = (x[first + i] - mean) / scale;
    }
    if (thread == 0u) {
        scales[row] = scale;
    }
}
