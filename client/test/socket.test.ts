import assert from "node:assert/strict";
import { test } from "node:test";

import { Socket } from "../src/socket.js";
import { newWorld } from "./world.js";

test("it has the shape of WebSocket", async () => {
  const world = newWorld();
  const { socket } = world.socket({}, new URL("ws://a.example/x"), "chat");
  for (const [name, value] of Object.entries({ CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 })) {
    assert.equal(Reflect.get(Socket, name), value);
    assert.equal(Reflect.get(socket, name), value);
  }
  assert.ok(socket instanceof EventTarget);
  assert.deepEqual([socket.url, socket.protocol, socket.extensions], ["", "", ""]);
  assert.deepEqual([socket.onopen, socket.onclose, socket.ondown], [null, null, null]);
  const line = await world.open();
  line.protocol = "chat";
  line.extensions = "permessage-deflate";
  assert.equal(String(socket.url), "ws://a.example/x");
  assert.deepEqual([socket.protocol, socket.extensions], ["chat", "permessage-deflate"]);
});

test("readyState is CONNECTING while it waits, CLOSING until the handshake is over, then CLOSED", async () => {
  const world = newWorld();
  const watched = world.socket();
  const { socket } = watched;
  assert.equal(socket.readyState, Socket.CONNECTING);
  const first = await world.open();
  assert.equal(socket.readyState, Socket.OPEN);
  first.ends();
  assert.equal(socket.state, "waiting");
  assert.equal(socket.readyState, Socket.CONNECTING);
  await world.attempt();
  const second = await world.open();
  socket.close(4000, "done");
  assert.equal(socket.readyState, Socket.CLOSING);
  assert.deepEqual(watched.of("close"), []);
  second.ends(4000, "done");

  assert.equal(socket.readyState, Socket.CLOSED);
  const [{ code, reason, wasClean, cause }] = watched.of("close");
  assert.deepEqual([code, reason, wasClean, cause], [4000, "done", true, undefined]);
});

test("handlers and listeners hear the same events, handlers may be replaced", async () => {
  const world = newWorld();
  const { socket } = world.socket();
  const heard: string[] = [];
  socket.onmessage = () => heard.push("wrong");
  socket.onmessage = ({ data }) => heard.push(`handler ${data}`);
  socket.addEventListener("message", ({ data }) => heard.push(`listener ${data}`));
  socket.addEventListener("message", () => heard.push("once"), { once: true });
  const line = await world.open();
  line.says("a");
  socket.onmessage = null;
  line.says("b");

  assert.deepEqual(heard, ["handler a", "listener a", "once", "listener b"]);
});

test("binaryType holds for this connection and all that follow", async () => {
  const world = newWorld();
  const { socket } = world.socket();
  const first = await world.open();
  assert.equal(first.binaryType, "blob");
  socket.binaryType = "arraybuffer";
  assert.equal(first.binaryType, "arraybuffer");
  first.ends();
  await world.attempt();

  assert.equal(world.line.binaryType, "arraybuffer");
});

test("bufferedAmount counts what waits here and in the browser's buffer", async () => {
  const world = newWorld();
  const { socket } = world.socket();
  socket.send("äö");
  assert.equal(socket.bufferedAmount, 4);
  const line = await world.open();
  line.isStuck = true;
  socket.send("abc");

  assert.equal(socket.bufferedAmount, 3);
});

test("a constructor that throws is a lost attempt", async () => {
  const world = newWorld();
  let calls = 0;
  class Broken {
    constructor() {
      calls++;
      throw new Error("insufficient resources");
    }
  }
  const watched = world.socket({ WebSocket: Broken as never });
  await world.pass(30_000);

  assert.ok(calls > 3);
  assert.equal(watched.of("error")[0].error.message, "insufficient resources");
  assert.equal(watched.of("down")[0].cause, "target");
});

test("a URL that can never work stops, and says so", async () => {
  const world = newWorld();
  let calls = 0;
  class Strict {
    constructor(url: string) {
      calls++;
      throw new DOMException(`${url} is no URL`, "SyntaxError");
    }
  }
  const watched = world.socket({ WebSocket: Strict as never }, "nonsense");
  await world.pass(60_000);

  assert.equal(calls, 1);
  assert.deepEqual(watched.types, ["connecting", "error", "close"]);
  assert.equal(watched.of("close")[0].reason, "SyntaxError: nonsense is no URL");
  assert.equal(watched.socket.readyState, Socket.CLOSED);

  const asked = newWorld();
  asked.socket({ WebSocket: Strict as never }, () => "nonsense");
  await asked.pass(60_000);
  assert.ok(calls > 3, "a function may give another URL next time");
});

