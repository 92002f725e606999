// Mirrors, whose shards are downloaded whole and checked against the manifest: on another host, and beside the page.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertClean } from './harness/browser.mjs';
import { dist } from './harness/inputs.mjs';
import { config, damage, demo, keysOf, listenedPage, opensWell, sharedBrowser, siteFor, wide } from './harness/opening.mjs';
import { testRows } from './harness/rows.mjs';

/** @import { Files, FaultServer } from './harness/faults.mjs' */
/** @import { Row } from './harness/rows.mjs' */

const SHARD = 2_000_000;
const browser = sharedBrowser();

/** Converts a checkpoint to a mirror. @param {Buffer} file @returns {Record<string, Buffer>} */
function mirrorOf(file) {
  const shards = Array.from({ length: Math.ceil(file.length / SHARD) }, (_, i) => file.subarray(SHARD * i, SHARD * (i + 1)));
  const names = shards.map((_, i) => `shard-${String(i).padStart(3, '0')}.bin`);
  const manifest = {
    format: 'patchlab-mirror-1',
    bytes: file.length,
    shards: shards.map((shard, i) => ({ file: names[i], bytes: shard.length, sha256: createHash('sha256').update(shard).digest('hex') })),
    tensors: tensorsOf(file),
  };
  return {
    'config.json': Buffer.from(JSON.stringify({ ...JSON.parse(config.toString()), patchlab_mirror: 'mirror.json' })),
    'mirror.json': Buffer.from(JSON.stringify(manifest)),
    ...Object.fromEntries(shards.map((shard, i) => [names[i], shard])),
  };
}

/** @param {Buffer} file */
function tensorsOf(file) {
  const header = JSON.parse(file.toString('utf8', 8, 8 + Number(file.readBigUInt64LE(0))));
  delete header.__metadata__;
  return Object.fromEntries(Object.entries(header).map(([name, { dtype, shape }]) => [name, { dtype, shape }]));
}

const mirror = mirrorOf(demo['model.safetensors']);
const shards = Object.keys(mirror).filter((name) => name.startsWith('shard'));
const bytes = demo['model.safetensors'].length;

/** Requests for shards, by name. @param {FaultServer} hub */
function asked(hub) {
  return hub.answers.filter(({ path }) => path.startsWith('shard')).map(({ path }) => path).sort();
}

/** @param {Files} files @returns {string[]} digests of the shards */
function digestsOf(files) {
  return JSON.parse(String(files['mirror.json'])).shards.map((/** @type {{ sha256: string }} */ { sha256 }) => sha256).sort();
}

/** Digests of the stored shards. @param {string[]} keys */
function keptShards(keys) {
  return keys.flatMap((key) => /patchlab-shard[-=]([0-9a-f]{64})$/.exec(key)?.[1] ?? []).sort();
}

