// The server against the WebSocket clients of JavaScript, which nobody here wrote: `ws` and `undici` in
// Node, and Chromium.
//
//   CHROMIUM=/usr/bin/chromium node node.mjs target/release/barewire
//
// All three have the API of the browsers, so all go through the same checks, each on a server of its own:
// once without compression and once with. `ws` shows besides what that API has no call for: fragments,
// pings, and bytes that are wrong. The packages are found by Node from the folder of this file upwards;
// without CHROMIUM, there is no Chromium. Prints a line for each check, then "N passed, M failed".

import assert, { deepStrictEqual as equal } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { WebSocket as Undici } from 'undici';
import Ws from 'ws';

const DEADLINE_MS = 60_000; // for what takes milliseconds, or with 16 MiB a second
const LARGE = ['--max-message', '17m'];

/** The program on a free port. */
async function serve(...flags) {
  const program = spawn(process.argv[2], ['--bind', '127.0.0.1:0', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [line] = await once(createInterface(program.stderr), 'line');
  const http = line.match(/http:\/\/127\.0\.0\.1:\d+/)[0];
  const end = async signal => {
    if (program.exitCode === null && program.signalCode === null) {
      program.kill(signal);
      await once(program, 'exit');
    }
  };
  return { http, ws: http.replace('http', 'ws'), stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}

// ---- The checks with the browsers' API ----

/** Everything that a check needs; this function is sent to the browser as text. */
function tools({ WebSocket, http, stop, options }) {
  const check = (what, wrong) => { if (!what) throw new Error(wrong); };
  async function open(path) {
    const socket = new WebSocket(http.replace('http', 'ws') + path, [], options);
    const messages = [];
    let wake = () => {};
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      messages.push(typeof data === 'string' ? data : new Uint8Array(data));
      wake();
    };
    socket.closed = new Promise(resolve => {
      socket.onclose = ({ code, reason, wasClean }) => {
        resolve({ code, reason, wasClean });
        wake();
      };
    });
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error('it was refused'));
    });
    socket.onerror = null;
    socket.next = async () => {
      while (!messages.length) {
        check(socket.readyState === 1, 'it was closed');
        await new Promise(resolve => { wake = resolve; });
      }
      return messages.shift();
    };
    return socket;
  }
  const same = (a, b) => (typeof a === typeof b && a.length === b.length
    && (typeof a === 'string' ? a === b : a.every((byte, i) => byte === b[i])));
  async function publish(body, channel = 'ruby') {
    const answer = await fetch(`${http}/publish?channel=${channel}`, { method: 'POST', body });
    return { status: answer.status, text: await answer.text() };
  }
  return { check, open, same, publish, stop };
}

const checks = {
  async 'what was agreed on'({ check, open }, agreed) {
    const { extensions } = await open('/echo');
    check(/^permessage-deflate/.test(extensions) === agreed, `agreed on "${extensions}"`);
  },
  async 'text and binary of every length'({ check, open, same }) {
    const socket = await open('/echo');
    for (const length of [0, 1, 63, 64, 125, 126, 65_535, 65_536, 1 << 20, 16 << 20]) {
      const bytes = new Uint8Array(length).map((_, i) => i * i);
      for (const message of ['x'.repeat(length), bytes]) {
        socket.send(message);
        check(same(await socket.next(), message), `${length} of ${typeof message} came back changed`);
      }
    }
    socket.send('€'.repeat(1000));
    check(await socket.next() === '€'.repeat(1000), 'characters came back changed');
  },
  async 'our close is answered with its code'({ check, open }) {
    const socket = await open('/echo');
    socket.close(4321, 'bye');
    const { code, wasClean } = await socket.closed;
    check(code === 4321 && wasClean, `${code}`);
  },
  async 'a message over the limit is closed with 1009 and a reason'({ check, open }) {
    const socket = await open('/echo');
    socket.send(new Uint8Array((17 << 20) + 1));
    const { code, reason } = await socket.closed;
    check(code === 1009 && reason.includes('larger'), `${code} ${reason}`);
  },
  async 'a channel delivers what is published'({ check, open, same, publish }) {
    const sockets = [await open('/?channel=ruby'), await open('/?channel=ruby')];
    const rows = JSON.stringify(Array.from({ length: 400 }, (_, id) => ({ id, name: `row ${id}` })));
    for (const [message, expected = message] of [['Hello\n'], [''], [new Uint8Array([255, 0])], [rows]]) {
      const { status, text } = await publish(message);
      check(status === 200 && parseInt(text) >= 2, text); // Chromium's page listens, too
      for (const socket of sockets) check(same(await socket.next(), expected), 'it came changed');
    }
  },
  async 'a thousand messages come in order'({ check, open, publish }) {
    const socket = await open('/?channel=ruby');
    for (let number = 0; number < 1000; number += 1) check((await publish(String(number))).status === 200, 'not published');
    for (let number = 0; number < 1000; number += 1) check(await socket.next() === String(number), `not ${number}`);
  },
  async 'a server that stops says so'({ check, open, stop }) {
    const socket = await open('/?channel=ruby');
    await stop();
    const { code, reason } = await socket.closed;
    check(code === 1001 && reason, `${code} ${reason}`);
  },
};

