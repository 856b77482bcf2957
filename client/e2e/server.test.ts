// `Socket` in Node against real servers, which are cut off, killed and started again.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket as TcpSocket } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";

import { Socket, type SocketOptions } from "../src/socket.js";

const program = process.env.HOLDWIRE_BIN;
const withProgram = { skip: program ? false : "HOLDWIRE_BIN names no program" };

const QUICK: SocketOptions = {
  WebSocket,
  backoff: { first: 20, cap: 100 },
  heartbeat: { interval: 200, timeout: 3_000 },
};

/** Resolves with the next event of this type; fails when there is none for ten seconds. */
function next(socket: Socket, type: string): Promise<any> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${type}, ${socket.state}`)), 10_000);
    socket.addEventListener(
      type,
      (event) => {
        clearTimeout(timer);
        resolve(event);
      },
      { once: true },
    );
  });
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `never true: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A server of the package `ws` that echoes. */
async function echoServer(port = 0): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port });
  server.on("connection", (line) => {
    line.on("message", (data, isBinary) => line.send(data, { binary: isBinary }));
  });
  await once(server, "listening");
  return server;
}

function portOf(server: WebSocketServer | Server): number {
  return (server.address() as { port: number }).port;
}

/** Our server on this port, or on any. */
async function serve(port = 0): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(program as string, ["serve", "--listen", `127.0.0.1:${port}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const found = new Promise<number>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream as NodeJS.ReadableStream }).on("line", (line) => {
        const match = /127\.0\.0\.1:(\d+)/.exec(line);
        if (match) resolve(Number(match[1]));
      });
    }
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { child, port: await found };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

test("fifty drops in a row: one live socket each time, as the server sees it", async () => {
  const server = await echoServer();
  const socket = new Socket(`ws://127.0.0.1:${portOf(server)}`, [], { ...QUICK, minUptime: 1 });
  try {
    await next(socket, "open");
    for (let round = 1; round <= 50; round++) {
      await until(() => server.clients.size === 1);
      const opened = next(socket, "open");
      for (const line of server.clients) line.terminate();
      await opened;
      await until(() => server.clients.size === 1);
      const answer = next(socket, "message");
      socket.send(`round ${round}`);
      assert.equal((await answer).data, `round ${round}`);
    }
    assert.equal(socket.counters.opened, 51);
  } finally {
    socket.close();
    await next(socket, "close");
    server.close();
  }
});

test("a server that goes away and comes back gets what was sent meanwhile, in order", async () => {
  let server = await echoServer();
  const port = portOf(server);
  const socket = new Socket(`ws://127.0.0.1:${port}`, [], QUICK);
  const heard: string[] = [];
  socket.addEventListener("message", ({ data }) => heard.push(data));
  await next(socket, "open");
  const down = next(socket, "down");
  server.close();
  for (const line of server.clients) line.terminate();
  await down;
  const receipts = ["1", "2", "3"].map((data) => socket.send(data));

  server = await echoServer(port);
  await Promise.all(receipts.map(({ done }) => done));
  await until(() => heard.length === 3);

  assert.deepEqual(heard, ["1", "2", "3"]);
  assert.ok(receipts.every(({ state }) => state === "written"));
  socket.close();
  await next(socket, "close");
  server.close();
});

test("binary and text come as they were sent", async () => {
  const server = await echoServer();
  const socket = new Socket(new URL(`ws://127.0.0.1:${portOf(server)}`), "chat", QUICK);
  socket.binaryType = "arraybuffer";
  const queued = socket.send(new Blob(["a", Uint8Array.of(0)]));
  socket.send(Uint8Array.of(1, 2, 3));
  socket.send("ü");
  const heard: any[] = [];
  socket.addEventListener("message", ({ data }) => heard.push(data));
  await queued.done;
  await until(() => heard.length === 3);

  assert.deepEqual(new Uint8Array(heard[0]), Uint8Array.of(97, 0));
  assert.deepEqual(new Uint8Array(heard[1]), Uint8Array.of(1, 2, 3));
  assert.equal(heard[2], "ü");
  assert.equal(socket.protocol, "chat");
  socket.close();
  await next(socket, "close");
  server.close();
});

test("a line that goes silent is noticed in time, and reopened by another way", async () => {
  const server = await echoServer();
  const relays: TcpSocket[] = [];
  const relay = createServer((from) => {
    const to = connect(portOf(server), "127.0.0.1");
    for (const end of [from, to]) end.on("error", () => {});
    from.pipe(to).pipe(from);
    relays.push(from, to);
  }).listen(0, "127.0.0.1");
  await once(relay, "listening");
  const socket = new Socket(`ws://127.0.0.1:${portOf(relay)}`, [], {
    ...QUICK,
    heartbeat: { interval: 300, timeout: 300 },
  });
  await next(socket, "open");
  await next(socket, "heartbeat");

  const cutAt = performance.now();
  const down = next(socket, "down");
  for (const end of relays) end.unpipe();
  for (const end of relays) end.pause();
  const { cause } = await down;
  const noticed = performance.now() - cutAt;

  assert.equal(cause, "heartbeat");
  assert.ok(noticed < 600 + 2_000, `${noticed} ms`);
  await next(socket, "open");
  socket.close();
  await next(socket, "close");
  for (const end of relays) end.destroy();
  relay.close();
  server.close();
});

test("our server is killed and started again, three times", withProgram, async () => {
  let { child, port } = await serve();
  const socket = new Socket(`ws://127.0.0.1:${port}/echo`, [], QUICK);
  try {
    await next(socket, "open");
    for (let round = 0; round < 3; round++) {
      const down = next(socket, "down");
      await kill(child);
      assert.equal((await down).code, 1006);
      const waiting = socket.send(`round ${round}`);
      const answer = next(socket, "message");
      ({ child } = await serve(port));
      assert.equal((await answer).data, `round ${round}`);
      assert.equal(waiting.state, "written");
    }
    assert.equal(socket.counters.opened, 4);
  } finally {
    socket.close();
    await kill(child);
  }
});

test("our server answers heartbeats on /, and none of them is a message", withProgram, async () => {
  const { child, port } = await serve();
  const socket = new Socket(`ws://127.0.0.1:${port}/`, [], QUICK);
  const heard: string[] = [];
  socket.addEventListener("message", ({ data }) => heard.push(data));
  try {
    await next(socket, "open");
    for (let beat = 0; beat < 4; beat++) await next(socket, "heartbeat");

    assert.ok(socket.roundTrip !== null);
    assert.ok(!heard.includes("HeartBeat"));
  } finally {
    socket.close();
    await kill(child);
  }
});

test("our server's drain is a 1012 that leads back to it", withProgram, async () => {
  const { child, port } = await serve();
  const socket = new Socket(`ws://127.0.0.1:${port}/`, [], QUICK);
  await next(socket, "open");
  const down = next(socket, "down");
  child.kill("SIGTERM");

  assert.equal((await down).code, 1012);
  socket.close();
  await kill(child).catch(() => {});
});
