// The engine's worker: loads the WebAssembly module and implements docs/protocol.md.

import { offerTimestamps } from './timestamps.js';

/** @import { ModelChoice } from '../opening/choices.js' */
/** @import { Checked, Experiment, Grid, NotebookRequest, Opened, Panel, Preset, Preview, Progress, ReadCircuit, Report, WriteCircuit, AnalysisInfo, StoredModel, DevicePreference } from '../types/engine.js' */

/**
 * The module's exports.
 * @typedef {object} Wasm
 * @property {() => Promise<unknown>} default fetches and compiles the module
 * @property {() => AnalysisInfo[]} catalogue
 * @property {() => Preset[]} presets
 * @property {(grid: Grid, group: number, minus: number) => Panel | null} difference
 * @property {(text: string) => Experiment} read
 * @property {(request: NotebookRequest) => string} notebook
 * @property {{ new (): WasmEngine }} Engine
 *
 * @typedef {object} WasmEngine
 * @property {(call: number, choice: ModelChoice, device: DevicePreference, progress: (progress: Progress) => void, halved: number) => Promise<Opened>} open
 * @property {(experiment: Experiment) => Checked} check
 * @property {(text: string) => ReadCircuit} circuit
 * @property {(circuit: WriteCircuit) => string} circuit_file
 * @property {(call: number, request: unknown, progress: (progress: Progress) => void, preview: (preview: Preview) => void, read: (path: string) => Promise<string>) => Promise<Report>} run
 * @property {(call: number) => void} cancel
 * @property {(call: number, paused: boolean) => void} pause
 * @property {() => Promise<StoredModel[]>} stored
 * @property {(base: string) => Promise<void>} forget
 */

/** @typedef {{ code: string, message: string, place?: unknown }} Failure */
/** @typedef {{ id: number, call: string, args: any }} Request */

offerTimestamps();

// The rest of this script works even if the module cannot be loaded, so that the page gets an error message.
/** @type {Promise<{ module: Wasm, engine: WasmEngine }>} */
const loaded = (async () => {
  /** @type {Wasm} */
  const module = await import(new URL('../../patchlab-web.js', import.meta.url).href);
  await module.default();
  return { module, engine: new module.Engine() };
})();
loaded.catch(() => {});

/** Unanswered calls; a crash answers all of them. @type {Set<number>} */
const open = new Set();
/** Calls that were cancelled before they began. @type {Set<number>} */
const dropped = new Set();
/** Runs that have begun. The last one computes, the others are paused. @type {number[]} */
const begun = [];
/** Settles when the runs that wait for their turn have ended. @type {Promise<unknown>} */
let turn = Promise.resolve();
/** Settles when the model that is being opened is open; null if none is. @type {Promise<unknown> | null} */
let opening = null;
/** The call that opened the model that is open; 0 before the first. */
let model = 0;
/** Set after a crash: the module's memory can no longer be trusted. @type {Failure | null} */
let broken = null;
/** The last console error: a Rust panic writes its location and message there. */
let lastPanic = '';

const consoleError = console.error;
console.error = (...words) => {
  lastPanic = String(words[0]).split('\n\nStack:')[0];
  consoleError(...words);
};

self.addEventListener('message', (event) => serve(event.data));
// A panic inside an async call leaves its promise pending and arrives here.
self.addEventListener('error', (event) => {
  // Handled here, so do not forward it to the page.
  event.preventDefault();
  crash(event.error ?? event.message);
});
self.addEventListener('unhandledrejection', (event) => crash(event.reason));

/** @param {Request} request */
async function serve({ id, call, args }) {
  open.add(id);
  try {
    if (broken) throw broken;
    answer(id, { result: await perform(id, call, args) });
  } catch (error) {
    if (isFailure(error)) answer(id, { error });
    else crash(error);
  } finally {
    dropped.delete(id);
  }
}

