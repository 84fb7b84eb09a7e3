// The page in a real browser, against the real server: it connects, shows what is published, survives a killed server.
//
//   BAREWIRE=target/release/barewire node tests/browser/page.mjs
//
// BAREWIRE   the server's binary (required)
// CHROMIUM   the browser (default /usr/bin/chromium)
// OUT        folder for screenshots, light and dark, wide and narrow (default: none are taken)
//
// Needs the package playwright-core, found by Node from the folder of this file upwards. Prints one line for each check, then
// "N passed, M failed"; the exit code is 0 only if none failed. Every wait is for a condition,
// with a deadline; none is for a time.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { BAREWIRE, CHROMIUM = '/usr/bin/chromium', OUT } = process.env;
if (!BAREWIRE) {
  console.error('BAREWIRE is not set: name the binary to test, as in BAREWIRE=target/release/barewire');
  process.exit(2);
}

const DEADLINE_MS = 15_000;
const ROWS = 500; // as the page has it
const HOSTILE = '<img src=x onerror=alert(1)>';
const WIDE = { width: 1280, height: 800 }, NARROW = { width: 390, height: 844 }, NARROWEST = { width: 360, height: 640 };
const BROWSER_FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

// ---- The server: a child of this process, and ended by its own handle ----

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

const port = await freePort();
const url = `http://127.0.0.1:${port}/`;
let server = null;

async function startServer() {
  const child = spawn(BAREWIRE, ['--bind', `127.0.0.1:${port}`, '--awake', '1s'], { stdio: ['ignore', 'inherit', 'inherit'] });
  server = child;
  // "once" rejects by itself at an 'error' event, which is how a binary that cannot be started is told.
  const ended = once(child, 'exit').then(([code, signal]) => { throw new Error(`${BAREWIRE} ended at its start: ${code ?? signal}`); });
  ended.catch(() => {}); // later it is killed on purpose, and nobody waits for this any more
  await Promise.race([ended, until('the server answers /healthz', async () => (await fetch(`${url}healthz`)).ok)]);
}

async function killServer() {
  if (!server || server.exitCode !== null || server.signalCode !== null) return;
  server.kill('SIGKILL');
  await once(server, 'exit');
}

