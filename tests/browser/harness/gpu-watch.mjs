// Watches WebGPU at work in the page's worker: what is compiled, launched, uploaded and read back, and how long each launch takes.

/** @import { Page } from 'playwright-core' */

/**
 * @typedef {object} Counts
 * @property {number} pipelines compiled
 * @property {number} launches
 * @property {number} submissions
 * @property {number} uploaded bytes
 * @property {number} readBack bytes
 *
 * @typedef {object} Launch
 * @property {string} kernel the first line of its text
 * @property {number[]} grid workgroups
 * @property {number[]} info the sizes that it reads, which are its last binding
 * @property {number} nanoseconds
 */

/** Runs in the worker before the engine. */
function install() {
  const scope = /** @type {any} */ (self);
  const counts = { pipelines: 0, launches: 0, submissions: 0, uploaded: 0, readBack: 0 };
  /** Queries that a set may hold. */
  const MOST = 4096;
  /** How often a timed launch is repeated, so that the clock's step counts for little. */
  let repeats = 0;
  /** @type {any} */
  let device = null;
  /** @type {any[]} */
  let sets = [];
  /** @type {any[]} */
  let launches = [];
  /** What was written to buffers of a few words, by offset. @type {WeakMap<object, Map<number, number[]>>} */
  const words = new WeakMap();

  /** @param {string} type @param {string} name @param {(original: Function, args: any[], self: any) => unknown} instead */
  const wrap = (type, name, instead) => {
    const { prototype } = scope[type];
    const original = prototype[name];
    prototype[name] = function (/** @type {any[]} */ ...args) { return instead((/** @type {any[]} */ ...given) => original.apply(this, given), args, this); };
  };
  wrap('GPUDevice', 'createShaderModule', (original, args) => Object.assign(/** @type {object} */ (original(...args)), { kernel: args[0].code.split('\n')[0].replace('// ', '') }));
  wrap('GPUDevice', 'createComputePipeline', (original, args, self) => {
    counts.pipelines += 1;
    device = self;
    return Object.assign(/** @type {object} */ (original(...args)), { kernel: args[0].compute.module.kernel });
  });
  wrap('GPUDevice', 'createBuffer', (original, args) => {
    if (args[0].mappedAtCreation) counts.uploaded += args[0].size;
    return original(...args);
  });
  wrap('GPUDevice', 'createBindGroup', (original, args) => Object.assign(/** @type {object} */ (original(...args)), { last: [...args[0].entries].at(-1)?.resource }));
  wrap('GPUQueue', 'submit', (original, args) => {
    counts.submissions += 1;
    return original(...args);
  });
  wrap('GPUQueue', 'writeBuffer', (original, args) => {
    const [buffer, offset, data, from = 0, size = undefined] = args;
    const bytes = size ?? data.byteLength - from;
    counts.uploaded += bytes;
    if (bytes <= 512) {
      const copy = data.buffer.slice(data.byteOffset + from, data.byteOffset + from + (bytes & ~3));
      if (!words.has(buffer)) words.set(buffer, new Map());
      words.get(buffer)?.set(offset, [...new Uint32Array(copy)]);
    }
    return original(...args);
  });
  wrap('GPUBuffer', 'mapAsync', (original, args, self) => {
    const [mode, , size] = args;
    if (mode === scope.GPUMapMode.READ) counts.readBack += size ?? self.size;
    return original(...args);
  });
  const { dispatchWorkgroups } = scope.GPUComputePassEncoder.prototype;
  wrap('GPUComputePassEncoder', 'dispatchWorkgroups', (original, args) => {
    counts.launches += 1;
    return original(...args);
  });
  // When launches are timed, each is a pass of its own.
  wrap('GPUCommandEncoder', 'beginComputePass', (begin, args) => {
    if (repeats === 0) return begin(...args);
    /** @type {any} */
    let pipeline = null;
    /** @type {Map<number, any[]>} */
    const groups = new Map();
    return {
      /** @param {any} given */
      setPipeline(given) { pipeline = given; },
      /** @param {number} index @param {any[]} given */
      setBindGroup(index, ...given) { groups.set(index, given); },
      dispatchWorkgroups(x = 1, y = 1, z = 1) {
        counts.launches += 1;
        const at = (2 * launches.length) % MOST;
        if (at === 0) sets.push(device.createQuerySet({ type: 'timestamp', count: MOST }));
        const querySet = sets.at(-1);
        const pass = /** @type {any} */ (begin({ timestampWrites: { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 } }));
        pass.setPipeline(pipeline);
        for (const [index, group] of groups) pass.setBindGroup(index, ...group);
        for (let i = 0; i < repeats; i += 1) dispatchWorkgroups.call(pass, x, y, z);
        pass.end();
        const { buffer, offset = 0 } = groups.get(0)?.[0].last ?? {};
        launches.push({ kernel: pipeline.kernel, grid: [x, y, z], info: words.get(buffer)?.get(offset) ?? [] });
      },
      end() {}, pushDebugGroup() {}, popDebugGroup() {}, insertDebugMarker() {},
    };
  });

  scope.patchlabGpu = {
    counts,
    /** Starts timing every launch, repeated so often; 0 ends it. @param {number} times */
    time(times) {
      repeats = times;
      for (const set of sets) set.destroy();
      sets = [];
      launches = [];
    },
    /** The launches since then. */
    async timed() {
      const taken = launches;
      for (const [index, set] of sets.entries()) {
        const part = taken.slice(index * MOST / 2, (index + 1) * MOST / 2);
        const bytes = 16 * part.length;
        const resolved = device.createBuffer({ size: bytes, usage: scope.GPUBufferUsage.QUERY_RESOLVE | scope.GPUBufferUsage.COPY_SRC });
        const read = device.createBuffer({ size: bytes, usage: scope.GPUBufferUsage.MAP_READ | scope.GPUBufferUsage.COPY_DST });
        const encoder = device.createCommandEncoder();
        encoder.resolveQuerySet(set, 0, 2 * part.length, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, read, 0, bytes);
        device.queue.submit([encoder.finish()]);
        await read.mapAsync(scope.GPUMapMode.READ);
        const ticks = new BigUint64Array(read.getMappedRange());
        part.forEach((launch, i) => { launch.nanoseconds = Number(ticks[2 * i + 1] - ticks[2 * i]) / repeats; });
        read.unmap();
      }
      return taken;
    },
  };
}

/** For the beginning of the worker's script. */
export const WATCH_GPU = `(${install})();\n`;

/** What was counted since the last call. @param {Page} page @returns {Promise<Counts>} */
export function takeCounts(page) {
  return page.workers()[0].evaluate(() => {
    const { counts } = /** @type {any} */ (self).patchlabGpu;
    const taken = { ...counts };
    for (const name of Object.keys(counts)) counts[name] = 0;
    return taken;
  });
}

/** What is counted, without taking it. @param {Page} page @returns {Promise<Counts>} */
export function counted(page) {
  return page.workers()[0].evaluate(() => /** @type {any} */ (self).patchlabGpu.counts);
}

/** Times every launch of some work. @param {Page} page @param {number} repeats of each launch @param {() => Promise<unknown>} work @returns {Promise<Launch[]>} */
export async function timeLaunches(page, repeats, work) {
  await page.workers()[0].evaluate((times) => /** @type {any} */ (self).patchlabGpu.time(times), repeats);
  await work();
  const launches = await page.workers()[0].evaluate(() => /** @type {any} */ (self).patchlabGpu.timed());
  await page.workers()[0].evaluate(() => /** @type {any} */ (self).patchlabGpu.time(0));
  return launches;
}
