// The server against Node's `ws`, which nobody here wrote.
//
//   node node.mjs http://127.0.0.1:8080
//
// The server must have /echo on, the channel `ruby`, publishing without a token, and --max-message of
// at least 1 MiB. The package is found by Node from the folder of this file upwards. Prints one line
// for each check, then "N passed, M failed".

import { deepStrictEqual as equal } from 'node:assert';
import { once } from 'node:events';
import WebSocket from 'ws';

const DEADLINE_MS = 20_000; // for what takes milliseconds

const http = process.argv[2].replace(/\/$/, '');
const ws = http.replace('http', 'ws');

/** A socket whose messages wait in a list until they are asked for. */
async function open(target, options = {}) {
  const socket = new WebSocket(ws + target, { perMessageDeflate: false, ...options });
  const messages = [];
  let wake = () => {};
  socket.on('message', (data, isBinary) => {
    messages.push(isBinary ? data : data.toString());
    wake();
  });
  socket.on('close', () => wake());
  socket.next = async () => {
    while (!messages.length) {
      if (socket.readyState === WebSocket.CLOSED) throw new Error('it was closed');
      await new Promise(resolve => { wake = resolve; });
    }
    return messages.shift();
  };
  await once(socket, 'open');
  return socket;
}

async function publish(body, channel = 'ruby') {
  const answer = await fetch(`${http}/publish?channel=${channel}`, { method: 'POST', body });
  return { status: answer.status, text: await answer.text() };
}

async function closeOf(socket) {
  const [code, reason] = await once(socket, 'close');
  return [code, reason.toString()];
}

const bytes = length => Buffer.from(Array.from({ length }, (_, i) => i % 256));

const checks = {
  async 'text and binary of every length'() {
    const socket = await open('/echo');
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 1 << 20]) {
      for (const message of ['x'.repeat(length), bytes(length)]) {
        socket.send(message);
        equal(await socket.next(), message, `${length} came back changed`);
      }
    }
    socket.terminate();
  },
  async 'fragments are one message'() {
    const socket = await open('/echo');
    socket.send('Hel', { fin: false });
    socket.ping('?');
    socket.send('', { fin: false });
    socket.send('lo', { fin: true });
    const [pong] = await once(socket, 'pong');
    equal(pong.toString(), '?');
    equal(await socket.next(), 'Hello');
    socket.terminate();
  },
  async 'our close is answered with its code'() {
    const socket = await open('/echo');
    const closed = closeOf(socket);
    socket.close(4321, 'bye');
    equal((await closed)[0], 4321);
  },
  async 'a bad frame is closed with 1002'() {
    const socket = await open('/echo');
    const closed = closeOf(socket);
    socket._socket.write(Buffer.from([0x81, 0x00]));
    equal((await closed)[0], 1002);
  },
  async 'a channel delivers what is published'() {
    const sockets = await Promise.all([open('/?channel=ruby'), open('/?channel=ruby')]);
    for (const [message, expected] of [['Hello\n', 'Hello\n'], ['', ''], [Buffer.from([255, 0]), Buffer.from([255, 0])]]) {
      const { status, text } = await publish(message);
      equal(status, 200, text);
      for (const socket of sockets) equal(await socket.next(), expected);
    }
    sockets.forEach(socket => socket.terminate());
  },
  async 'a thousand messages come in order'() {
    const socket = await open('/?channel=ruby');
    for (let number = 0; number < 1000; number += 1) equal((await publish(String(number))).status, 200);
    for (let number = 0; number < 1000; number += 1) equal(await socket.next(), String(number));
    socket.terminate();
  },
  async 'an offer of compression is no obstacle'() {
    const socket = await open('/echo', { perMessageDeflate: true });
    socket.send('Hello');
    equal(await socket.next(), 'Hello');
    socket.terminate();
  },
  async 'what is refused is refused with its status'() {
    for (const [target, options, status] of [
      ['/nowhere', {}, 404],
      ['/?channel=not-allowed', {}, 403],
      ['/echo', { origin: 'http://elsewhere.test' }, 403],
    ]) {
      const socket = new WebSocket(ws + target, options);
      socket.on('error', () => {});
      const [, answer] = await once(socket, 'unexpected-response');
      equal(answer.statusCode, status, target);
      socket.terminate();
    }
    equal((await publish('x', 'not-allowed')).status, 403);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('no end')), DEADLINE_MS); });
  try {
    await Promise.race([check(), late]);
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.message.split('\n')[0]}`);
  }
  clearTimeout(timer);
}
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0); // sockets of failed checks may still be open
