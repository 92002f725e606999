// Memory of Chromium's renderer process, from Linux's /proc, and of the module in its worker.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

/** @import { Page } from 'playwright-core' */

/**
 * Starts measuring the peak growth in resident memory of a new page's process; the returned function reads it.
 *
 * @param {string} profile the browser's profile folder
 * @param {Page} page
 * @param {string} url of the site: navigating there first keeps the page in one process
 * @returns {Promise<() => number>} bytes
 */
export async function peakGrowth(profile, page, url) {
  await page.goto(new URL('www/icon.svg', url).href);
  const pid = rendererOf(profile);
  const before = status(pid, 'VmRSS');
  writeFileSync(`/proc/${pid}/clear_refs`, '5'); // resets the peak
  return () => Math.max(status(pid, 'VmHWM'), ...renderersOf(profile).map((other) => status(other, 'VmHWM'))) - before;
}

/** The renderer process with the most memory. @param {string} profile */
function rendererOf(profile) {
  const [first] = renderersOf(profile).sort((a, b) => status(b, 'VmRSS') - status(a, 'VmRSS'));
  if (!first) throw new Error('no renderer process was found');
  return first;
}

/** @param {string} profile */
function renderersOf(profile) {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--type=renderer') && lineage(pid).includes(profile);
    } catch {
      return false; // it has exited in the meantime
    }
  });
}

/** The command lines of a process and its ancestors. @param {number} pid */
function lineage(pid) {
  let words = '';
  for (let at = pid; at > 1; at = Number(/PPid:\s*(\d+)/.exec(readFileSync(`/proc/${at}/status`, 'utf8'))?.[1] ?? 0)) {
    words += readFileSync(`/proc/${at}/cmdline`, 'utf8');
  }
  return words;
}

/** A field of a process's status, in bytes. @param {number} pid @param {string} name */
function status(pid, name) {
  const line = new RegExp(`${name}:\\s*(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return 1024 * Number(line?.[1]);
}

/** Worker prefix for `memoryOf`. */
export const TELL_MEMORY = `{
  const instantiate = WebAssembly.instantiateStreaming;
  WebAssembly.instantiateStreaming = async (...args) => {
    const made = await instantiate.apply(WebAssembly, args);
    self.patchlabMemory = made.instance.exports.memory;
    return made;
  };
}\n`;

/** Bytes of the module's memory. It never shrinks, so its final size is its peak. @param {Page} page @returns {Promise<number>} */
export function memoryOf(page) {
  return page.workers()[0].evaluate(() => /** @type {any} */ (self).patchlabMemory.buffer.byteLength);
}