// ---- What only `ws` has a call for ----

const wsChecks = {
  async 'fragments are one message'({ open }) {
    const socket = await open('/echo');
    for (const [first, last] of [['Hel', 'lo'], ['x'.repeat(2000), 'y'.repeat(2000)]]) {
      const pong = once(socket, 'pong');
      socket.send(first, { fin: false });
      socket.ping('?');
      socket.send('', { fin: false });
      socket.send(last, { fin: true });
      equal((await pong)[0].toString(), '?');
      equal(await socket.next(), first + last);
    }
  },
  async 'a bad frame is closed with 1002'({ open }) {
    const socket = await open('/echo');
    socket._socket.write(Buffer.from([0x81, 0x00]));
    equal((await socket.closed).code, 1002);
  },
  async 'what is refused is refused with its status'({ publish }, agreed, server) {
    for (const [target, options, status] of [
      ['/nowhere', {}, 404],
      ['/?channel=not-allowed', {}, 403],
      ['/echo', { origin: 'http://elsewhere.test' }, 403],
    ]) {
      const socket = new Ws(server.ws + target, options);
      socket.on('error', () => {});
      const [, answer] = await once(socket, 'unexpected-response');
      equal(answer.statusCode, status, target);
      socket.terminate();
    }
    equal((await publish('x', 'not-allowed')).status, 403);
  },
};

// ---- The clients: each runs a check on a server ----

/** A client in this process. */
const here = (WebSocket, options) => (check, agreed, server) => {
  const { http, stop } = server;
  return check(tools({ WebSocket, http, stop, options }), agreed, server);
};

/** Chromium, on a page of the server, so that its Origin is the server's own. */
const inPage = browser => async (check, agreed, server) => {
  const page = await browser.newPage();
  try {
    await page.exposeFunction('stop', server.stop);
    await page.goto(server.http);
    await page.evaluate(`(async () => {
      ${tools}
      await ({ ${check} })[${JSON.stringify(check.name)}](
        tools({ WebSocket: class extends WebSocket { constructor(url) { super(url); } },
                http: ${JSON.stringify(server.http)}, stop }), ${agreed});
    })()`);
  } finally {
    await page.close();
  }
};

let passed = 0;
let failed = 0;

async function attempt(name, check, run, { deflate, agreed }) {
  const server = await serve(...LARGE, ...(deflate ? ['--deflate'] : []));
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('no end')), DEADLINE_MS); });
  try {
    await Promise.race([run(check, agreed, server), late]);
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.message.split('\n')[0]}`);
  }
  clearTimeout(timer);
  await server.kill();
}

const zlib = bits => ({ perMessageDeflate: { threshold: 0, serverMaxWindowBits: bits } });
const clients = [
  ['ws, without an offer', here(Ws, { perMessageDeflate: false }), { deflate: true, agreed: false }, wsChecks],
  ['ws, declined', here(Ws), { deflate: false, agreed: false }, {}],
  ['ws, compressed', here(Ws, zlib(undefined)), { deflate: true, agreed: true }, wsChecks],
  ['ws, compressed in 9 bits', here(Ws, zlib(9)), { deflate: true, agreed: true }, {}],
  ['undici', here(Undici), { deflate: false, agreed: false }, {}],
  ['undici, compressed', here(Undici), { deflate: true, agreed: true }, {}],
];

let browser;
if (process.env.CHROMIUM) {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  assert(browser.isConnected());
  clients.push(['Chromium', inPage(browser), { deflate: false, agreed: false }, {}]);
  clients.push(['Chromium, compressed', inPage(browser), { deflate: true, agreed: true }, {}]);
}

for (const [name, run, mode, more] of clients) {
  for (const [what, check] of Object.entries({ ...checks, ...more })) {
    // The API has no options, and undici no ear for them.
    await attempt(`${name}: ${what}`, check, run, mode);
  }
}
console.log('not     undici, Chromium: fragments, pings: their API has no call for them');
await browser?.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0); // sockets of failed checks may still be open
