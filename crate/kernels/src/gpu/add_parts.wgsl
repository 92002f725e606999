// Adds up the parts of a split product, and then does what follows a product. A thread takes one element.
// info: elements of the result, parts, elements of a row, flags (1 bias, 2 gelu_new, 4 add), workgroups in
// direction y, elements of what is added.

@group(0) @binding(0) var<storage, {input}> parts: array<{numbers}>;
@group(0) @binding(1) var<storage, {input}> bias: array<{numbers}>;
@group(0) @binding(2) var<storage, {input}> add: array<{numbers}>;
@group(0) @binding(3) var<storage, read_write> result: array<{numbers}>;
@group(0) @binding(4) var<storage, read> info: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = (group.z * info[4] + group.y) * 64u + thread;
    if (i >= info[0]) {
        return;
    }
    var number = parts[i];
    for (var part = 1u; part < info[1]; part += 1u) {
        number += parts[part * info[0] + i];
    }
    if ((info[3] & 1u) != 0u) {
        number += bias[i % info[2]];
    }
    if ((info[3] & 2u) != 0u) {
        number = gelu_new{lanes}(number);
    }
    if ((info[3] & 4u) != 0u) {
        number += add[i % info[5]];
    }
    result[i] = number;
}
