// `Client` in Node against our server, which is cut off, killed and started again.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket as TcpSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { WebSocket } from "ws";

import { Client, type ClientOptions, type CommandError, type Subscription } from "../src/client.js";

const program = process.env.HOLDWIRE_BIN;
const withProgram = { skip: program ? false : "HOLDWIRE_BIN names no program" };

const QUICK: ClientOptions = { WebSocket, backoff: { first: 20, cap: 100 }, minUptime: 1 };

const scratch = mkdtempSync(join(tmpdir(), "holdwire-channels-"));
const config = join(scratch, "holdwire.toml");
writeFileSync(
  config,
  `[namespaces.chat]
history = 1000
publish = true
presence = true
read-history = true

[namespaces.short]
history = 5
publish = true

[namespaces.silent]
publish = false
`,
);
after(() => rmSync(scratch, { recursive: true, force: true }));

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `never true: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Our server on this port, or on any. */
async function serve(port = 0): Promise<{ child: ChildProcess; port: number }> {
  const args = ["serve", "--listen", `127.0.0.1:${port}`, "--config", config];
  const child = spawn(program as string, args, { stdio: ["ignore", "pipe", "pipe"] });
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

/** A way to the server that can be cut. */
class Relay {
  #ends = new Set<TcpSocket>();
  #server: Server;
  /** Cuts by itself after so many bytes, each way together. */
  bytes = Infinity;

  constructor(readonly target: () => number) {
    this.#server = createServer((from) => {
      const to = connect(this.target(), "127.0.0.1");
      for (const [end, other] of [[from, to], [to, from]] as const) {
        this.#ends.add(end);
        end.on("error", () => {});
        end.on("close", () => (this.#ends.delete(end), other.destroy()));
        end.on("data", (data) => {
          const rest = Math.min(this.bytes, data.length);
          this.bytes -= rest;
          if (!other.destroyed) other.write(data.subarray(0, rest));
          if (this.bytes === 0) this.cut();
        });
      }
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `ws://127.0.0.1:${(this.#server.address() as { port: number }).port}/connection`;
  }

  cut(): void {
    for (const end of this.#ends) end.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

/** Writes down what a subscription is told. */
function record(room: Subscription): any[] {
  const told: any[] = [];
  room.onpublication = ({ data, offset }) => told.push([offset, data]);
  room.ongap = ({ reason, from, to }) => told.push({ reason, from, to });
  room.onended = ({ code }) => told.push({ ended: code });
  return told;
}

/** A `Storage` without a page. */
function memory(): Storage {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
  return storage as unknown as Storage;
}

test("text, JSON and bytes come as they were published, with presence and history", withProgram, async () => {
  const { child, port } = await serve();
  const url = `ws://127.0.0.1:${port}/connection`;
  const [reader, writer] = [new Client(url, QUICK), new Client(url, QUICK)];
  try {
    const room = reader.subscribe("chat:a", { presence: true });
    const told = record(room);
    const joins: string[] = [];
    room.onjoin = ({ client }) => joins.push(client);
    await until(() => room.position !== undefined);
    const other = writer.subscribe("chat:a", { presence: true });
    await until(() => other.position !== undefined && joins.includes(writer.id as string));
    const { position } = await writer.publish("chat:a", "text");
    await writer.publish("chat:a", { json: [1, null, "ü"] });
    await writer.publish("chat:a", Uint8Array.of(0, 255));
    await until(() => told.length === 3);

    assert.deepEqual(told, [
      [1, "text"],
      [2, { json: [1, null, "ü"] }],
      [3, Uint8Array.of(0, 255)],
    ]);
    assert.deepEqual(room.position, { epoch: position.epoch, offset: 3 });
    const page = await reader.history("chat:a", { since: position, limit: 1 });
    assert.deepEqual(page.publications, [{ offset: 2, data: { json: [1, null, "ü"] } }]);
    assert.deepEqual([page.position.offset, page.newest], [2, 3]);
    const members = await reader.presence("chat:a");
    assert.ok(members.some(({ client }) => client === writer.id));
    assert.equal((await reader.presenceStats("chat:a")).clients, 2);
    const refusal: CommandError = await writer.publish("silent:a", 1).catch((error) => error);
    assert.deepEqual([refusal.known, refusal.code, refusal.isTemporary], ["refused", 103, false]);
    const ended = record(reader.subscribe("nowhere:a"));
    await until(() => ended.length === 1);
    assert.deepEqual(ended, [{ ended: 2102 }]);
  } finally {
    reader.close();
    writer.close();
    await kill(child);
  }
});

test("publications across sixty drops at any byte come once, in order, and their receipts are true", withProgram, async () => {
  const { child, port } = await serve();
  const relays = [new Relay(() => port), new Relay(() => port)] as const;
  const reader = new Client(await relays[0].listen(), QUICK);
  const writer = new Client(await relays[1].listen(), QUICK);
  try {
    const room = reader.subscribe("chat:a");
    const told = record(room);
    let returns = 0;
    writer.ondown = () => returns++;
    await until(() => room.position !== undefined && writer.isConnected);
    const receipts: Promise<number>[] = [];
    for (let round = 0; round < 60; round++) {
      // From the middle of a handshake to well after it.
      for (const [index, relay] of relays.entries()) relay.bytes = 1 + ((round * 37 + index * 211) % 900);
      for (let each = 0; each < 5; each++) {
        const receipt = writer.publish("chat:a", receipts.length);
        receipts.push(receipt.then(({ position }) => position.offset));
      }
      await until(() => relays.every(({ bytes }) => bytes === 0) || told.length === receipts.length);
    }
    for (const relay of relays) relay.bytes = Infinity;
    const offsets = await Promise.all(receipts);
    await until(() => told.length === receipts.length);

    assert.deepEqual(told, offsets.map((offset, data) => [offset, data]));
    assert.deepEqual(offsets, offsets.map((_, index) => index + 1));
    assert.ok(returns > 20, `${returns} drops`);
  } finally {
    reader.close();
    writer.close();
    for (const relay of relays) relay.close();
    await kill(child);
  }
});

test("a server that was killed has another log, and says so before the next publication", withProgram, async () => {
  let { child, port } = await serve();
  const client = new Client(`ws://127.0.0.1:${port}/connection`, QUICK);
  try {
    const room = client.subscribe("chat:a");
    const told = record(room);
    await client.publish("chat:a", "before");
    await until(() => told.length === 1);
    const before = room.position;
    await kill(child);
    // What is sent on the dying line has an unknown outcome.
    await until(() => !client.isConnected);
    const waiting = client.publish("chat:a", "meanwhile");
    ({ child } = await serve(port));

    const { position } = await waiting;
    await until(() => told.length === 3);
    assert.notEqual(position.epoch, before?.epoch);
    assert.deepEqual(told.map((entry) => entry.reason ?? entry[1]), ["before", "epoch", "meanwhile"]);
    assert.deepEqual(room.position, position);
  } finally {
    client.close();
    await kill(child);
  }
});

test("a client that was away for longer than the history is told what it has missed", withProgram, async () => {
  const { child, port } = await serve();
  const relay = new Relay(() => port);
  const reader = new Client(await relay.listen(), { ...QUICK, backoff: { fixed: 300 } });
  const writer = new Client(`ws://127.0.0.1:${port}/connection`, QUICK);
  try {
    const room = reader.subscribe("short:a");
    const told = record(room);
    await until(() => room.position !== undefined);
    relay.cut();
    for (let each = 1; each <= 12; each++) await writer.publish("short:a", each);
    await until(() => told.length === 6);

    assert.deepEqual(told, [
      { reason: "expired", from: 1, to: 7 },
      ...[8, 9, 10, 11, 12].map((each) => [each, each]),
    ]);
  } finally {
    reader.close();
    writer.close();
    relay.close();
    await kill(child);
  }
});

test("another page with the same storage goes on where the first one was", withProgram, async () => {
  const { child, port } = await serve();
  const url = `ws://127.0.0.1:${port}/connection`;
  const storage = memory();
  const writer = new Client(url, QUICK);
  try {
    const first = new Client(url, { ...QUICK, storage });
    const before = record(first.subscribe("chat:a"));
    await until(() => first.isConnected);
    await writer.publish("chat:a", "seen");
    await until(() => before.length === 1);
    first.close();
    await writer.publish("chat:a", "missed");
    const second = new Client(url, { ...QUICK, storage });
    const after = record(second.subscribe("chat:a"));
    await until(() => after.length === 1);

    assert.deepEqual([before, after], [[[1, "seen"]], [[2, "missed"]]]);
    second.close();
  } finally {
    writer.close();
    await kill(child);
  }
});
