import { chromium } from 'playwright-core';
import { readFileSync } from 'node:fs';
import { serveFiles, serveSite } from './harness/server.mjs';
import { linkTo } from './harness/inputs.mjs';
const [, , model, width, theme, out, ...ids] = process.argv;
const site = await serveSite('/work/main/dist');
const hub = await serveFiles({ 'config.json': '/tmp/standin/config.json', 'model.safetensors': '/tmp/standin/model.safetensors' });
const b = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const ctx = await b.newContext({ viewport: { width: Number(width), height: width < 500 ? 844 : 900 }, colorScheme: theme, isMobile: width < 500, hasTouch: width < 500 });
const p = await ctx.newPage();
p.on('console', (m) => { if (m.type() === 'error') console.log(m.text()); });
p.on('pageerror', (e) => console.log('ERR', e.stack));
const exp = process.env.EXP ? linkTo(JSON.parse(readFileSync(process.env.EXP, 'utf8'))) : '';
await p.goto(`${site.url}?device=cpu${model === 'big' ? `&model=${hub.url}` : ''}${exp}`);
await p.waitForSelector('#opening[data-state="open"]', { timeout: 120000 });
await p.waitForFunction(() => document.getElementById('test-prompt')?.dataset.state === 'fresh', undefined, { timeout: 120000 });
if (process.env.DO) await eval(`(async () => { ${process.env.DO} })()`);
if (ids[0] === 'top') await p.screenshot({ path: `${out}-top.png` });
for (const id of ids.filter((i) => i !== 'top')) {
  await p.locator(`#${id}`).scrollIntoViewIfNeeded();
  await p.waitForFunction((i) => ['fresh', 'failed'].includes(document.getElementById(i)?.dataset.state) || ['neuron-patching', 'compare', 'inspector'].includes(i), id, { timeout: 300000 });
  await p.waitForTimeout(300);
  await p.evaluate((i) => document.getElementById(i).scrollIntoView({ block: 'start' }), id);
  await p.waitForTimeout(200);
  await p.screenshot({ path: `${out}-${id}.png` });
}
if (process.env.FULL) await p.screenshot({ path: `${out}-full.png`, fullPage: true });
await b.close(); await site.close(); await hub.close();
