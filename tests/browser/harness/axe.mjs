// Accessibility checks with axe.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** @import { Page } from 'playwright-core' */

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Serious violations, one line each.
 *
 * @param {Page} page
 * @param {string} [within] a selector
 * @returns {Promise<string[]>}
 */
export async function violations(page, within = 'html') {
  await page.evaluate(axe);
  return page.evaluate(async (root) => {
    const { violations: found } = await /** @type {any} */ (window).axe.run(root, { resultTypes: ['violations'] });
    return found
      .filter((/** @type {any} */ violation) => ['serious', 'critical'].includes(violation.impact))
      .flatMap((/** @type {any} */ violation) => violation.nodes.map((/** @type {any} */ node) => `${violation.id}: ${node.target.join(' ')}: ${node.failureSummary}`));
  }, within);
}