test("without a class to connect with it says so at once", () => {
  newWorld();
  const { WebSocket } = globalThis;
  Reflect.deleteProperty(globalThis, "WebSocket");
  try {
    assert.throws(() => new Socket("ws://a.example/"), new TypeError("no WebSocket"));
  } finally {
    if (WebSocket) globalThis.WebSocket = WebSocket;
  }
});

test("a function for the URL that never answers is a lost attempt, its late answer is ignored", async () => {
  const world = newWorld();
  const answers: ((url: string) => void)[] = [];
  const watched = world.socket({ connectTimeout: 1_000 }, () => new Promise((r) => answers.push(r)));
  await world.pass(1_000);
  assert.equal(watched.of("down")[0].cause, "timeout");

  answers[0]?.("ws://late.example/");
  await world.settle();
  assert.deepEqual(world.sockets, []);
  await world.pass(500);
  answers[1]?.("ws://right.example/");
  await world.settle();

  assert.deepEqual(world.sockets.map(({ url }) => url), ["ws://right.example/"]);
});

test("a function that fails too late does not disturb the next attempt", async () => {
  const world = newWorld();
  const fail: ((error: Error) => void)[] = [];
  const watched = world.socket({ connectTimeout: 1_000 }, () => {
    return new Promise((_, reject) => fail.push(reject));
  });
  await world.pass(1_500);
  assert.deepEqual(watched.types, ["connecting", "down", "connecting"]);

  fail[0]?.(new Error("late"));
  await world.settle();

  assert.deepEqual(watched.types, ["connecting", "down", "connecting"]);
});

test("only handlers of open overtake what waits", async () => {
  const world = newWorld();
  const { socket } = world.socket({ outbox: { bytes: 4 } });
  const line = await world.open();
  line.isStuck = true;
  for (const data of ["1111", "22", "33"]) socket.send(data);
  assert.deepEqual(line.sent, ["1111"]);
  line.bufferedAmount = 0;
  socket.send("4");
  await world.pass(50);

  assert.deepEqual(line.sent, ["1111", "22", "33"]);
});

test("functions that fail both leave no rejection unhandled", async () => {
  const world = newWorld();
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", note);
  const fail = (what: string) => async () => {
    throw new Error(what);
  };
  const watched = world.socket({ maxAttempts: 2 }, fail("url"), fail("protocols"));
  await world.pass(60_000);
  await world.settle();
  process.off("unhandledRejection", note);

  assert.deepEqual(unhandled, []);
  assert.equal(watched.of("error").length, 2);
});

test("a function that closes the socket, or a connecting handler that does, leads nowhere", async () => {
  for (const by of ["function", "handler"]) {
    const world = newWorld();
    const watched = world.socket({}, () => {
      if (by === "function") watched.socket.close();
      return "ws://a.example/";
    });
    if (by === "handler") watched.socket.onconnecting = () => watched.socket.close();
    await world.pass(60_000);

    assert.deepEqual(world.sockets, [], by);
    assert.equal(watched.socket.readyState, Socket.CLOSED);
    assert.equal(watched.of("close").length, 1);
    world.restore();
  }
});

test("closing before the first attempt makes none", async () => {
  const world = newWorld();
  const watched = world.socket();
  watched.socket.close();
  await world.pass(60_000);

  assert.deepEqual(world.sockets, []);
  assert.deepEqual(watched.types, ["close"]);
});

test("closing twice closes once", async () => {
  const world = newWorld();
  const watched = world.socket();
  const line = await world.open();
  watched.socket.close();
  watched.socket.close();
  watched.socket.stop();
  line.ends(1005);
  await world.settle();

  assert.equal(line.closes.length, 1);
  assert.equal(watched.of("close").length, 1);
});

test("a wrong close code is refused and changes nothing", async () => {
  const world = newWorld();
  const { socket } = world.socket();
  const line = await world.open();

  assert.throws(() => socket.close(1001));
  assert.equal(socket.readyState, Socket.OPEN);
  line.says("still heard");
  assert.equal(socket.counters.received, 1);
});

test("messages are proven by the peer's answer to a close, and unknown when it closed by itself", async () => {
  for (const [code, state] of [[1000, "written"], [1006, "unknown"], [1001, "unknown"]] as const) {
    const world = newWorld();
    const watched = world.socket();
    const line = await world.open();
    line.isStuck = true;
    const receipt = watched.socket.send("last words");
    watched.socket.close(1000);
    assert.equal(receipt.state, "queued");
    line.ends(code);

    assert.equal(receipt.state, state);
    assert.equal(watched.of("close")[0].unknown.length, state === "unknown" ? 1 : 0);
    world.restore();
  }
});

