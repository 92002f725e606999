// Log-sum-exp of all logits, and how many are above the answer's, from what each tile of the vocabulary found.
// A workgroup takes one row.
// info: rows, tiles, workgroups in direction y.

// Answer's and distractor's logits, and the mean over the vocabulary that they are relative to.
@group(0) @binding(0) var<storage, {input}> chosen: array<f32>;
// Largest logit, sum of exponentials relative to it, number above the answer's.
@group(0) @binding(1) var<storage, {input}> tiles: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> found: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> info: array<u32>;

const THREADS = 64u;

var<workgroup> parts: array<vec4<f32>, THREADS>;

fn together(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let largest = max(a.x, b.x);
    let sum = a.y * exp(max(a.x - largest, -100.0)) + b.y * exp(max(b.x - largest, -100.0));
    return vec4<f32>(largest, sum, a.z + b.z, 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.z * info[2] + group.y;
    if (row >= info[0]) {
        return;
    }
    var own = vec4<f32>(-1e38, 0.0, 0.0, 0.0);
    for (var i = thread; i < info[1]; i += THREADS) {
        own = together(own, tiles[row * info[1] + i]);
    }
    parts[thread] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            parts[thread] = together(parts[thread], parts[thread + half]);
        }
    }
    if (thread == 0u) {
        let all = parts[0];
        let mean = chosen[3u * row + 2u];
        found[row] = vec4<f32>(chosen[3u * row], chosen[3u * row + 1u], log(all.y) + all.x - mean, all.z);
    }
}
