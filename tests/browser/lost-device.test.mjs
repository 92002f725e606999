// The real engine on a GPU that is lost, is out of memory, or offers only WebGPU's minimum limits. The adapter is
// SwiftShader, patched in the worker before the engine sees it. recovery.test.mjs tests the page's side in detail.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertClean, dotsOf, freshBrowser, watchedPage, whenFresh, whenOpen, thorough } from './harness/browser.mjs';
import { WATCH_GPU, counted } from './harness/gpu-watch.mjs';
import { assertClose, dist, dotsPart, linkTo, nativeReport, onePair } from './harness/inputs.mjs';
import { serveSite } from './harness/server.mjs';
import { firstGroup } from './harness/study.mjs';

/** @import { TestContext } from 'node:test' */

const SLOW = 120_000;
const WORKER = 'www/engine/worker.js';
/** Console messages of the graphics stack about these failures. */
const FAULTS = [/cubecl_wgpu|panicked at|wgpu error|unreachable|RuntimeError|Device was destroyed/];
/** The native command's values for the first pair's two prompts, which come first in its first group. */
const expected = dotsPart(nativeReport('logit-diff')).series[0].points.slice(0, 2).map((point) => point.value);

/**
 * The device is lost at the given submission after the model was opened; with `once`, only the first device is.
 *
 * @param {number} after
 * @param {boolean} [once]
 */
const lost = (after, once = false) => `{
  const request = GPUAdapter.prototype.requestDevice;
  let opened = false;
  const post = self.postMessage;
  self.postMessage = (message, ...rest) => {
    opened ||= message.result?.model !== undefined;
    post.call(self, message, ...rest);
  };
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await request.apply(this, args);
    const ledger = await caches.open('losses');
    const isFirst = (await ledger.keys()).length === 0;
    const submit = device.queue.submit.bind(device.queue);
    let left = ${after};
    device.queue.submit = (...work) => {
      if (opened) left -= 1;
      if (left === 0 && (isFirst || !${once})) {
        ledger.put('/lost', new Response(''));
        device.destroy();
      }
      return submit(...work);
    };
    return device;
  };
}\n`;

/** Reports an out-of-memory error for buffers larger than the memory. @param {number} bytes of memory */
const full = (bytes) => `{
  const create = GPUDevice.prototype.createBuffer;
  let used = 0;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    used += descriptor.size;
    const buffer = create.call(this, descriptor);
    if (used > ${bytes}) {
      this.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error: new GPUOutOfMemoryError('no room'), cancelable: true }));
      buffer.destroy();
    }
    return buffer;
  };
}\n`;

/** Throws when a buffer mapped at creation does not fit into memory, as browsers do. @param {number} bytes */
const throwing = (bytes) => `{
  const create = GPUDevice.prototype.createBuffer;
  let used = 0;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    used += descriptor.size;
    if (used > ${bytes}) throw new RangeError('createBuffer failed, size is too large for the implementation');
    return create.call(this, descriptor);
  };
}\n`;

/** No room for buffers larger than this, but for the weights, which come first. @param {number} bytes */
const cramped = (bytes) => `{
  const create = GPUDevice.prototype.createBuffer;
  let weights = true;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = create.call(this, descriptor);
    if (descriptor.size > ${bytes} && !weights) {
      self.refused = (self.refused ?? 0) + 1;
      this.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error: new GPUOutOfMemoryError('no room'), cancelable: true }));
      buffer.destroy();
    }
    // The vocabulary, which is the largest, ends the weights.
    if (descriptor.size > 12e6) weights = false;
    return buffer;
  };
}\n`;

/** An adapter that has no timestamp queries, and refuses to make a device that has. */
const WITHOUT_TIMESTAMPS = `{
  const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, 'features');
  Object.defineProperty(GPUAdapter.prototype, 'features', { configurable: true, get() { return new Set([...get.call(this)].filter((name) => name !== 'timestamp-query')); } });
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    if ([...descriptor?.requiredFeatures ?? []].includes('timestamp-query')) throw new TypeError('unsupported feature: timestamp-query');
    return request.call(this, descriptor);
  };
}\n`;

