// A stand-in for GPT-2 small: its 12 layers of 12 heads and 3,072 neurons, narrow so that it is quick, with the demo model
// inside. The demo's layers, heads and neurons are spread over it, so that it does the task; everything else adds a little noise.
//
// The demo's residual stream takes the first dimensions and is centred, so that LayerNorm sees the same numbers but for a
// factor, which its weights make up for.

import { readFileSync } from 'node:fs';
import { demoFile } from './inputs.mjs';

const LAYERS = 12;
const HEADS = 12;
const NEURONS = 3072;
const POSITIONS = 1024;
/** Where the demo's layers and heads are. The head that carries its task is L7H11. */
const LAYER_OF = [2, 7, 9, 10];
const HEAD_OF = [1, 4, 8, 11];
/** Of the weights that are not the demo's. */
const NOISE = 0.02;

/** @typedef {{ config: string, weights: Buffer }} Standin */

/** @returns {Standin} */
export function standin() {
  const small = JSON.parse(readFileSync(demoFile('config.json'), 'utf8'));
  const demo = readHalves(readFileSync(demoFile('model.safetensors')));
  const d = small.n_embd;
  const size = d / small.n_head;
  const wide = HEADS * size;
  const mlp = small.n_inner;
  const random = randomly(1);
  const noise = (/** @type {number} */ count, /** @type {number} */ scale = NOISE) => Float32Array.from({ length: count }, () => scale * random());
  /** @type {Record<string, { shape: number[], numbers: Float32Array }>} */
  const tensors = {};
  const add = (/** @type {string} */ name, /** @type {number[]} */ shape, /** @type {Float32Array} */ numbers) => { tensors[name] = { shape, numbers }; };

  /** A row of the demo's stream, less its mean, as a row of this one. @param {Float32Array} from @param {number} row @param {Float32Array} to @param {number} at */
  const centre = (from, row, to, at) => {
    let sum = 0;
    for (let i = 0; i < d; i += 1) sum += from[row * d + i];
    for (let i = 0; i < wide; i += 1) to[at * wide + i] = i < d ? from[row * d + i] - sum / d : 0;
  };
  const norm = (/** @type {string} */ name) => {
    const factor = Math.sqrt(wide / d);
    const [weight, bias] = [demo[`${name}.weight`], demo[`${name}.bias`]];
    return {
      weight: Float32Array.from({ length: wide }, (_, i) => (i < d ? weight[i] / factor : 0.5)),
      bias: Float32Array.from({ length: wide }, (_, i) => (i < d ? bias[i] : 0)),
    };
  };

  const wte = new Float32Array(small.vocab_size * wide);
  for (let token = 0; token < small.vocab_size; token += 1) centre(demo['wte.weight'], token, wte, token);
  add('wte.weight', [small.vocab_size, wide], wte);
  const wpe = new Float32Array(POSITIONS * wide);
  // Beyond what the demo knows, positions are as the last one.
  for (let position = 0; position < POSITIONS; position += 1) centre(demo['wpe.weight'], Math.min(position, small.n_positions - 1), wpe, position);
  add('wpe.weight', [POSITIONS, wide], wpe);

  for (let layer = 0; layer < LAYERS; layer += 1) {
    const from = LAYER_OF.indexOf(layer);
    const [h, own] = [`h.${layer}`, `h.${from}`];
    for (const name of ['ln_1', 'ln_2']) {
      const { weight, bias } = from < 0 ? { weight: new Float32Array(wide).fill(0.5), bias: new Float32Array(wide) } : norm(`${own}.${name}`);
      add(`${h}.${name}.weight`, [wide], weight);
      add(`${h}.${name}.bias`, [wide], bias);
    }
    const attention = noise(wide * 3 * wide);
    const attentionBias = new Float32Array(3 * wide);
    const output = noise(wide * wide);
    const outputBias = new Float32Array(wide);
    const inner = noise(wide * NEURONS);
    const innerBias = noise(NEURONS, 0.1);
    const outer = noise(NEURONS * wide, NOISE / 8);
    const outerBias = new Float32Array(wide);
    if (from >= 0) {
      const [cAttn, bAttn, cProj, bProj] = ['c_attn.weight', 'c_attn.bias', 'c_proj.weight', 'c_proj.bias'].map((name) => demo[`${own}.attn.${name}`]);
      HEAD_OF.forEach((head, demoHead) => {
        for (let kind = 0; kind < 3; kind += 1) {
          for (let k = 0; k < size; k += 1) {
            const to = kind * wide + head * size + k;
            const at = kind * d + demoHead * size + k;
            attentionBias[to] = bAttn[at];
            for (let i = 0; i < wide; i += 1) attention[i * 3 * wide + to] = i < d ? cAttn[i * 3 * d + at] : 0;
          }
        }
        for (let k = 0; k < size; k += 1) centre(cProj, demoHead * size + k, output, head * size + k);
      });
      centre(bProj, 0, outputBias, 0);
      const [cFc, bFc, mProj, mBias] = ['c_fc.weight', 'c_fc.bias', 'c_proj.weight', 'c_proj.bias'].map((name) => demo[`${own}.mlp.${name}`]);
      for (let neuron = 0; neuron < mlp; neuron += 1) {
        const to = neuron * (NEURONS / mlp);
        innerBias[to] = bFc[neuron];
        for (let i = 0; i < wide; i += 1) inner[i * NEURONS + to] = i < d ? cFc[i * mlp + neuron] : 0;
        centre(mProj, neuron, outer, to);
      }
      centre(mBias, 0, outerBias, 0);
    }
    add(`${h}.attn.c_attn.weight`, [wide, 3 * wide], attention);
    add(`${h}.attn.c_attn.bias`, [3 * wide], attentionBias);
    add(`${h}.attn.c_proj.weight`, [wide, wide], output);
    add(`${h}.attn.c_proj.bias`, [wide], outputBias);
    add(`${h}.mlp.c_fc.weight`, [wide, NEURONS], inner);
    add(`${h}.mlp.c_fc.bias`, [NEURONS], innerBias);
    add(`${h}.mlp.c_proj.weight`, [NEURONS, wide], outer);
    add(`${h}.mlp.c_proj.bias`, [wide], outerBias);
  }
  const last = norm('ln_f');
  add('ln_f.weight', [wide], last.weight);
  add('ln_f.bias', [wide], last.bias);

  const config = JSON.stringify({
    ...small, _comment: 'the demo model inside one of GPT-2 small\u2019s shape', n_layer: LAYERS, n_head: HEADS, n_embd: wide, n_inner: NEURONS, n_ctx: POSITIONS, n_positions: POSITIONS,
    layer_norm_epsilon: (small.layer_norm_epsilon * d) / wide,
  });
  return { config, weights: writeHalves(tensors) };
}