/** @type {Row[]} */
const rows = [
  {
    // The most basic kind of host.
    name: 'a mirror on a host that knows no ranges and no states of files',
    files: mirror,
    host: { ranges: false, etag: null, lengths: false, exposes: '' },
    async check({ page, hub, end, again }) {
      assert.deepEqual(asked(hub), shards);
      assert.ok(hub.answers.every(({ ranged }) => !ranged));
      assert.deepEqual(hub.of(), []);
      assert.equal(end.network, bytes);
      assert.equal(end.unkept, null);
      assert.deepEqual(keptShards(await keysOf(page, hub.origin)), digestsOf(mirror));
      const second = await again();
      assert.deepEqual(asked(hub), []);
      assert.equal(second.storage, bytes);
      assert.equal(second.network, 0);
    },
  },
  {
    name: 'a shard comes damaged once',
    files: mirror,
    fault: ({ path, nth }) => (path === shards[1] && nth === 0 ? { corruptAt: 1_000_000 } : null),
    async check({ page, hub, end }) {
      assert.deepEqual(asked(hub), [...shards, shards[1]].sort());
      assert.equal(end.network, bytes);
      assert.deepEqual(keptShards(await keysOf(page, hub.origin)), digestsOf(mirror));
    },
  },
  {
    name: 'a shard always comes damaged',
    files: mirror,
    fault: ({ path }) => (path === shards[1] ? { corruptAt: 1_000_000 } : null),
    fails: /shard-001\.bin[\s\S]*SHA-256/,
    code: 'checkpoint',
    async check({ page, hub }) {
      assert.equal(asked(hub).filter((path) => path === shards[1]).length, 2);
      assert.ok(!keptShards(await keysOf(page, hub.origin)).includes(JSON.parse(String(mirror['mirror.json'])).shards[1].sha256));
    },
  },
  {
    name: 'shards are cut, refused and silent',
    files: mirror,
    hurry: 6,
    fault: ({ path, nth }) => (nth > 0 ? null : path === shards[0] ? { cutAfter: 1_500_000 } : path === shards[1] ? { status: 503 } : path === shards[2] ? { stall: { after: 900_000, ms: 30_000 } } : null),
    note: /sent nothing|Trying again/,
    check({ hub, end }) {
      assert.deepEqual(asked(hub), [...shards, ...shards.slice(0, 3)].sort());
      assert.equal(end.network, bytes);
    },
  },
  {
    name: 'a shard of another length',
    files: mirror,
    hurry: 10,
    fault: ({ path }) => (path === shards[2] ? { longerBy: -1000 } : null),
    fails: /shard-002\.bin[\s\S]*less than/,
  },
  {
    name: 'a shard is missing',
    files: Object.fromEntries(Object.entries(mirror).filter(([name]) => name !== shards[1])),
    fails: /shard-001\.bin[\s\S]*no such file/,
  },
  {
    name: 'a manifest of another format',
    files: { ...mirror, 'mirror.json': Buffer.from(String(mirror['mirror.json']).replace('patchlab-mirror-1', 'patchlab-mirror-9')) },
    fails: /patchlab-mirror-9/,
    code: 'checkpoint',
  },
  {
    name: 'a manifest that leads out of the folder',
    files: { ...mirror, 'mirror.json': Buffer.from(String(mirror['mirror.json']).replace(shards[0], '../secret.bin')) },
    fails: /no plain file name/,
    code: 'checkpoint',
    check: ({ hub }) => assert.deepEqual(asked(hub), []),
  },
  {
    name: 'a shard that is kept is damaged',
    files: mirror,
    async check({ page, hub, again }) {
      const [, damaged] = JSON.parse(String(mirror['mirror.json'])).shards;
      await damage(page, new RegExp(`${hub.origin}.*${damaged.sha256}`));
      const second = await again();
      assert.deepEqual(asked(hub), [damaged.file]);
      assert.equal(second.network, damaged.bytes);
    },
  },
  {
    name: 'another checkpoint takes the mirror\u2019s place',
    files: mirror,
    async check({ page, hub, again }) {
      hub.files = mirrorOf(wide['model.safetensors']);
      const second = await again();
      assert.equal(second.network, wide['model.safetensors'].length);
      assert.deepEqual(keptShards(await keysOf(page, hub.origin)), digestsOf(hub.files));
    },
  },
  {
    name: 'the mirror is down and all is kept',
    files: mirror,
    hurry: 10,
    async check({ hub, again }) {
      await hub.down();
      const second = await again();
      assert.equal(second.storage, bytes);
    },
  },
];

testRows(rows, browser);

test('a mirror beside the page is all that is needed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'patchlab-beside-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(dist, folder, { recursive: true });
  mkdirSync(join(folder, 'www/models/gpt2'));
  for (const [name, content] of Object.entries(mirror)) writeFileSync(join(folder, 'www/models/gpt2', name), content);
  const site = await siteFor(t, { folder });
  const { page, watched } = await listenedPage(t, browser(), [site]);
  const requested = () => site.seen.filter(({ path }) => /gpt2\/shard/.test(path)).map(({ path }) => path.split('/').at(-1)).sort();
  await page.goto(`${site.url}?model=gpt2&device=cpu`);
  const first = await opensWell(page);
  assert.equal(first.network, bytes);
  assert.deepEqual(requested(), shards);
  site.seen.length = 0;
  await page.reload();
  const second = await opensWell(page);
  assert.deepEqual([second.network, second.storage], [0, bytes]);
  assert.deepEqual(requested(), []);
  // This includes requests to other hosts.
  assertClean(watched);
});
