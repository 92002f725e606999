// What a plain tiled product of matrices reaches in this browser on this card, without anything of the engine around it: the
// yardstick of `cargo xtask bench gpu`. Tiles of 64 x 64, 256 threads with 4 x 4 sums each, slices of 16 numbers.

/** @import { Page } from 'playwright-core' */

/**
 * Multiplies in a page of its own.
 *
 * @param {Page} page
 * @param {[number, number, number][]} shapes rows, inner size and columns; a multiple of 16, and of 64
 * @returns {Promise<number[]>} seconds of each product
 */
export function yardstick(page, shapes) {
  return page.evaluate(async (shapes) => {
    const { gpu, GPUBufferUsage: usage } = /** @type {any} */ ({ gpu: /** @type {any} */ (navigator).gpu, GPUBufferUsage: /** @type {any} */ (window).GPUBufferUsage });
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
    const device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } });
    const rows = [0, 1, 2, 3];
    const code = `
struct Sizes { rows: u32, inner: u32, columns: u32 }
@group(0) @binding(0) var<storage, read> left: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> right: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> sizes: Sizes;
var<workgroup> slice_left: array<array<f32, 64>, 16>;
var<workgroup> slice_right: array<array<vec4<f32>, 16>, 16>;
@compute @workgroup_size(16, 16)
fn main(@builtin(local_invocation_id) at: vec3<u32>, @builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let row = tile.y * 64u + thread / 4u;
  let inner = sizes.inner / 4u;
  let columns = sizes.columns / 4u;
  ${rows.map((i) => `var sum${i} = vec4<f32>(0.0);`).join(' ')}
  for (var k = 0u; k < sizes.inner; k += 16u) {
    let numbers = select(vec4<f32>(0.0), left[min(row, sizes.rows - 1u) * inner + k / 4u + thread % 4u], row < sizes.rows);
    ${['x', 'y', 'z', 'w'].map((lane, i) => `slice_left[thread % 4u * 4u + ${i}u][thread / 4u] = numbers.${lane};`).join(' ')}
    slice_right[at.y][at.x] = right[(k + at.y) * columns + tile.x * 16u + at.x];
    workgroupBarrier();
    for (var j = 0u; j < 16u; j += 1u) {
      let factors = slice_right[j][at.x];
      ${rows.map((i) => `sum${i} = fma(vec4<f32>(slice_left[j][at.y * 4u + ${i}u]), factors, sum${i});`).join('\n      ')}
    }
    workgroupBarrier();
  }
  ${rows.map((i) => `if (tile.y * 64u + at.y * 4u + ${i}u < sizes.rows) { result[(tile.y * 64u + at.y * 4u + ${i}u) * columns + tile.x * 16u + at.x] = sum${i}; }`).join('\n  ')}
}`;
    const module = device.createShaderModule({ code });
    const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
    const seconds = [];
    for (const [m, k, n] of shapes) {
      /** @param {number} count @param {number} kind */
      const buffer = (count, kind) => device.createBuffer({ size: 4 * count, usage: kind | usage.COPY_DST });
      const [left, right, result, sizes] = [buffer(m * k, usage.STORAGE), buffer(k * n, usage.STORAGE), buffer(m * n, usage.STORAGE), buffer(4, usage.UNIFORM)];
      for (const [matrix, count] of [[left, m * k], [right, k * n]]) device.queue.writeBuffer(matrix, 0, Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 1009) / 1009 - 0.5));
      device.queue.writeBuffer(sizes, 0, new Uint32Array([m, k, n]));
      const entries = [left, right, result, sizes].map((buffer, binding) => ({ binding, resource: { buffer } }));
      const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
      const launch = async (/** @type {number} */ times) => {
        const encoder = device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        for (let i = 0; i < times; i += 1) pass.dispatchWorkgroups(n / 64, Math.ceil(m / 64));
        pass.end();
        const start = performance.now();
        device.queue.submit([encoder.finish()]);
        await device.queue.onSubmittedWorkDone();
        return (performance.now() - start) / 1000;
      };
      await launch(2);
      // As many as take a tenth of a second, so that waiting counts for little.
      const times = Math.min(Math.max(Math.ceil(0.1 / await launch(1)), 3), 200);
      seconds.push(await launch(times) / times);
      for (const used of [left, right, result, sizes]) used.destroy();
    }
    device.destroy();
    return seconds;
  }, shapes);
}
