// Arithmetic on numbers wherever they are, and copies. A thread takes one number of the result.
// info: see combine.rs.

@group(0) @binding(0) var<storage, {input}> left: array<f32>;
@group(0) @binding(1) var<storage, {input}> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<storage, read> info: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = (group.z * info[1] + group.y) * 64u + thread;
    if (i >= info[0]) {
        return;
    }
    var rest = i;
    var l = info[4];
    var r = 0u;
    var out = info[5];
    for (var axis = 0u; axis < 4u; axis += 1u) {
        let size = info[6u + axis];
        let index = rest % size;
        rest /= size;
        l += index * info[10u + axis];
        r += index * info[14u + axis];
        out += index * info[18u + axis];
    }
    let a = left[l];
    var b = bitcast<f32>(info[3]);
    let operation = info[2];
    if (operation >= 16u) {
        b = right[r];
    }
    switch (operation % 16u) {
        case 1u: { result[out] = a + b; }
        case 2u: { result[out] = a - b; }
        case 3u: { result[out] = a * b; }
        case 4u: { result[out] = a / b; }
        case 5u: { result[out] = sqrt(a); }
        case 6u: { result[out] = 1.0 / a; }
        case 7u: { result[out] = abs(a); }
        case 8u: { result[out] = b; }
        case 9u: { result[out] = select(1.0, 0.0, a == b); }
        default: { result[out] = a; }
    }
}
