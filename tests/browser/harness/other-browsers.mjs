// Firefox and WebKit, as far as a smoke test needs them. Firefox speaks WebDriver BiDi itself. WebKitGTK has a driver, and wants
// a screen.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import puppeteer from 'puppeteer-core';
import { Browser, Builder, By, Capabilities } from 'selenium-webdriver';

/**
 * @typedef {object} Tab a page in one of these browsers
 * @property {string} browser its name and version
 * @property {(url: string) => Promise<unknown>} goto
 * @property {(script: string) => Promise<any>} evaluate the value of an expression
 * @property {(selector: string) => Promise<void>} click
 * @property {(selector: string, text: string) => Promise<void>} type after what is there
 * @property {() => Promise<Buffer>} screenshot
 * @property {() => Promise<void>} close
 */

const SIZE = { width: 1280, height: 900 };
const START_MS = 20_000;
/** Where programs may be; an environment variable can name another place. */
const PLACES = {
  PATCHLAB_FIREFOX: ['/usr/bin/firefox-esr', '/usr/bin/firefox', '/Applications/Firefox.app/Contents/MacOS/firefox'],
  PATCHLAB_WEBKIT_DRIVER: ['/usr/bin/WebKitWebDriver'],
  PATCHLAB_XVFB: ['/usr/bin/Xvfb'],
};

/** @param {keyof typeof PLACES} name */
function program(name) {
  return process.env[name] ?? PLACES[name].find((path) => existsSync(path));
}

/** @typedef {{ open: () => Promise<Tab>, lacks: string | false }} Other `lacks`: why it cannot be had */
/** @type {Record<string, Other>} */
export const OTHERS = {
  Firefox: { open: inFirefox, lacks: !program('PATCHLAB_FIREFOX') && 'FIREFOX IS NOT TESTED: install what Debian calls firefox-esr, or set PATCHLAB_FIREFOX' },
  WebKit: {
    open: inWebKit,
    lacks: !(program('PATCHLAB_WEBKIT_DRIVER') && program('PATCHLAB_XVFB')) && 'WEBKIT IS NOT TESTED: install what Debian calls webkit2gtk-driver and xvfb',
  },
};

/** @returns {Promise<Tab>} */
async function inFirefox() {
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath: program('PATCHLAB_FIREFOX'), headless: true, defaultViewport: SIZE });
  const page = await browser.newPage();
  return {
    browser: await browser.version(),
    goto: (url) => page.goto(url),
    evaluate: (script) => page.evaluate(script),
    click: (selector) => page.click(selector),
    type: (selector, text) => page.type(selector, text),
    screenshot: async () => Buffer.from(await page.screenshot()),
    close: () => browser.close(),
  };
}

/** @returns {Promise<Tab>} */
async function inWebKit() {
  const screen = spawn(program('PATCHLAB_XVFB') ?? '', ['-displayfd', '1', '-screen', '0', '1400x1000x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const display = String(await new Promise((done) => screen.stdout?.once('data', done))).trim();
  const port = await freePort();
  const driver = spawn(program('PATCHLAB_WEBKIT_DRIVER') ?? '', [`--port=${port}`], { stdio: 'ignore', env: { ...process.env, DISPLAY: `:${display}` } });
  const end = () => {
    driver.kill();
    screen.kill();
  };
  try {
    await answering(port);
    const wanted = new Capabilities({ browserName: 'MiniBrowser' });
    const tab = await new Builder().disableEnvironmentOverrides().forBrowser(Browser.SAFARI).usingServer(`http://127.0.0.1:${port}`).withCapabilities(wanted).build();
    const is = await tab.getCapabilities();
    await tab.manage().window().setRect({ x: 0, y: 0, ...SIZE });
    const found = (/** @type {string} */ selector) => tab.findElement(By.css(selector));
    return {
      browser: `${is.get('browserName')} ${is.get('browserVersion')}`,
      goto: (url) => tab.get(url),
      evaluate: (script) => tab.executeScript(`return (${script})`),
      click: async (selector) => found(selector).click(),
      type: async (selector, text) => found(selector).sendKeys(text),
      screenshot: async () => Buffer.from(await tab.takeScreenshot(), 'base64'),
      close: async () => {
        await tab.quit();
        end();
      },
    };
  } catch (error) {
    end();
    throw error;
  }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => done(port));
    });
  });
}

/** Waits until something answers there. @param {number} port */
async function answering(port) {
  const start = performance.now();
  for (;;) {
    try {
      return await fetch(`http://127.0.0.1:${port}/status`);
    } catch (error) {
      if (performance.now() - start > START_MS) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}