/** Asks until the answer is true; what is thrown meanwhile means "not yet". */
async function until(what, ask) {
  const deadline = Date.now() + DEADLINE_MS;
  let last;
  while (Date.now() < deadline) {
    try {
      if (await ask()) return;
    } catch (error) {
      last = error;
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  throw new Error(`not within ${DEADLINE_MS / 1000} s: ${what}`, { cause: last });
}

async function post(text, channel = 'ruby') {
  const answer = await fetch(`${url}publish?channel=${channel}`, { method: 'POST', body: text });
  const said = await answer.text();
  if (!answer.ok) throw new Error(`POST /publish: ${answer.status} ${said}`);
  return said.trim();
}

// ---- The checks ----

let passed = 0, failed = 0;

async function check(what, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok      ${what}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${what}: ${error.message.split('\n')[0]}`);
  }
}

function equal(found, wanted, what) {
  if (found !== wanted) throw new Error(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
}

/** Opens the page and keeps a list of everything a browser complains about. */
async function visit(browser, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  const complaints = [];
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', error => complaints.push(`uncaught: ${error.message}`));
  page.on('dialog', dialog => {
    complaints.push(`a dialog opened: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('requestfailed', request => complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on('response', response => {
    if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
  });
  const requests = [];
  page.on('request', request => requests.push(request.url()));
  const answer = await page.goto(url);
  return { context, page, complaints, requests, answer };
}

const connected = page => page.waitForFunction(() => document.getElementById('state').dataset.state === 'open');
const shown = (page, text, channel) => page.waitForFunction(
  ([text, channel]) => [...document.querySelectorAll('#log > div')].some(row =>
    row.querySelector('.text').textContent.includes(text) && (!channel || row.querySelector('.name').textContent === channel)),
  [text, channel]);
/** Lets go of awake, which would speak in between, and empties the log. */
async function silence(page) {
  await page.uncheck('[data-channel=awake] input');
  await page.click('#clear');
  await page.waitForSelector('#empty', { state: 'visible' });
  await page.evaluate(() => scrollTo(0, 0));
}

const rows = page => page.locator('#log > div').count();

async function checkPage(browser) {
  const { context, page, complaints, requests, answer } = await visit(browser, { viewport: WIDE });

  await check('the first lines of the page are the curl command that upgrades, with the real address', async () => {
    const head = (await answer.text()).slice(0, 600);
    const local = `http://localhost:${new URL(url).port}/`; // as one would type it
    if (!head.includes('curl -i -s --header "Connection: Upgrade"') || !head.includes(local)) throw new Error(head);
    if (head.includes('{{')) throw new Error('a placeholder was left in');
    equal(await page.evaluate(() => document.compatMode), 'CSS1Compat', 'the mode');
  });
  await check('the policy allows nothing inline that is not named by its hash', async () => {
    const headers = answer.headers();
    const policy = headers['content-security-policy'] ?? '';
    if (!policy.includes("default-src 'none'") || !policy.includes('sha256-') || policy.includes('unsafe')) throw new Error(policy || 'none sent');
    equal(headers['x-content-type-options'], 'nosniff', 'X-Content-Type-Options');
  });
  await check('the page connects and says so', () => connected(page));
  await check('the client that is shown is the one that runs', async () => {
    const [ran, read] = await page.evaluate(() => ['client', 'client-source'].map(id => document.getElementById(id).textContent.trim()));
    equal(read, ran, 'the source');
    if (!read.includes('new WebSocket')) throw new Error('there is no client in it');
  });
  await check('a message of awake appears', () => shown(page, "I'm awake...", 'awake'));
  await check('what the form publishes appears, and the receivers are counted', async () => {
    await page.fill('#publish-text', 'from the form');
    await page.press('#publish-text', 'Enter');
    await shown(page, 'from the form\\n', 'ruby');
    await page.waitForFunction(() => /^[1-9]\d* receivers?$/.test(document.getElementById('result').textContent));
  });
  await check('what another client posts appears', async () => {
    await post('from outside\n');
    await shown(page, 'from outside', 'ruby');
  });
  await check('the bytes of its frame are those of RFC 6455 section 5.7', async () => {
    await post('Hello');
    await shown(page, 'Hello', 'ruby');
    const bytes = await page.evaluate(() => [...document.querySelectorAll('#log > div')]
      .find(row => row.querySelector('.text').textContent === 'Hello').querySelector('code').textContent.trim());
    equal(bytes, '81 05 48 65 6c 6c 6f', 'the bytes');
  });
  await check('bytes that are not UTF-8 come as a binary frame, shown as hex', async () => {
    await post(new Uint8Array([0xff, 0x00, 0xfe]));
    await shown(page, 'ff 00 fe', 'ruby');
  });
  await check('a hostile message is text and makes no element', async () => {
    await post(HOSTILE);
    await shown(page, HOSTILE, 'ruby');
    equal(await page.locator('img').count(), 0, 'images');
    equal(await page.locator('#log [onerror]').count(), 0, 'elements with a handler');
  });
  await check('a paused log stands still and misses nothing', async () => {
    await page.click('#pause');
    await page.waitForFunction(() => document.getElementById('pause').textContent === 'Resume');
    const before = await rows(page);
    await post('while paused');
    await page.waitForFunction(() => /[1-9]\d* rows? held/.test(document.getElementById('rate').textContent));
    equal(await rows(page), before, 'rows');
    await page.click('#pause');
    await shown(page, 'while paused', 'ruby');
  });
  await check(`of 600 messages at most ${ROWS} rows are kept, the newest first`, async () => {
    for (let sent = 0; sent < 600; sent += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => post(`row ${sent + i};`)));
    }
    await post('the last of many');
    await shown(page, 'the last of many', 'ruby');
    equal(await rows(page), ROWS, 'rows');
    const texts = await page.locator('#log .text').allTextContents();
    if (texts.indexOf('the last of many') > texts.findIndex(text => text.startsWith('row '))) throw new Error('an older row stands above a newer');
    equal(texts.includes('row 0;'), false, 'the oldest is still there');
  });
  await check('clearing brings back the commands to copy, with the real address', async () => {
    await silence(page);
    const commands = await page.textContent('#empty');
    if (!commands.includes('curl -i -s') || !commands.includes(url)) throw new Error(commands);
    await page.check('[data-channel=awake] input');
    await connected(page);
  });
  await check('nothing was complained about, nothing failed, nothing came from elsewhere', async () => {
    equal(complaints.join(' | '), '', 'complaints');
    equal(requests.filter(each => !each.startsWith(url) && !each.startsWith('data:')).join(' '), '', 'requests to elsewhere');
  });

  await check('a killed server is noticed, and when it is tried again is said', async () => {
    await post('before the kill');
    await shown(page, 'before the kill', 'ruby');
    await killServer();
    await page.waitForFunction(() => document.getElementById('state').dataset.state === 'waiting');
    equal(await page.textContent('#state-text'), 'Reconnecting', 'the state');
    await page.waitForFunction(() => /again in \d+ s/.test(document.querySelector('#channels .note').textContent));
    await page.waitForFunction(() => document.getElementById('advice').textContent.includes('cannot be reached'));
  });
  await shoot(page, 'reconnecting');
  await check('the server is back on its port: the page connects by itself and messages come again', async () => {
    await startServer();
    await connected(page);
    await post('after the restart');
    await shown(page, 'after the restart', 'ruby');
  });
  await check('a channel that is not allowed is said to be refused, and the others go on', async () => {
    await page.fill('#add-name', 'not-allowed');
    await page.press('#add-name', 'Enter');
    await page.waitForFunction(() => document.querySelector('[data-channel="not-allowed"]')?.dataset.state === 'refused');
    await post('beside the refused');
    await shown(page, 'beside the refused', 'ruby');
  });
  await check('while it was away and refused, the browser complained about nothing else', async () => {
    // A browser logs each connection it could not make, and no page can prevent that.
    const expected = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED|channel=not-allowed.*403/;
    equal(complaints.filter(each => !expected.test(each)).join(' | '), '', 'complaints');
  });
  await context.close();
}

// ---- Screenshots, to be looked at by a person; that nothing is cut off is checked here ----

async function shoot(page, name) {
  if (OUT) await page.screenshot({ path: join(OUT, `${name}.png`) });
}

async function checkLooks(browser) {
  const looks = [['wide', WIDE], ['narrow', NARROW], ['narrowest', NARROWEST]].flatMap(([name, viewport]) =>
    ['light', 'dark'].map(colorScheme => ({ name: `${name}-${colorScheme}`, viewport, colorScheme })));
  for (const { name, viewport, colorScheme } of looks) {
    await check(`${name}: nothing is wider than the window`, async () => {
      const { context, page, complaints } = await visit(browser, { viewport, colorScheme, reducedMotion: 'reduce' });
      await connected(page);
      await silence(page);
      await shoot(page, `${name}-empty`);
      await post('Hello');
      await post('{"symbol":"BW","price":12.5,"currency":"EUR"}\n');
      await post(new Uint8Array([0xff, 0x00, 0xfe]));
      await post('a'.repeat(300));
      await post(`${HOSTILE}\n`);
      await shown(page, HOSTILE, 'ruby');
      // The trace and the figures follow by clocks of their own.
      await page.waitForFunction(() => document.getElementById('trace-of').textContent.startsWith('text on ')
        && !document.getElementById('rate').textContent.startsWith('0 '));
      await shoot(page, `${name}-messages`);
      equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'scrolls sideways');
      equal(complaints.join(' | '), '', 'complaints');
      await context.close();
    });
  }
}

if (OUT) mkdirSync(OUT, { recursive: true });
let browser;
try {
  await startServer();
  browser = await chromium.launch({ executablePath: CHROMIUM, args: BROWSER_FLAGS });
  await checkPage(browser);
  await checkLooks(browser);
} catch (error) {
  failed += 1;
  console.log(`FAILED  ${error.message}`);
} finally {
  await browser?.close();
  await killServer();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
