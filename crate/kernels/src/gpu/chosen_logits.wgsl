// For each row and each of its chosen directions, the inner product plus a constant. Rows cycle through the
// prompts. A workgroup takes one result.
// info: rows, elements of a row, directions per prompt, prompts, workgroups in direction y.

@group(0) @binding(0) var<storage, {input}> normalized: array<{numbers}>;
@group(0) @binding(1) var<storage, {input}> directions: array<{numbers}>;
@group(0) @binding(2) var<storage, {input}> constants: array<f32>;
@group(0) @binding(3) var<storage, read_write> logits: array<f32>;
@group(0) @binding(4) var<storage, read> info: array<u32>;

const THREADS = 64u;

var<workgroup> parts: array<f32, THREADS>;

fn sum(x: {numbers}) -> f32 {
    return {sum};
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.z * info[4] + group.y;
    if (row >= info[0]) {
        return;
    }
    let width = info[1];
    let direction = row % info[3] * info[2] + group.x;

    var own = 0.0;
    for (var i = thread; i < width; i += THREADS) {
        own += sum(normalized[row * width + i] * directions[direction * width + i]);
    }
    parts[thread] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            parts[thread] += parts[thread + half];
        }
    }
    if (thread == 0u) {
        logits[row * info[2] + group.x] = parts[0] + constants[direction];
    }
}