/** The software adapter passes for a card. */
const HARDWARE = `{
  const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, 'info');
  Object.defineProperty(GPUAdapter.prototype, 'info', { get() { const { vendor, architecture } = get.call(this); return { vendor, architecture, description: 'a card', isFallbackAdapter: false }; } });
}\n`;

/** The adapter offers only the minimum limits guaranteed by the standard. */
const LEAST_LIMITS = `{
  const least = {
    maxTextureDimension1D: 8192, maxTextureDimension2D: 8192, maxTextureDimension3D: 2048, maxTextureArrayLayers: 256, maxBindGroups: 4, maxBindGroupsPlusVertexBuffers: 24,
    maxBindingsPerBindGroup: 1000, maxDynamicUniformBuffersPerPipelineLayout: 8, maxDynamicStorageBuffersPerPipelineLayout: 4, maxSampledTexturesPerShaderStage: 16,
    maxSamplersPerShaderStage: 16, maxStorageBuffersPerShaderStage: 8, maxStorageTexturesPerShaderStage: 4, maxUniformBuffersPerShaderStage: 12, maxUniformBufferBindingSize: 65536,
    maxStorageBufferBindingSize: 134217728, minUniformBufferOffsetAlignment: 256, minStorageBufferOffsetAlignment: 256, maxVertexBuffers: 8, maxBufferSize: 268435456,
    maxVertexAttributes: 16, maxVertexBufferArrayStride: 2048, maxInterStageShaderVariables: 16, maxColorAttachments: 8, maxColorAttachmentBytesPerSample: 32,
    maxComputeWorkgroupStorageSize: 16384, maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupSizeX: 256, maxComputeWorkgroupSizeY: 256, maxComputeWorkgroupSizeZ: 64,
    maxComputeWorkgroupsPerDimension: 65535,
  };
  const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, 'limits');
  Object.defineProperty(GPUAdapter.prototype, 'limits', { get() { return new Proxy(get.call(this), { get: (limits, name) => least[name] ?? limits[name] }); } });
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await request.apply(this, args);
    for (const [name, limit] of Object.entries(least)) {
      // A device requested without higher limits must not have them.
      if (name.startsWith('max') && device.limits[name] > limit) console.error('the engine got', name, device.limits[name]);
    }
    return device;
  };
}\n`;

/** @param {TestContext} t @param {string} prefix runs in the worker before the engine @param {string} [query] */
async function pageWith(t, prefix, query = '?device=wgpu') {
  const site = await serveSite(dist, { replace: { [WORKER]: prefix + readFileSync(join(dist, WORKER), 'utf8') } });
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page, watched } = await watchedPage(context, { hosts: [site.origin], expected: FAULTS });
  await page.goto(`${site.url}${query}${linkTo(onePair)}`);
  return { page, watched };
}

/** Asserts that the page's numbers are right and come from this device. @param {import('playwright-core').Page} page @param {'cpu' | 'wgpu'} kind */
async function computesOn(page, kind) {
  await whenFresh(page, 'logit-diff', { timeout: SLOW });
  await whenOpen(page);
  assert.equal(await page.locator('[data-hook="device"]').getAttribute('data-device'), kind);
  assertClose((await dotsOf(page))[0].values, expected, 1e-3, 'values');
  assert.match(await page.locator('#logit-diff .provenance').innerText(), kind === 'cpu' ? /CPU$/ : /WebGPU/);
}

test('a GPU that is lost in the middle of a run is taken again', async (t) => {
  const { page, watched } = await pageWith(t, lost(2, true));
  await page.locator('#toast').getByText('The GPU was lost, and the model was opened again.').waitFor({ timeout: SLOW });
  await computesOn(page, 'wgpu');
  assert.match(await page.locator('[data-hook="source"]').innerText(), /from this browser\u2019s storage/);
  assertClean(watched);
});

