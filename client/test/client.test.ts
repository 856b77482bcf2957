import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, type ClientOptions, type CommandError } from "../src/client.js";
import { type FakeWebSocket, newWorld, type World } from "./world.js";

const WELCOME = { client: "c1", session: "s1", resumed: false, session_ms: 60_000 };

/** A client that connects in this world. */
async function connected(world: World, options: ClientOptions = {}): Promise<Client> {
  const client = new Client("ws://a.example/connection?x=1", { WebSocket: world.class, ...options });
  await welcome(world);
  return client;
}

/** The connection opens, and the server takes the client in. */
async function welcome(world: World): Promise<FakeWebSocket> {
  const line = await world.open();
  const { id } = sent(line).at(-1);
  says(line, { id, connect: { ...WELCOME, publisher: "p1", window_ms: 300_000 } });
  return line;
}

const sent = (line: FakeWebSocket): any[] => line.sent.map((text) => JSON.parse(text));
const says = (line: FakeWebSocket, message: object) => line.says(JSON.stringify(message));
const push = (line: FakeWebSocket, what: object) => says(line, { push: { channel: "chat:a", ...what } });
const fail = (promise: Promise<unknown>): Promise<CommandError> =>
  promise.then(() => assert.fail("it worked"), (error) => error);

class Kept {
  kept: Record<string, string> = {};
  isBroken = false;
  getItem(key: string) {
    if (this.isBroken) throw new Error("closed");
    return this.kept[key] ?? null;
  }
  setItem(key: string, value: string) {
    if (this.isBroken) throw new Error("full");
    this.kept[key] = value;
  }
}

test("a command that a closing connection does not take is not sent by the next one, but made anew", async () => {
  const world = newWorld();
  const client = await connected(world);
  const first = world.line;
  first.readyState = 2;
  const published = client.publish("chat:a", "once");
  const asked = fail(client.presence("chat:a"));
  first.ends();
  await world.attempt();
  const second = await welcome(world);

  assert.deepEqual(sent(second).map(({ id: _, ...command }) => Object.keys(command)[0]), ["connect", "publish"]);
  assert.equal((await asked).known, "unknown");
  const { id } = sent(second)[1];
  says(second, { id, publish: { epoch: "e.0", offset: 7, dup: true } });
  assert.deepEqual(await published, { position: { epoch: "e.0", offset: 7 }, isDuplicate: true });
});

test("what is beyond the bounds of the outbox fails at once, and there is room again after an answer", async () => {
  const world = newWorld();
  const client = await connected(world, { outbox: { messages: 2 } });
  const first = client.publish("chat:a", 1);
  void client.publish("chat:a", 2);

  const { known, isTemporary } = await fail(client.publish("chat:a", 3));
  assert.deepEqual([known, isTemporary], ["unsent", true]);
  const never = await fail(client.publish("chat:a", "x".repeat(1 << 20)));
  assert.deepEqual([never.known, never.isTemporary], ["unsent", false]);
  says(world.line, { id: 2, publish: { epoch: "e.0", offset: 1 } });
  await first;
  void client.publish("chat:a", 4);
  assert.deepEqual(client.outbox.messages, 2);
});

test("a handler that throws loses nothing, and the position moves when the handlers have returned", async () => {
  const world = newWorld();
  const client = await connected(world);
  const room = client.subscribe("chat:a");
  const { line } = world;
  says(line, { id: 2, subscribe: { epoch: "e.0", offset: 0 } });
  const told: any[] = [];
  room.onpublication = ({ data }) => {
    told.push([data, room.position?.offset]);
    throw new Error("a flaw of the page");
  };
  // Node tells of an error of a handler as of one that nobody has caught.
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  let errors = 0;
  process.on("uncaughtException", () => errors++);
  push(line, { pub: { offset: 1, data: "a" } });
  push(line, { pub: { offset: 2, data: "b" } });
  await world.settle();
  process.removeAllListeners("uncaughtException");
  for (const listener of listeners) process.on("uncaughtException", listener);

  assert.deepEqual(told, [["a", 0], ["b", 1]]);
  assert.deepEqual([room.position?.offset, errors], [2, 2]);
});

test("positions, and nothing else, are kept under the URL without its query, until it is left", async () => {
  const world = newWorld();
  const storage = new Kept();
  const client = await connected(world, { storage: storage as never });
  const room = client.subscribe("chat:a");
  says(world.line, { id: 2, subscribe: { epoch: "e.0", offset: 4 } });
  push(world.line, { pub: { offset: 5, data: "secret" } });
  await world.settle();

  assert.deepEqual(storage.kept, { "holdwire:ws://a.example/connection": '{"chat:a":"e.0:5"}' });
  room.unsubscribe();
  await world.settle();
  assert.deepEqual(Object.values(storage.kept), ["{}"]);
});

