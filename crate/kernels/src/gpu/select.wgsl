// Chosen rows. A thread takes one number of the result.
// info: numbers of the result, numbers of a row, workgroups in direction y.

@group(0) @binding(0) var<storage, {input}> x: array<f32>;
@group(0) @binding(1) var<storage, {input}> rows: array<i32>;
@group(0) @binding(2) var<storage, read_write> chosen: array<f32>;
@group(0) @binding(3) var<storage, read> info: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = (group.z * info[2] + group.y) * 64u + thread;
    if (i >= info[0]) {
        return;
    }
    chosen[i] = x[u32(rows[i / info[1]]) * info[1] + i % info[1]];
}