thorough('a GPU that is lost each time gives way to the CPU', async (t) => {
  const { page, watched } = await pageWith(t, lost(2));
  await page.waitForFunction(() => /** @type {HTMLElement | null} */ (document.querySelector('[data-hook="device"]'))?.dataset.device === 'cpu', undefined, { timeout: SLOW });
  await computesOn(page, 'cpu');
  assert.match(await page.locator('[data-hook="device"]').innerText(), /^CPU: the GPU failed twice\..*lost/);
  assertClean(watched);
});

for (const [name, prefix] of Object.entries({
  'no room while a model is opened': full(3e6),
  'no room in the middle of a run': full(13.7e6),
  'no room for a buffer that is mapped at once': throwing(13.7e6),
})) {
  (name.includes('middle') ? test : thorough)(`a GPU that has ${name} gives way to the CPU`, async (t) => {
    const { page, watched } = await pageWith(t, prefix);
    await page.waitForFunction(() => /** @type {HTMLElement | null} */ (document.querySelector('[data-hook="device"]'))?.dataset.device === 'cpu', undefined, { timeout: SLOW });
    await computesOn(page, 'cpu');
    assert.match(await page.locator('[data-hook="device"]').innerText(), /^CPU: the GPU failed twice\..*(out of memory|too large)/i);
    assertClean(watched);
  });
}

test('an adapter with the least limits that WebGPU allows is enough', async (t) => {
  const { page, watched } = await pageWith(t, LEAST_LIMITS);
  await computesOn(page, 'wgpu');
  assertClean(watched);
});

test('of a card and the CPU the faster one is taken, and both figures are told; a card without timestamp queries will do', async (t) => {
  const { page, watched } = await pageWith(t, HARDWARE + WITHOUT_TIMESTAMPS + WATCH_GPU, '');
  // The card is the processor in disguise.
  await computesOn(page, 'cpu');
  const why = /^CPU: a small product of this model takes [\d.]+ [m\u00b5]s here, [\d.]+ ms on the GPU \(WebGPU, a card\)$/;
  assert.match(await page.locator('[data-hook="device"]').innerText(), why);
  await page.selectOption('#device', 'wgpu');
  await page.waitForSelector('[data-hook="device"][data-device="wgpu"]', { timeout: SLOW });
  await computesOn(page, 'wgpu');
  // counts.test.mjs counts those of a software adapter, which has fewer tiles.
  const { pipelines } = await counted(page);
  assert.ok(pipelines > 16 && pipelines <= 30, `${pipelines} kernels`);
  assertClean(watched);
});

test('a GPU that has no room for large chunks computes in smaller ones', async (t) => {
  const site = await serveSite(dist, { replace: { [WORKER]: cramped(2e6) + readFileSync(join(dist, WORKER), 'utf8') } });
  t.after(site.close);
  const context = await freshBrowser(t);
  const { page } = await watchedPage(context, { hosts: [site.origin], expected: FAULTS });
  await page.goto(`${site.url}www/models/demo/config.json`);
  const grids = await page.evaluate(async ({ root, experiment }) => {
    const { Engine } = await import(`${root}www/engine/client.js`);
    const engine = new Engine();
    const found = [];
    for (const device of ['wgpu', 'cpu']) {
      await engine.call('open', { model: { from: 'address', name: 'demo', base: `${root}www/models/demo/`, tokenizer: 'gpt2' }, device });
      const report = await engine.call('run', { analysis: 'neuron-patching', experiment, settings: { layers: '1', probabilities: 'no' } });
      found.push(report.parts[0].panels[0].values[0].mean);
    }
    return found;
  }, { root: site.url, experiment: firstGroup() });
  const refused = await page.workers()[0].evaluate(() => /** @type {any} */ (self).refused);
  assert.ok(refused > 0, 'every buffer was small: the test tests nothing');
  assertClose(grids[0], grids[1], 1e-3, 'values');
});
