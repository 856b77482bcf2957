// The flaws of the classic page that reconnects by itself, each as a test that `Socket` is free of it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { StopError } from "../src/socket.js";
import { newWorld } from "./world.js";

const HEARTBEAT = { interval: 25_000, timeout: 20_000 };

test("F-01: a time that is no positive number is refused, all times are milliseconds", () => {
  const world = newWorld();
  for (const wrong of [0, -1, NaN, "25s" as never]) {
    assert.throws(() => world.socket({ heartbeat: { interval: wrong } }), RangeError);
    assert.throws(() => world.socket({ heartbeat: { timeout: wrong } }), RangeError);
    assert.throws(() => world.socket({ connectTimeout: wrong }), RangeError);
    assert.throws(() => world.socket({ backoff: { fixed: wrong } }), RangeError);
  }
  assert.equal(world.sockets.length, 0);
});

test("F-02: a dead line is noticed after interval plus timeout, each with its own value", async () => {
  const world = newWorld();
  const { socket, events } = world.socket({ heartbeat: { interval: 30_000, timeout: 7_000 } });
  const line = await world.open();

  await world.pass(30_000);
  assert.deepEqual(line.sent, ["HeartBeat"]);
  await world.pass(6_999);
  assert.equal(socket.readyState, 1);
  await world.pass(1);

  assert.equal(events.at(-1).type, "down");
  assert.equal(events.at(-1).cause, "heartbeat");
});

test("F-03: no timer of a lost connection acts on the next one", async () => {
  const world = newWorld();
  const { socket } = world.socket({ heartbeat: HEARTBEAT });
  const first = await world.open();
  await world.pass(24_900);
  first.ends();
  await world.pass(500);
  const second = await world.open();

  // The first one's beat would be due now, and its verdict 20 s later.
  await world.pass(24_000);
  assert.deepEqual(second.sent, []);
  second.says("life");
  await world.pass(22_000);

  assert.equal(socket.readyState, 1);
  assert.deepEqual(second.closes, []);
});

test("F-04: after fifty returns there is still one timer and one beat an interval", async () => {
  const world = newWorld();
  world.socket({ heartbeat: HEARTBEAT, minUptime: 1 });
  for (let round = 0; round < 50; round++) {
    const line = await world.open();
    await world.pass(10);
    assert.equal(world.timers.size, 1);
    line.ends();
    await world.pass(500);
  }
  const line = await world.open();

  await world.pass(25_000);

  assert.deepEqual(line.sent, ["HeartBeat"]);
  assert.equal(world.timers.size, 1);
});

test("F-05: an error and a close are one loss, however far apart they come", async () => {
  const world = newWorld();
  const watched = world.socket();
  await world.settle();
  world.line.fails();
  await world.pass(9_000);
  assert.equal(world.sockets.length, 1);

  world.line.ends();
  await world.pass(9_000);

  assert.equal(world.sockets.length, 2);
  assert.deepEqual(watched.types, ["connecting", "error", "down", "connecting"]);
});

test("F-06: a slow attempt and a late close of the old socket never make two live ones", async () => {
  const world = newWorld();
  world.socket({ heartbeat: HEARTBEAT });
  const first = await world.open();
  await world.pass(45_000);
  await world.pass(500);
  assert.equal(world.sockets.length, 2);

  first.ends();
  await world.pass(9_000);

  assert.equal(world.sockets.length, 2);
  assert.equal(world.live.length, 1);
});

test("F-07: what an abandoned socket still says or does is not heard", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: HEARTBEAT });
  const first = await world.open();
  const heard = { message: first.onmessage, close: first.onclose, open: first.onopen };
  await world.pass(45_500);
  await world.open();
  const before = watched.types.length;

  first.says("late");
  first.fails();
  first.ends();

  assert.deepEqual([first.onmessage, first.onclose, first.onopen], [null, null, null]);
  assert.equal(watched.types.length, before);
  assert.ok(heard.message && heard.close && heard.open);
});

test("F-08: a dead socket is abandoned at once, its close is not waited for", async () => {
  const world = newWorld();
  const { socket } = world.socket({ heartbeat: HEARTBEAT });
  const first = await world.open();

  await world.pass(45_000);

  assert.equal(socket.state, "waiting");
  assert.deepEqual(first.closes, [[]]);
  assert.equal(first.readyState, 2);
  await world.pass(500);
  assert.equal(world.sockets.length, 2);
});

test("F-09: stop cancels a pending attempt", async () => {
  const world = newWorld();
  const { socket, events } = world.socket();
  await world.settle();
  world.line.ends();
  assert.equal(socket.state, "waiting");

  socket.stop();
  await world.pass(3_600_000);

  assert.equal(world.sockets.length, 1);
  assert.equal(world.timers.size, 0);
  assert.equal(events.at(-1).type, "close");
});

