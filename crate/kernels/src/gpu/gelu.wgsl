// GPT-2's activation function (gelu_new). A thread takes one element.
// info: elements, workgroups in direction y.

@group(0) @binding(0) var<storage, {input}> x: array<{numbers}>;
@group(0) @binding(1) var<storage, read_write> activated: array<{numbers}>;
@group(0) @binding(2) var<storage, read> info: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = (group.z * info[1] + group.y) * 64u + thread;
    if (i >= info[0]) {
        return;
    }
    activated[i] = gelu_new{lanes}(x[i]);
}