/** Numbers from -1 to 1, the same for the same seed. @param {number} seed */
function randomly(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x80000000 - 1;
  };
}

/** The tensors of an fp16 checkpoint. @param {Buffer} file @returns {Record<string, Float32Array>} */
function readHalves(file) {
  const length = Number(file.readBigUInt64LE(0));
  /** @type {Record<string, { data_offsets: [number, number] }>} */
  const header = JSON.parse(file.toString('utf8', 8, 8 + length));
  const table = Float32Array.from({ length: 65536 }, (_, bits) => ofHalf(bits));
  return Object.fromEntries(Object.entries(header).filter(([name]) => name !== '__metadata__').map(([name, { data_offsets: [start, end] }]) => {
    const bytes = file.subarray(8 + length + start, 8 + length + end);
    return [name.replace(/^transformer\./, ''), Float32Array.from({ length: bytes.length / 2 }, (_, i) => table[bytes.readUInt16LE(2 * i)])];
  }));
}

/** @param {number} bits of an fp16 number */
function ofHalf(bits) {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The nearest fp16 number; those too small for it become zero. @param {number} value */
function toHalf(value) {
  scratch[0] = value;
  const [bits] = scratchBits;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  if (exponent <= 0) return sign;
  return sign | ((exponent << 10) + (((bits >>> 12) & 0x7ff) + 1 >> 1));
}

/** @param {Record<string, { shape: number[], numbers: Float32Array }>} tensors */
function writeHalves(tensors) {
  let offset = 0;
  const header = JSON.stringify(Object.fromEntries(Object.entries(tensors).map(([name, { shape, numbers }]) => {
    const start = offset;
    offset += 2 * numbers.length;
    return [name, { dtype: 'F16', shape, data_offsets: [start, offset] }];
  })));
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const data = new Uint16Array(offset / 2);
  let at = 0;
  for (const { numbers } of Object.values(tensors)) for (const number of numbers) data[at++] = toHalf(number);
  return Buffer.concat([length, Buffer.from(padded), Buffer.from(data.buffer)]);
}
