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
    let number = x[i];
    // Beyond +-30 the sigmoid is 0 or 1 in f32, and WGSL promises nothing of larger exponentials.
    let argument = number * (number * number * 0.0713548162726 + 1.5957691216);
    activated[i] = number / (1.0 + exp(clamp(-argument, {numbers}(-30.0), {numbers}(30.0))));
}