test("no message is handed on after close", async () => {
  const world = newWorld();
  const watched = world.socket();
  const line = await world.open();
  const hear = line.onmessage;
  watched.socket.close();
  line.says("late");
  hear?.({ type: "message", data: "later" });

  assert.deepEqual(watched.of("message"), []);
});

test("an answered heartbeat proves what was sent before it", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: { interval: 25_000, timeout: 20_000 } });
  const line = await world.open();
  const proven = watched.socket.send("before");
  await world.pass(25_000);
  line.says("HeartBeat");
  const unproven = watched.socket.send("after");
  line.ends();

  assert.equal(proven.state, "written");
  assert.deepEqual(watched.of("down")[0].unknown, [unproven]);
});

test("decisions can be overridden by code and by function", async () => {
  const byCode = newWorld();
  const stopping = byCode.socket({ decisions: { 1000: "stop", 4403: "retry" } });
  (await byCode.open()).ends(4403);
  assert.ok(await byCode.attempt());
  (await byCode.open()).ends(1000);
  assert.equal(stopping.socket.state, "stopped");

  const byFunction = newWorld();
  const told: any[] = [];
  const asked = byFunction.socket({
    decisions: (loss) => {
      told.push([loss.cause, loss.code]);
      return loss.code === 4001 ? { stopAfter: 2 } : undefined;
    },
  });
  (await byFunction.open()).ends(4001);
  await byFunction.attempt();
  (await byFunction.open()).ends(4001);
  assert.equal(asked.socket.state, "stopped");
  assert.deepEqual(told, [["close", 4001], ["close", 4001]]);
});

test("a function for decisions that fails leaves the default", async () => {
  const world = newWorld();
  const watched = world.socket({
    decisions: () => {
      throw new Error("oops");
    },
  });
  (await world.open()).ends();

  assert.equal(watched.socket.state, "waiting");
  assert.equal(watched.of("error")[0].error.message, "oops");
});

test("an end without a code is 1006", async () => {
  const world = newWorld();
  const watched = world.socket({ decisions: { 1006: "stop" } });
  (await world.open()).ends(0, "", false);

  assert.equal(watched.of("close")[0].code, 1006);
});

test("advice is bounded, and offered to the function for the URL", async () => {
  const world = newWorld();
  const watched = world.socket({ maxAdvice: 1_000 }, ({ lost }: any) => lost?.advice?.url ?? "ws://a.example/");
  (await world.open()).ends(1012, '{"retry_after_ms":999999,"url":"ws://b.example/"}');
  const [{ advice, delay }] = watched.of("down");
  assert.equal(advice.url, "ws://b.example/");
  assert.equal(delay, 1_250);
  await world.pass(1_250);

  assert.deepEqual(world.sockets.map(({ url }) => url), ["ws://a.example/", "ws://b.example/"]);
});

test("the classic mode: a fixed delay, a beat a minute, any server", async () => {
  const world = newWorld();
  const watched = world.socket({
    heartbeat: { word: "HeartBeat", interval: 60_000, timeout: 60_000 },
    backoff: { fixed: 4_000 },
  });
  for (let round = 0; round < 5; round++) {
    await world.settle();
    world.line.ends();
    await world.pass(4_000);
  }
  assert.deepEqual(watched.of("down").map(({ delay }) => delay), [4_000, 4_000, 4_000, 4_000, 4_000]);
  const line = await world.open();
  await world.pass(59_999);
  assert.deepEqual(line.sent, []);
  await world.pass(1);
  assert.deepEqual(line.sent, ["HeartBeat"]);
  await world.pass(60_000);
  assert.equal(watched.of("down").at(-1).cause, "heartbeat");
});

test("a beat is due an interval after the answer, also where the timeout is longer", async () => {
  const world = newWorld();
  world.socket({ heartbeat: { interval: 1_000, timeout: 20_000 } });
  const line = await world.open();
  await world.pass(1_000);
  line.says("HeartBeat");
  await world.pass(1_000);

  assert.equal(line.sent.length, 2);
});

test("a verdict on one connection is not carried out on the next", async () => {
  const world = newWorld();
  world.grid = 60_000;
  world.random = 0;
  const watched = world.socket();
  const first = await world.open();
  await world.pass(120_000);
  assert.equal(first.sent.length, 2);
  // The third timer asks for the second late verdict, and the connection ends before it is given.
  const [timer] = world.timers.values();
  world.monotonic += 60_000;
  world.wall += 60_000;
  world.timers.clear();
  timer?.run();
  world.grid = 1;
  first.ends();
  const [retry] = world.timers.values();
  world.timers.clear();
  retry?.run();
  await new Promise((resolve) => process.nextTick(resolve));
  world.line.opens();
  assert.equal(watched.socket.state, "open");
  await world.settle();

  assert.equal(world.sockets.length, 2);
  assert.equal(watched.socket.state, "open");
  assert.deepEqual(world.line.sent, []);
});

