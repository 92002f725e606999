// Copies of the built site, to be changed into other versions of it.

import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dist } from './inputs.mjs';

const LIST = /^self\.site=(\{.*\});\n/;

/** A copy of the built site, removed when the test ends. @param {import('node:test').TestContext} t */
export function copyOfSite(t) {
  const folder = mkdtempSync(join(tmpdir(), 'patchlab-site-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(dist, folder, { recursive: true });
  return folder;
}

/** The service worker's list of files. @param {string} folder @returns {{ version: string, files: Record<string, string> }} */
export function listOf(folder) {
  const found = LIST.exec(readFileSync(join(folder, 'sw.js'), 'utf8'));
  if (!found) throw new Error('sw.js does not begin with its list');
  return JSON.parse(found[1]);
}

/** Changes a file. @param {string} folder @param {string} path @param {(text: string) => string} change */
export function changeFile(folder, path, change) {
  const file = join(folder, path);
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

/** Changes a file and updates the list, as a build would. @param {string} folder @param {string} path @param {(text: string) => string} change */
export function newVersion(folder, path, change) {
  changeFile(folder, path, change);
  const { files } = listOf(folder);
  files[path] = sha256(readFileSync(join(folder, path)));
  writeList(folder, files);
}

/** Removes a script that is loaded when it is needed, as in a version whose scripts have other names. @param {string} folder @param {string} name without its hash */
export function versionWithout(folder, name) {
  const file = readdirSync(join(folder, 'www/chunks')).find((file) => file.startsWith(`${name}-`));
  if (!file) throw new Error(`there is no script ${name}`);
  rmSync(join(folder, 'www/chunks', file));
  const { files } = listOf(folder);
  delete files[`www/chunks/${file}`];
  writeList(folder, files);
}

/** @param {string} folder @param {Record<string, string>} files */
function writeList(folder, files) {
  const list = JSON.stringify({ version: sha256(JSON.stringify(files)).slice(0, 16), files });
  changeFile(folder, 'sw.js', (text) => text.replace(LIST, () => `self.site=${list};\n`));
}

/** @param {string | Buffer} content */
export function sha256(content) {
  return createHash('sha256').update(content).digest('hex');
}
