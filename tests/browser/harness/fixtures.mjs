// The recorded reference models of tests/fixtures. Their weights are generated, identical to those of tests/weights.rs and
// tests/fixtures/weights.py; their expected values are read.

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const folder = new URL('../../fixtures/', import.meta.url).pathname;

/** @typedef {{ n_layer: number, n_embd: number, n_positions: number, n_inner: number | null, vocab_size: number }} Config */

/** @param {string} model */
export function readFixture(model) {
  const text = (/** @type {string} */ file) => readFileSync(join(folder, model, file), 'utf8');
  const config = text('config.json');
  return { config, expected: JSON.parse(text('expected.json')), parsed: /** @type {Config} */ (JSON.parse(config)) };
}

/** @param {string} model @returns {import('../../../www/types/engine.js').Experiment} */
export function fixtureGroups(model) {
  return JSON.parse(readFileSync(join(folder, model, 'groups.json'), 'utf8'));
}

/** @returns {import('../../../www/types/engine.js').Experiment} */
export function circuitGroups() {
  return JSON.parse(readFileSync(join(folder, 'circuits/groups.json'), 'utf8'));
}

/** What is recorded of edges and circuits besides numbers: names, and the circuits as lists of edges. @param {string} model @returns {{ edges: string[], circuits: Record<string, number[]> }} */
export function recordedCircuits(model) {
  return JSON.parse(readFileSync(join(folder, model, 'circuits.json'), 'utf8'));
}

/** A recorded array as rows of its last axis. @param {string} model @param {string[]} [names] of files @returns {(name: string) => number[][]} */
export function recordedValues(model, names = ['expected.safetensors', 'causal.safetensors']) {
  const files = names.map((name) => {
    const file = readFileSync(join(folder, model, name));
    const headerLength = Number(file.readBigUInt64LE(0));
    return { file, headerLength, header: JSON.parse(file.toString('utf8', 8, 8 + headerLength)) };
  });
  return (name) => {
    const found = files.find(({ header }) => name in header);
    if (!found) throw new Error(`nothing is recorded as ${name}`);
    const { file, headerLength, header } = found;
    const { dtype, shape, data_offsets: [start, end] } = header[name];
    const data = file.subarray(8 + headerLength + start, 8 + headerLength + end);
    const numbers = Array.from({ length: data.length / 4 }, (_, i) => (dtype === 'I32' ? data.readInt32LE(4 * i) : data.readFloatLE(4 * i)));
    const width = shape.at(-1);
    return Array.from({ length: numbers.length / width }, (_, row) => numbers.slice(row * width, (row + 1) * width));
  };
}

/**
 * Writes the generated checkpoint of a configuration as a safetensors file.
 *
 * @param {string} path
 * @param {string} seed
 * @param {Config} config
 */
export function writeCheckpoint(path, seed, config) {
  const tensors = tensorsOf(config);
  let offset = 0;
  const header = JSON.stringify(Object.fromEntries(tensors.map(({ name, shape }) => {
    const start = offset;
    offset += 4 * product(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [start, offset] }];
  })));
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const file = openSync(path, 'w');
  try {
    writeSync(file, length);
    writeSync(file, padded);
    for (const { name, shape, scale, shift } of tensors) {
      const numbers = generate(`${seed}/${name}`, product(shape), scale, shift);
      writeSync(file, new Uint8Array(numbers.buffer));
    }
  } finally {
    closeSync(file);
  }
}

/** @param {number[]} shape */
function product(shape) {
  return shape.reduce((a, b) => a * b, 1);
}

const f32 = Math.fround;

/** Names, shapes, scales and shifts of all tensors. @param {Config} config */
function tensorsOf({ n_layer, n_embd: d, n_positions, n_inner, vocab_size }) {
  const mlp = n_inner ?? 4 * d;
  const per = (/** @type {number} */ numerator, /** @type {number} */ n) => f32(numerator / f32(Math.sqrt(n)));
  /** @type {{ name: string, shape: number[], scale: number, shift: number }[]} */
  const tensors = [];
  const add = (/** @type {string} */ name, /** @type {number[]} */ shape, /** @type {number} */ scale, shift = 0) => tensors.push({ name, shape, scale, shift });
  const norm = (/** @type {string} */ name) => {
    add(`${name}.weight`, [d], 0.5, 1);
    add(`${name}.bias`, [d], 0.25);
  };
  add('wte.weight', [vocab_size, d], per(4, d));
  add('wpe.weight', [n_positions, d], per(2, d));
  for (let layer = 0; layer < n_layer; layer += 1) {
    const h = `h.${layer}`;
    norm(`${h}.ln_1`);
    add(`${h}.attn.c_attn.weight`, [d, 3 * d], per(3, d));
    add(`${h}.attn.c_attn.bias`, [3 * d], 0.5);
    add(`${h}.attn.c_proj.weight`, [d, d], per(1, d));
    add(`${h}.attn.c_proj.bias`, [d], 0.125);
    norm(`${h}.ln_2`);
    add(`${h}.mlp.c_fc.weight`, [d, mlp], per(2.5, d));
    add(`${h}.mlp.c_fc.bias`, [mlp], 0.5);
    add(`${h}.mlp.c_proj.weight`, [mlp, d], per(1, mlp));
    add(`${h}.mlp.c_proj.bias`, [d], 0.125);
  }
  norm('ln_f');
  return tensors;
}

/** `(2u - 1) * scale + shift` for the SplitMix64 stream of a name, in f32. @param {string} name @param {number} count @param {number} scale @param {number} shift */
function generate(name, count, scale, shift) {
  let state = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(name)) state = BigInt.asUintN(64, (state ^ BigInt(byte)) * 0x100000001b3n);
  // From here on in 32-bit halves: BigInt is too slow for a hundred million numbers.
  let high = Number(state >> 32n);
  let low = Number(state & 0xffffffffn);
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i += 1) {
    const sum = low + 0x7f4a7c15;
    low = sum >>> 0;
    high = (high + 0x9e3779b9 + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    // z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9
    let zLow = (low ^ ((low >>> 30) | (high << 2))) >>> 0;
    let zHigh = (high ^ (high >>> 30)) >>> 0;
    zHigh = (multiplyHigh(zLow, 0x1ce4e5b9) + Math.imul(zLow, 0xbf58476d) + Math.imul(zHigh, 0x1ce4e5b9)) >>> 0;
    zLow = Math.imul(zLow, 0x1ce4e5b9) >>> 0;
    // z = (z ^ z >>> 27) * 0x94d049bb133111eb
    const xLow = (zLow ^ ((zLow >>> 27) | (zHigh << 5))) >>> 0;
    const xHigh = (zHigh ^ (zHigh >>> 27)) >>> 0;
    zHigh = (multiplyHigh(xLow, 0x133111eb) + Math.imul(xLow, 0x94d049bb) + Math.imul(xHigh, 0x133111eb)) >>> 0;
    // The upper half of z ^ z >>> 31; its upper 24 bits make the number.
    const bits = ((zHigh ^ (zHigh >>> 31)) >>> 0) >>> 8;
    numbers[i] = f32(f32((bits / 0x800000 - 1) * scale) + shift);
  }
  return numbers;
}

/** The upper 32 bits of a product of two 32-bit numbers. @param {number} a @param {number} b */
function multiplyHigh(a, b) {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middleLow = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(middleLow / 0x10000)) >>> 0;
}