test("F-10: close is final, and so is a close code that says so", async () => {
  const world = newWorld();
  const { socket } = world.socket();
  const line = await world.open();
  socket.close(1000, "bye");
  line.ends(1000, "bye");
  await world.pass(3_600_000);
  assert.equal(world.sockets.length, 1);
  assert.equal(socket.readyState, 3);

  const other = newWorld();
  const refused = other.socket();
  (await other.open()).ends(4403, "not yours");
  await other.pass(3_600_000);
  assert.equal(other.sockets.length, 1);
  assert.equal(refused.events.at(-1).type, "close");
  assert.equal(refused.events.at(-1).code, 4403);
});

test("F-11: delays grow to a cap, are drawn anew each time, and heed the server's advice", async () => {
  const world = newWorld();
  const watched = world.socket();
  world.random = 0.999999;
  for (let round = 0; round < 9; round++) {
    assert.ok(await world.attempt());
    world.line.ends();
  }
  const ceilings = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000];
  assert.deepEqual(watched.of("down").map(({ delay }) => delay + 1), ceilings);

  // At the cap the delay is still a random one.
  world.random = 0.25;
  await world.attempt();
  world.line.ends();
  assert.equal(watched.of("down").at(-1).delay, 5_000);

  await world.attempt();
  world.random = 0;
  world.line.ends(1012, '{"retry_after_ms":30000}');
  assert.equal(watched.of("down").at(-1).delay, 30_000);
});

test("F-11: attempts can be limited", async () => {
  const world = newWorld();
  const { socket } = world.socket({ maxAttempts: 3 });
  for (let round = 0; round < 3; round++) {
    assert.ok(await world.attempt());
    world.line.ends();
  }

  assert.ok(!(await world.attempt()));
  assert.equal(socket.state, "stopped");
});

test("F-12: a server that accepts and closes at once is not hammered", async () => {
  const world = newWorld();
  const watched = world.socket();
  for (let round = 0; round < 7; round++) {
    assert.ok(await world.attempt());
    (await world.open()).ends(1011);
  }

  const delays = watched.of("down").map(({ delay }) => delay);
  assert.deepEqual(delays, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000]);
});

test("F-12: a connection that was up for long enough begins the delays anew", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: false });
  for (let round = 0; round < 3; round++) {
    const line = await world.open();
    await world.pass(10_000);
    line.ends();
    await world.pass(500);
  }

  assert.deepEqual(watched.of("down").map(({ delay }) => delay), [250, 250, 250]);
});

test("F-13: an attempt has a time of its own", async () => {
  const world = newWorld();
  const watched = world.socket({ connectTimeout: 3_000 });
  await world.pass(2_999);
  assert.equal(watched.socket.state, "connecting");
  await world.pass(1);

  assert.equal(watched.of("down")[0].cause, "timeout");
  assert.equal(world.live.length, 0);
  assert.deepEqual(world.line.closes, [[]]);
});

test("F-14: a heartbeat is sent on an open connection only", async () => {
  const world = newWorld();
  world.socket({ heartbeat: { interval: 1_000, timeout: 5_000 }, connectTimeout: 60_000 });
  await world.pass(30_000);

  assert.deepEqual(world.line.sent, []);
});

test("F-14: send says what became of the message, in every state", async () => {
  const world = newWorld();
  const { socket } = world.socket();
  const early = socket.send("early");
  assert.equal(early.state, "queued");
  const line = await world.open();
  assert.equal(early.state, "written");
  assert.equal(socket.send("open").state, "written");
  line.ends();
  const waiting = socket.send("waiting");
  assert.equal(waiting.state, "queued");
  socket.close();

  assert.equal(waiting.why, "stopped");
  assert.equal(socket.send("late").why, "stopped");
});

test("F-15: messages sent while down are delivered in order, once", async () => {
  const world = newWorld();
  const { socket } = world.socket();
  (await world.open()).ends();
  const receipts = ["1", "2", "3"].map((data) => socket.send(data));
  await world.pass(500);
  const line = await world.open();

  assert.deepEqual(line.sent, ["1", "2", "3"]);
  assert.ok(receipts.every(({ state }) => state === "written"));
});

test("F-15: messages written just before a drop are reported, not repeated", async () => {
  const world = newWorld();
  const watched = world.socket();
  const first = await world.open();
  const receipt = watched.socket.send("pay 10");
  first.ends();

  assert.equal(receipt.state, "unknown");
  assert.deepEqual(watched.of("down")[0].unknown, [receipt]);
  await world.pass(500);
  assert.deepEqual((await world.open()).sent, []);
});

test("F-16: a return is visible, so that the application can fetch what it missed", async () => {
  const world = newWorld();
  const watched = world.socket();
  (await world.open()).ends();
  await world.pass(500);
  await world.open();

  assert.deepEqual(watched.types, ["connecting", "open", "down", "connecting", "open"]);
  assert.equal(watched.socket.counters.opened, 2);
});