test("a kept position is where it begins, unless the user says where", async () => {
  for (const [since, members] of [
    [undefined, { epoch: "e.0", offset: 5 }],
    ["last", {}],
    ["f.1:7", { epoch: "f.1", offset: 7 }],
  ] as const) {
    const world = newWorld();
    const storage = new Kept();
    storage.kept = { "holdwire:ws://a.example/connection": '{"chat:a":"e.0:5"}' };
    const client = await connected(world, { storage: storage as never });
    client.subscribe("chat:a", since === undefined ? {} : { since });

    assert.deepEqual(sent(world.line)[1].subscribe, { channel: "chat:a", ...members });
  }
});

test("a storage that is broken or full of nonsense breaks nothing", async () => {
  for (const nonsense of ["{", "null", '{"chat:a":7}', '{"chat:a":"no position"}']) {
    const world = newWorld();
    const storage = new Kept();
    storage.kept = { "holdwire:ws://a.example/connection": nonsense };
    const client = await connected(world, { storage: storage as never });
    const room = client.subscribe("chat:a");
    storage.isBroken = true;
    says(world.line, { id: 2, subscribe: { epoch: "e.0", offset: 4 } });
    await world.settle();

    assert.deepEqual(sent(world.line)[1].subscribe, { channel: "chat:a" });
    assert.equal(room.position?.offset, 4);
  }
});

test("nothing comes after close, and what waits fails", async () => {
  const world = newWorld();
  const client = await connected(world);
  const room = client.subscribe("chat:a");
  const { line } = world;
  says(line, { id: 2, subscribe: { epoch: "e.0", offset: 0 } });
  const told: string[] = [];
  for (const type of ["publication", "ended", "gap"]) room.addEventListener(type, () => told.push(type));
  const waiting = fail(client.publish("chat:a", 1));
  const before = line.sent.length;

  client.close();
  push(line, { pub: { offset: 1, data: 1 } });
  await world.pass(60_000);

  assert.equal((await waiting).known, "unknown");
  assert.equal((await fail(client.publish("chat:a", 2))).known, "unsent");
  assert.deepEqual([told, line.closes, line.sent.length], [[], [[1000, undefined]], before]);
  assert.throws(() => client.subscribe("chat:b"), /stopped/);
  assert.equal(world.timers.size, 0);
});

test("a token that is not accepted is asked for anew, twice in a row at most", async () => {
  const world = newWorld();
  let count = 0;
  const token = async () => `token ${++count}`;
  const client = new Client("ws://a.example/connection", { WebSocket: world.class, token });
  let end = 0;
  client.onclose = ({ code }) => (end = code);
  for (const expected of ["token 1", "token 2"]) {
    const line = await world.open();
    assert.equal(sent(line)[0].connect.token, expected);
    line.ends(4401);
    await world.attempt(1);
  }

  assert.deepEqual([world.sockets.length, end, client.state], [2, 4401, "stopped"]);
});

test("4400 and 4408 stop the client, 4409 does not", async () => {
  for (const [code, state] of [[4400, "stopped"], [4408, "stopped"], [4409, "waiting"]] as const) {
    const world = newWorld();
    const client = await connected(world);
    world.line.ends(code);

    assert.equal(client.state, state);
  }
});

test("what has come is told to the server every 25 s, while there are subscriptions", async () => {
  const world = newWorld();
  const client = await connected(world, { heartbeat: false });
  await world.pass(60_000);
  assert.equal(world.line.sent.length, 1);
  client.subscribe("chat:a");
  says(world.line, { id: 2, subscribe: { epoch: "e.0", offset: 4 } });
  await world.pass(50_000);

  const pings = sent(world.line).filter(({ ping }) => ping);
  assert.deepEqual(pings.map(({ ping }) => ping), [{ at: { "chat:a": 4 } }, { at: { "chat:a": 4 } }]);
});

test("a bound that is no positive number, a place that is none and data that is no JSON are refused", async () => {
  const world = newWorld();
  assert.throws(() => new Client("ws://a.example", { outbox: { bytes: 0 } }), RangeError);
  const client = await connected(world);
  assert.throws(() => client.subscribe("chat:a", { since: "nonsense" }), TypeError);
  client.subscribe("chat:a");
  assert.throws(() => client.subscribe("chat:a"), /subscribed/);
  assert.ok((await fail(client.publish("chat:a", undefined))) instanceof TypeError);
});

/** A client with a new token each time that one is asked for, heartbeats off. */
function tokens(world: World, token: () => Promise<string>): Client {
  return new Client("ws://a.example/connection", { WebSocket: world.class, heartbeat: false, token });
}

/** The server takes the client in, for so many seconds. */
function admits(line: FakeWebSocket, ttl: number): void {
  const { id } = sent(line).at(-1);
  says(line, { id, connect: { ...WELCOME, publisher: "p1", window_ms: 300_000, expires: true, ttl } });
}

const last = (line: FakeWebSocket) => sent(line).at(-1);