/** @param {number} id @param {string} call @param {any} args @returns {Promise<unknown>} */
async function perform(id, call, args) {
  const { module, engine } = await loaded;
  /** @param {Progress} progress */
  const report = (progress) => self.postMessage({ id, progress });
  /** @param {Preview} preview */
  const show = (preview) => self.postMessage({ id, preview });
  /** One of the files that come with the page and that few visits need. @param {string} path */
  const read = async (path) => {
    const response = await fetch(new URL(`../${path}`, import.meta.url));
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return response.text();
  };
  switch (call) {
    case 'catalogue':
      return module.catalogue();
    case 'presets':
      return module.presets();
    case 'difference':
      return module.difference(args.grid, args.group, args.minus);
    case 'notebook':
      return module.notebook(args.request);
    case 'read':
      return module.read(args.text);
    case 'circuit':
      return engine.circuit(args.text);
    case 'circuitFile':
      return engine.circuit_file(args.circuit);
    case 'check':
      return engine.check(args.experiment);
    case 'cancel':
      if (open.has(args.id)) dropped.add(args.id);
      engine.cancel(args.id);
      return null;
    case 'pause':
      engine.pause(args.id, args.paused);
      return null;
    case 'stored':
      return engine.stored();
    case 'forget':
      await engine.forget(args.base);
      return null;
    case 'open': {
      refuseIfDropped(id);
      // Runs go on meanwhile, with the model that is still open.
      const mine = engine.open(id, args.model, args.device, report, args.halved ?? 0);
      opening = mine;
      const opened = await mine.finally(() => { if (opening === mine) opening = null; });
      model = id;
      return opened;
    }
    case 'run': {
      const { first, model: wanted, ...request } = args;
      return inTurn(() => run(id, wanted, () => engine.run(id, request, report, show, read), engine), first && begun.length > 0);
    }
    default:
      throw { code: 'engine', message: `The engine has no call "${call}".` };
  }
}

/**
 * Does work after all that came before, or at once if it is to come first.
 *
 * @template T @param {() => Promise<T>} work @param {boolean} isFirst @returns {Promise<T>}
 */
function inTurn(work, isFirst) {
  const mine = isFirst ? work() : turn.then(work);
  turn = Promise.allSettled([turn, mine]);
  return mine;
}

/**
 * Runs one that computes at once: those that have begun are paused, and go on when it has ended.
 *
 * @param {number} id @param {number} wanted the call that opened the model it is for; 0 for any @param {() => Promise<unknown>} work @param {WasmEngine} engine
 */
async function run(id, wanted, work, engine) {
  // The first model is on its way: a worker that replaces another gets its requests together.
  if (model === 0 && opening) await opening.catch(() => {});
  refuseIfDropped(id);
  if (wanted && wanted !== model) throw { code: 'cancelled', message: 'Another model was opened meanwhile.' };
  const before = begun.at(-1);
  if (before !== undefined) engine.pause(before, true);
  begun.push(id);
  try {
    return await work();
  } finally {
    begun.splice(begun.indexOf(id), 1);
    const next = begun.at(-1);
    if (next !== undefined) engine.pause(next, false);
  }
}

/** @param {number} id */
function refuseIfDropped(id) {
  if (dropped.has(id)) throw { code: 'cancelled', message: 'Cancelled.' };
  if (broken) throw broken;
}

/** @param {number} id @param {{ result: unknown } | { error: Failure }} outcome */
function answer(id, outcome) {
  if (open.delete(id)) self.postMessage({ id, ...outcome });
}

/** @param {unknown} error */
function crash(error) {
  const what = lastPanic || (error instanceof Error ? error.message : String(error));
  const [place, words] = what.split('\n');
  // wgpu panics on GPU errors such as running out of memory. Another device may still work.
  broken ??= words && /\bwgpu[a-z-]*-\d/.test(place)
    ? { code: 'compute', message: `The device failed while computing (${words.replace(/^called .* value: (JsValue\()?/, '')}). Open the model again, or choose the CPU as device.` }
    : { code: 'engine', message: `The engine stopped: ${what} Restart it or reload the page.` };
  for (const id of [...open]) answer(id, { error: broken });
}

/** @param {unknown} error @returns {error is Failure} */
function isFailure(error) {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' && 'message' in error;
}