test("F-17: answers to heartbeats are no messages, the same word unasked is one", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: HEARTBEAT });
  const line = await world.open();
  line.says("HeartBeat");
  await world.pass(25_000);
  line.says("other");
  line.says("HeartBeat");
  line.says("HeartBeat");

  assert.deepEqual(
    watched.of("message").map(({ data }) => data),
    ["HeartBeat", "other", "HeartBeat"],
  );
});

test("F-18: what is in the send buffer of a dead line is reported, not forgotten", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: HEARTBEAT });
  const line = await world.open();
  line.isStuck = true;
  const receipts = ["a", "b"].map((data) => watched.socket.send(data));
  await world.pass(45_000);

  assert.deepEqual(watched.of("down")[0].unknown, receipts);
  assert.equal(watched.socket.counters.unknown, 2);
});

test("F-19: any message is life, also from a server that never answers with the word", async () => {
  const world = newWorld();
  const { socket } = world.socket({ heartbeat: HEARTBEAT });
  const line = await world.open();
  for (let round = 0; round < 20; round++) {
    await world.pass(44_000);
    line.says("tick");
  }

  assert.equal(socket.readyState, 1);
  assert.equal(world.sockets.length, 1);
});

test("F-20: a hidden tab whose timers fire once a minute keeps a line that answers", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: HEARTBEAT });
  const line = await world.open();
  world.show("hidden");
  world.grid = 60_000;
  let answered = 0;
  for (let second = 0; second < 3_600; second++) {
    await world.pass(1_000);
    while (answered < line.sent.length) {
      answered++;
      line.says("HeartBeat");
    }
  }

  assert.deepEqual(watched.of("down"), []);
  assert.ok(answered >= 50, `${answered} beats`);
});

test("F-20: a hidden tab whose timers fire once a minute notices a dead line within three minutes", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: HEARTBEAT });
  await world.open();
  world.grid = 60_000;

  await world.pass(3 * 60_000);

  assert.equal(watched.of("down")[0].cause, "heartbeat");
});

test("F-20: a laptop that slept asks at once and comes back within the short deadline", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: HEARTBEAT });
  const line = await world.open();
  await world.pass(1_000);

  world.sleep(8 * 3_600_000);
  world.window.dispatchEvent(new Event("online"));
  await world.settle();
  assert.deepEqual(line.sent, ["HeartBeat"]);
  assert.equal(watched.socket.readyState, 1);
  await world.pass(5_000);

  assert.equal(watched.of("down")[0].cause, "heartbeat");
});

test("F-20: without any event a sleep is noticed by the next timer, within five seconds", async () => {
  const world = newWorld();
  world.socket({ heartbeat: HEARTBEAT });
  const line = await world.open();
  await world.pass(1_000);

  world.sleep(8 * 3_600_000);
  await world.pass(5_000);

  assert.deepEqual(line.sent, ["HeartBeat"]);
});

test("F-20: a connection that is fine after a sleep stays", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: HEARTBEAT });
  const line = await world.open();
  await world.pass(26_000);
  world.sleep(3_600_000);
  await world.pass(5_000);
  while (line.sent.length > 1) {
    line.sent.pop();
    line.says("HeartBeat");
  }
  await world.pass(10_000);

  assert.deepEqual(watched.of("down"), []);
});

for (const [name, by] of [["forward", 3_600_000], ["back", -3_600_000]] as const) {
  test(`F-20: a clock that is set ${name} causes a question and no verdict`, async () => {
    const world = newWorld();
    const watched = world.socket({ heartbeat: HEARTBEAT });
    const line = await world.open();
    await world.pass(10_000);

    world.jump(by);
    await world.pass(5_000);
    assert.deepEqual(line.sent, ["HeartBeat"]);
    line.says("HeartBeat");
    await world.pass(24_000);

    assert.deepEqual(watched.of("down"), []);
    assert.equal(line.sent.length, 1);
  });

  test(`F-20: a wait for the next attempt outlives a clock that is set ${name}`, async () => {
    const world = newWorld();
    const watched = world.socket({ backoff: { fixed: 4_000 } });
    await world.settle();
    world.line.ends();
    world.jump(by);

    await world.pass(4_000);

    assert.equal(watched.of("connecting").length, 2);
  });
}

test("F-21: online, a visible page, pageshow and resume shorten a wait, offline does not", async () => {
  for (const [target, type, hastens] of [
    ["window", "online", true],
    ["window", "pageshow", true],
    ["page", "resume", true],
    ["page", "visibilitychange", true],
    ["window", "offline", false],
  ] as const) {
    const world = newWorld();
    world.random = 0.99;
    const { socket } = world.socket({ backoff: { first: 10_000 } });
    await world.pass(9_000);
    world.line.ends();
    assert.equal(socket.state, "waiting");

    world[target].dispatchEvent(new Event(type));
    await world.pass(1_001);

    assert.equal(world.sockets.length, hastens ? 2 : 1, type);
    world.restore();
  }
});