test("a token is renewed when a fifth of its time is left, and so is the next one", async () => {
  const world = newWorld();
  let count = 0;
  const client = tokens(world, async () => `token ${++count}`);
  const line = await world.open();
  assert.equal(last(line).connect.token, "token 1");
  admits(line, 100);

  await world.pass(79_999);
  assert.equal(line.sent.length, 1);
  await world.pass(1);
  assert.deepEqual(last(line).refresh, { token: "token 2" });
  says(line, { id: last(line).id, refresh: { expires: true, ttl: 10 } });
  await world.pass(7_999);
  assert.equal(line.sent.length, 2);
  await world.pass(1);

  assert.deepEqual(last(line).refresh, { token: "token 3" });
  assert.deepEqual([client.isConnected, world.sockets.length], [true, 1]);
});

test("a token that holds for ever from now on is not renewed", async () => {
  const world = newWorld();
  const client = tokens(world, async () => "token");
  const line = await world.open();
  admits(line, 100);
  await world.pass(80_000);

  says(line, { id: last(line).id, refresh: { expires: false } });
  await world.pass(1_000_000);

  assert.deepEqual([line.sent.length, client.isConnected], [2, true]);
});

test("a token that has expired on the way is replaced on the same connection, once", async () => {
  const world = newWorld();
  let count = 0;
  const client = tokens(world, async () => `token ${++count}`);
  const errors: CommandError[] = [];
  client.onerror = ({ error }) => errors.push(error as CommandError);
  const line = await world.open();
  const expired = () => says(line, { id: last(line).id, error: { code: 109, message: "expired" } });

  expired();
  await world.settle();
  assert.deepEqual(sent(line).map(({ connect }) => connect.token), ["token 1", "token 2"]);
  assert.deepEqual(errors, []);
  expired();
  await world.settle();

  assert.deepEqual(errors.map(({ known, code }) => [known, code]), [["refused", 109]]);
  assert.deepEqual([line.sent.length, client.state, world.sockets.length], [2, "stopped", 1]);
});

test("a token that was replaced once may be replaced again on the next connection", async () => {
  const world = newWorld();
  let count = 0;
  const client = tokens(world, async () => `token ${++count}`);
  for (const expected of [2, 4]) {
    const line = await world.open();
    says(line, { id: last(line).id, error: { code: 109, message: "expired" } });
    await world.settle();
    assert.equal(last(line).connect.token, `token ${expected}`);
    admits(line, 100);
    assert.equal(client.isConnected, true);
    line.ends();
    await world.attempt();
  }
});

test("a fixed token that has expired is told, and not shown again on that connection", async () => {
  const world = newWorld();
  const client = new Client("ws://a.example/connection", { WebSocket: world.class, heartbeat: false, token: "old" });
  const errors: CommandError[] = [];
  client.onerror = ({ error }) => errors.push(error as CommandError);
  const line = await world.open();

  says(line, { id: 1, error: { code: 109, message: "expired" } });
  await world.pass(60_000);

  assert.deepEqual(errors.map(({ known, code }) => [known, code]), [["refused", 109]]);
  assert.deepEqual([line.sent.length, client.isConnected], [1, false]);
});

test("a renewal that fails changes nothing before the server closes, and then another token is asked for", async () => {
  for (const fails of ["here", "there"]) {
    const world = newWorld();
    let count = 0;
    const client = tokens(world, async () => {
      if (++count === 2 && fails === "here") throw new Error("no token");
      return `token ${count}`;
    });
    const errors: unknown[] = [];
    client.onerror = ({ error }) => errors.push((error as Error).message);
    const line = await world.open();
    admits(line, 100);
    await world.pass(80_000);
    if (fails === "there") says(line, { id: last(line).id, error: { code: 109, message: "expired" } });
    await world.pass(19_000);
    assert.deepEqual([client.isConnected, count, errors], [true, 2, fails === "here" ? ["no token"] : []]);

    line.ends(4401);
    await world.attempt();
    const next = await world.open();

    assert.equal(last(next).connect.token, "token 3");
  }
});

test("what is larger than the server takes is refused at once, and the connection goes on", async () => {
  const world = newWorld();
  const client = new Client("ws://a.example/connection", { WebSocket: world.class });
  const early = fail(client.publish("chat:a", "ä".repeat(100)));
  const line = await world.open();
  says(line, { id: 1, connect: { ...WELCOME, publisher: "p1", window_ms: 300_000, max_message: 200 } });
  const late = fail(client.rpc("add", "ä".repeat(100)));
  const small = client.publish("chat:a", "small");

  for (const { known, code, isTemporary, message } of [await early, await late]) {
    assert.deepEqual([known, code, isTemporary], ["refused", 106, false]);
    assert.match(message, /^2\d\d bytes are more than the server takes: 200$/);
  }
  assert.deepEqual(last(line), { id: 2, publish: { channel: "chat:a", data: "small", n: 1 } });
  says(line, { id: 2, publish: { epoch: "e.0", offset: 1 } });
  assert.equal((await small).position.offset, 1);
  assert.deepEqual([client.outbox, line.sent.length], [{ messages: 0, bytes: 0 }, 2]);
});
