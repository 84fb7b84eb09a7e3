// Node's ws 8.23 with node-redis 6.3 as a server that does barewire's job. Needs Node 20 or newer, and
// `npm ci --ignore-scripts` in this folder.
//
// From the environment: PORT, where to listen, and REDIS_PORT, both on 127.0.0.1; DEFLATE=1 turns
// permessage-deflate on, as ws has it by default.
//
// Tuned as the documentation says:
//
// * ws: a message is handed on as the Buffer that Redis sent, so that no string is made of it and none is
//   encoded again for each client; perMessageDeflate is off, as is the tracking of clients, who are in our own
//   sets; bufferutil, which the README recommends before Node 26.12, unmasks in C.
// * Node's streams: a burst to one socket is corked and uncorked in `process.nextTick`, as under
//   `writable.uncork()`, so it goes out by one system call. ws itself writes each frame at once.
// * node-redis, and not ioredis, because it took less than half of the CPU time per message here. Its core
//   alone, without the modules that the package `redis` adds.

import { createServer } from "node:http";
import { createClient } from "@redis/client";
import { WebSocketServer } from "ws";

const { PORT, REDIS_PORT, DEFLATE } = process.env;

// How much may wait for one client: as much as the other peers hold for it of the benchmark's largest messages.
const BACKLOG_BYTES = 16 * 1024 * 1024;
// How many may wait to be accepted; the benchmark opens thousands at once.
const ACCEPT_QUEUE = 4096;

// A server that lacks one of its parts would only be measured wrongly.
function fail(error) {
  console.error(error.message);
  process.exit(1);
}

const redis = createClient({
  RESP: 2,
  socket: { host: "127.0.0.1", port: Number(REDIS_PORT), reconnectStrategy: false },
});
redis.on("error", fail);
redis.on("end", () => fail(new Error("Redis has closed the connection")));
await redis.connect().catch(fail);

// ---- Channels ----

const channels = new Map();

/** A channel that somebody wants, subscribed to at most once. */
class Channel {
  constructor(name) {
    this.name = name;
    this.users = 0; // who is on it, or will be as soon as Redis has acknowledged it
    this.clients = new Set(); // who is on it
    this.deliver = (message) => {
      for (const client of this.clients) client.send(message, false);
    };
    this.acknowledged = redis.subscribe(name, this.deliver, true).catch(fail);
  }

  static join(name) {
    let channel = channels.get(name);
    if (!channel) channels.set(name, (channel = new Channel(name)));
    channel.users += 1;
    return channel;
  }

  leave(client) {
    this.clients.delete(client);
    this.users -= 1;
    if (this.users > 0) return;
    channels.delete(this.name);
    redis.unsubscribe(this.name, this.deliver, true).catch(fail);
  }
}

// ---- Clients ----

let corked = [];

function uncork() {
  for (const client of corked) {
    client.corked = false;
    client.socket.uncork();
  }
  corked = [];
}

class Client {
  corked = false;

  constructor(socket) {
    this.socket = socket;
  }

  send(message, binary) {
    if (!this.corked) {
      if (corked.length === 0) process.nextTick(uncork);
      corked.push(this);
      this.corked = true;
      this.socket.cork();
    }
    this.websocket.send(message, { binary });
    if (this.websocket.bufferedAmount > BACKLOG_BYTES) this.websocket.terminate();
  }
}

// ---- The server ----

const websockets = new WebSocketServer({
  noServer: true, // the 101 has to wait for Redis
  clientTracking: false,
  perMessageDeflate: DEFLATE === "1",
});

// What ends a connection is not worth a word: clients come and go.
const ignore = () => {};

async function upgrade(request, socket, head) {
  socket.on("error", ignore);
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  const names = new Set(searchParams.getAll("channel"));
  const echo = pathname === "/echo";
  if (!echo && (pathname !== "/" || names.size === 0)) {
    socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    return;
  }

  const client = new Client(socket);
  const joined = echo ? [] : [...names].map(Channel.join);
  socket.on("close", () => joined.forEach((channel) => channel.leave(client)));
  await Promise.all(joined.map((channel) => channel.acknowledged));

  websockets.handleUpgrade(request, socket, head, (websocket) => {
    websocket.on("error", ignore);
    client.websocket = websocket;
    for (const channel of joined) channel.clients.add(client);
    if (echo) websocket.on("message", (message, binary) => client.send(message, binary));
  });
}

createServer((_, response) => response.writeHead(426, { Upgrade: "websocket" }).end())
  .on("upgrade", upgrade)
  .on("error", fail)
  .listen({ host: "127.0.0.1", port: Number(PORT), backlog: ACCEPT_QUEUE });