test("F-21: offline is a hint to ask, not proof of a loss", async () => {
  const world = newWorld();
  const watched = world.socket({ heartbeat: HEARTBEAT });
  const line = await world.open();
  await world.pass(2_000);

  world.window.dispatchEvent(new Event("offline"));
  await world.settle();
  assert.deepEqual(line.sent, ["HeartBeat"]);
  line.says("HeartBeat");
  await world.pass(10_000);

  assert.deepEqual(watched.of("down"), []);
});

test("F-22: what open handlers send goes before what waited, at each return", async () => {
  const world = newWorld();
  const { socket } = world.socket();
  socket.onopen = () => socket.send("login");
  socket.send("early");
  const first = await world.open();
  assert.deepEqual(first.sent, ["login", "early"]);
  first.ends();
  socket.send("meanwhile");
  await world.pass(500);

  assert.deepEqual((await world.open()).sent, ["login", "meanwhile"]);
});

test("F-23: URL and subprotocols are asked for afresh for each attempt, with the last loss", async () => {
  const world = newWorld();
  const asked: any[] = [];
  world.socket(
    {},
    async (attempt: any) => {
      asked.push(attempt);
      return `ws://a.example/?token=${asked.length}`;
    },
    () => ["chat", `v${asked.length}`],
  );
  (await world.open()).ends(4401, "expired");
  await world.pass(500);

  assert.deepEqual(
    world.sockets.map(({ url, protocols }) => [url, protocols]),
    [
      ["ws://a.example/?token=1", ["chat", "v1"]],
      ["ws://a.example/?token=2", ["chat", "v2"]],
    ],
  );
  assert.deepEqual(asked.map(({ attempt, lost }) => [attempt, lost?.code]), [
    [1, undefined],
    [2, 4401],
  ]);
});

test("F-23: a second refusal of a fresh token stops, and so does one of a fixed URL", async () => {
  const asked = newWorld();
  const refreshing = asked.socket({}, () => "ws://a.example/");
  (await asked.open()).ends(4401);
  await asked.pass(500);
  (await asked.open()).ends(4401);
  await asked.pass(60_000);
  assert.equal(asked.sockets.length, 2);
  assert.equal(refreshing.socket.state, "stopped");

  const fixed = newWorld();
  fixed.socket();
  (await fixed.open()).ends(4401);
  await fixed.pass(60_000);
  assert.equal(fixed.sockets.length, 1);
});

test("F-23: a function for the URL may fail, which is retried, or say stop, which is final", async () => {
  const world = newWorld();
  let calls = 0;
  const watched = world.socket({}, async () => {
    if (++calls < 3) throw new Error("no token today");
    throw new StopError("logged out");
  });
  await world.pass(60_000);

  assert.equal(calls, 3);
  assert.deepEqual(watched.of("down").map(({ cause, reason }) => [cause, reason]), [
    ["target", "Error: no token today"],
    ["target", "Error: no token today"],
  ]);
  assert.equal(watched.of("close")[0].reason, "StopError: logged out");
  assert.equal(world.sockets.length, 0);
});

test("F-24: close codes tell refused from unreachable", async () => {
  for (const [code, attempts] of [
    [4400, 1],
    [4404, 1],
    [1008, 3],
    [1006, 5],
    [4001, 5],
  ] as const) {
    const world = newWorld();
    world.socket();
    for (let round = 0; round < 5 && (await world.attempt()); round++) {
      (await world.open()).ends(code);
    }
    assert.equal(world.sockets.length, attempts, `${code}`);
    world.restore();
  }
});

test("F-26: state, attempt, next attempt, round-trip time and counters can be read at any time", async () => {
  const world = newWorld();
  const { socket } = world.socket({ heartbeat: HEARTBEAT });
  assert.deepEqual([socket.state, socket.attempt, socket.nextAttemptAt], ["idle", 0, null]);
  const line = await world.open();
  assert.deepEqual([socket.state, socket.attempt, socket.roundTrip], ["open", 1, null]);
  await world.pass(25_000);
  await world.pass(30);
  line.says("HeartBeat");
  assert.equal(socket.roundTrip, 30);
  line.says("one");
  socket.send("two");
  line.ends();
  assert.deepEqual([socket.state, socket.nextAttemptAt], ["waiting", world.wall + 250]);
  socket.send("three");

  assert.deepEqual(socket.counters, { opened: 1, received: 1, sent: 1, dropped: 0, unknown: 1 });
  assert.deepEqual(socket.outbox, { messages: 1, bytes: 5 });
});
