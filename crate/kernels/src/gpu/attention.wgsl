// Attention of one head and up to eight queries a workgroup: scores, softmax and mix, eight keys at a time.
// The largest score so far, and sums relative to it, are carried along (Milakov and Gimelshein 2018, "Online
// normalizer calculation for softmax"). Thread `8 query + key` takes one score, and then every eighth slot of
// four numbers of the query's result.
// info: see attention.rs.

@group(0) @binding(0) var<storage, {input}> q: array<{numbers}>;
@group(0) @binding(1) var<storage, {input}> k: array<{numbers}>;
@group(0) @binding(2) var<storage, {input}> v: array<{numbers}>;
@group(0) @binding(3) var<storage, {input}> past_k: array<{numbers}>;
@group(0) @binding(4) var<storage, {input}> past_v: array<{numbers}>;
@group(0) @binding(5) var<storage, {input}> destinations: array<i32>;
@group(0) @binding(6) var<storage, read_write> z: array<{numbers}>;
@group(0) @binding(7) var<storage, read> info: array<u32>;

const TILE = 8u;
const SLOTS = {slots}u;
const HIDDEN = -1e38;

// One slot more than needed, so that the eight rows lie in different banks.
var<workgroup> queries: array<vec4<f32>, TILE * (SLOTS + 1u)>;
var<workgroup> keys: array<vec4<f32>, TILE * (SLOTS + 1u)>;
var<workgroup> values: array<vec4<f32>, TILE * SLOTS>;
var<workgroup> scores: array<f32, TILE * TILE>;
var<workgroup> last: u32;

{loads}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.z * info[7] + group.y;
    if (row >= info[0]) {
        return;
    }
    let heads = info[2];
    let head = group.x % heads;
    let first_query = group.x / heads * TILE;
    let count = info[1];
    let past = info[5];
    let prompt = row % info[6];

    for (var i = thread; i < TILE * SLOTS; i += 64u) {
        let query = first_query + i / SLOTS;
        var numbers = vec4<f32>(0.0);
        if (query < count) {
            numbers = load_q(row * info[8] + query * info[9] + head * info[10], i % SLOTS);
        }
        queries[i / SLOTS * (SLOTS + 1u) + i % SLOTS] = numbers;
    }
    let query = first_query + thread / TILE;
    let place = row % info[23] * count;
    let destination = u32(destinations[place + min(query, count - 1u)]);
    if (thread == 0u) {
        last = u32(destinations[place + min(first_query + TILE, count) - 1u]);
    }
    let end = workgroupUniformLoad(&last);

    var largest = HIDDEN;
    var sum = 0.0;
    {zeros}
    for (var first = 0u; first <= end; first += TILE) {
        for (var i = thread; i < TILE * SLOTS; i += 64u) {
            let key = first + i / SLOTS;
            let slot = i % SLOTS;
            var key_numbers = vec4<f32>(0.0);
            var value_numbers = vec4<f32>(0.0);
            if (key < past) {
                key_numbers = load_past_k(prompt * info[17] + key * info[18] + head * info[19], slot);
                value_numbers = load_past_v(prompt * info[20] + key * info[21] + head * info[22], slot);
            } else if (key < info[4]) {
                key_numbers = load_k(row * info[11] + (key - past) * info[12] + head * info[13], slot);
                value_numbers = load_v(row * info[14] + (key - past) * info[15] + head * info[16], slot);
            }
            keys[i / SLOTS * (SLOTS + 1u) + slot] = key_numbers;
            values[i] = value_numbers;
        }
        workgroupBarrier();

        let mine = thread / TILE * (SLOTS + 1u);
        let other = thread % TILE * (SLOTS + 1u);
        var score = 0.0;
        for (var slot = 0u; slot < SLOTS; slot += 1u) {
            score += dot(queries[mine + slot], keys[other + slot]);
        }
        let visible = first + thread % TILE <= destination;
        score = select(HIDDEN, score * bitcast<f32>(info[24]), visible);
        scores[thread] = score;
        workgroupBarrier();

        var top = largest;
        for (var i = 0u; i < TILE; i += 1u) {
            top = max(top, scores[thread / TILE * TILE + i]);
        }
        let share = select(0.0, exp(max(score - top, -100.0)), visible);
        let shrink = exp(max(largest - top, -100.0));
        workgroupBarrier();
        scores[thread] = share;
        workgroupBarrier();

        sum *= shrink;
        {shrinks}
        for (var i = 0u; i < TILE; i += 1u) {
            let share = scores[thread / TILE * TILE + i];
            sum += share;
            {sums}
        }
        largest = top;
        workgroupBarrier();
    }
    if (query < count) {
        let out = ((row * count + query) * heads + head) * info[3];
        {stores}
    }
}
