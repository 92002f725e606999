// all[c, m, n] = s_w[m, n] * inverse[c, m] + w_w[c, n] * change[c, m] + bias[n]. A thread takes one element.
// info: c, m, elements of a row, workgroups in direction y.

@group(0) @binding(0) var<storage, {input}> s_w: array<{numbers}>;
@group(0) @binding(1) var<storage, {input}> w_w: array<{numbers}>;
@group(0) @binding(2) var<storage, {input}> change: array<f32>;
@group(0) @binding(3) var<storage, {input}> inverse: array<f32>;
@group(0) @binding(4) var<storage, {input}> bias: array<{numbers}>;
@group(0) @binding(5) var<storage, read_write> all: array<{numbers}>;
@group(0) @binding(6) var<storage, read> info: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let width = info[2];
    let i = (group.z * info[3] + group.y) * 64u + thread;
    if (i >= info[0] * info[1] * width) {
        return;
    }
    let column = i % width;
    let row = i / width;
    all[i] = s_w[(row % info[1]) * width + column] * inverse[row]
        + w_w[(row / info[1]) * width + column] * change[row] + bias[column];
}