test("a reply that differs from the word is swallowed, the word itself then is not", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: { word: "ping", reply: "pong" } });
  const line = await world.open();
  await world.pass(25_000);
  line.says("ping");
  line.says("pong");

  assert.deepEqual(line.sent, ["ping"]);
  assert.deepEqual(watched.of("message").map(({ data }) => data), ["ping"]);
  assert.deepEqual(watched.of("heartbeat").map(({ isAnswer }) => isAnswer), [false, true]);
});

test("an option that is undefined is its default", async () => {
  const world = newWorld();
  const none: any = { interval: undefined, timeout: undefined, word: undefined };
  world.socket({ heartbeat: none, backoff: undefined as any, outbox: { bytes: undefined as any } });
  const line = await world.open();
  await world.pass(25_000);

  assert.deepEqual(line.sent, ["HeartBeat"]);
});

test("heartbeat: false sends none", async () => {
  const world = newWorld();
  const { socket } = world.socket({ heartbeat: false });
  const line = await world.open();
  await world.pass(3_600_000);
  world.window.dispatchEvent(new Event("online"));
  await world.settle();

  assert.deepEqual(line.sent, []);
  assert.equal(socket.readyState, Socket.OPEN);
  assert.equal(world.timers.size, 0);
});

test("several hints at once ask one question", async () => {
  const world = newWorld();
  world.socket();
  const line = await world.open();
  await world.pass(1_000);
  for (const type of ["pageshow", "online", "resume", "visibilitychange"]) {
    world.window.dispatchEvent(new Event(type));
  }
  await world.settle();
  world.window.dispatchEvent(new Event("online"));
  await world.settle();

  assert.deepEqual(line.sent, ["HeartBeat"]);
});

test("a page that is hidden asks nothing", async () => {
  const world = newWorld();
  world.socket();
  const line = await world.open();
  world.show("hidden");
  await world.settle();

  assert.deepEqual(line.sent, []);
});

test("frames that wait in the queue are let in before the question", async () => {
  const world = newWorld();
  const watched = world.socket();
  const line = await world.open();
  await world.pass(25_000);
  assert.equal(line.sent.length, 1);
  world.sleep(600_000);
  world.window.dispatchEvent(new Event("resume"));
  line.says("from before the sleep");
  await world.settle();

  // It is no proof of life now, so the line is asked again, and judged by what comes after.
  assert.equal(line.sent.length, 2);
  await world.pass(5_000);
  assert.equal(watched.of("down")[0].cause, "heartbeat");
});

test("a page that goes into the back/forward cache closes its line, and opens it on return", async () => {
  const world = newWorld();
  const watched = world.socket();
  const first = await world.open();
  await world.pass(1_000);
  world.window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: false }));
  assert.equal(watched.socket.readyState, Socket.OPEN);
  world.window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
  assert.deepEqual(first.closes, [[]]);
  assert.equal(watched.of("down")[0].cause, "page");

  world.sleep(3_600_000);
  world.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await world.pass(1);
  assert.equal(world.sockets.length, 2);
});

test("a pagehide touches nothing but an open line", async () => {
  const world = newWorld();
  const watched = world.socket();
  await world.settle();
  world.window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));

  assert.equal(watched.socket.state, "connecting");
  assert.equal(world.live.length, 1);
});

test("what was sent is proven within the interval, also on a line that is never silent", async () => {
  const world = newWorld();
  const { socket } = world.socket({ heartbeat: { interval: 25_000, timeout: 20_000 } });
  const line = await world.open();
  await world.pass(3_000);
  socket.send("prove me");
  for (let second = 0; second < 25; second++) {
    line.says("tick");
    await world.pass(1_000);
  }

  assert.deepEqual(line.sent, ["prove me", "HeartBeat"]);
});

test("the time of the next attempt is told by the clock that Date.now reads", async () => {
  const world = newWorld();
  const { socket } = world.socket();
  await world.pass(1_000);
  world.jump(-3_600_000);
  await world.pass(5_000);
  world.line.ends();

  assert.equal(socket.nextAttemptAt, world.wall + 250);
});

test("a socket that has stopped listens to the page no more", async () => {
  const world = newWorld();
  let listeners = 0;
  const { addEventListener } = globalThis;
  globalThis.addEventListener = ((type: string, listener: any, options: any) => {
    listeners++;
    options.signal.addEventListener("abort", () => listeners--);
    addEventListener(type, listener, options);
  }) as typeof addEventListener;
  const { socket } = world.socket();
  assert.ok(listeners > 3);
  socket.close();

  assert.equal(listeners, 0);
});
