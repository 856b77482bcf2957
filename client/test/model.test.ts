// Random orders of everything that can happen to a socket, and what must hold after each step.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Receipt } from "../src/socket.js";
import { type FakeWebSocket, newWorld, type World } from "./world.js";

const RUNS = 3_000;
const STEPS = 40;

/** A small generator with a seed, so that a failure can be repeated. */
function generator(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Handlers as they were when the connection was made: a browser may call them late. */
interface Old {
  line: FakeWebSocket;
  open: FakeWebSocket["onopen"];
  message: FakeWebSocket["onmessage"];
  close: FakeWebSocket["onclose"];
  error: FakeWebSocket["onerror"];
}

const CODES = [1000, 1001, 1005, 1006, 1008, 1011, 1012, 1013, 4001, 4401, 4403];
const DELAYS = [1, 20, 250, 500, 1_000, 4_000, 5_000, 20_000, 25_000, 60_000];

async function run(seed: number): Promise<void> {
  const world = newWorld();
  const random = generator(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const isAsync = random() < 0.3;
  const url = isAsync
    ? async () => {
        if (random() < 0.2) throw new Error("no token");
        return "ws://a.example/";
      }
    : "ws://a.example/";
  const heartbeat = random() < 0.8 ? { interval: 25_000, timeout: 20_000 } : (false as const);
  const watched = world.socket({ heartbeat }, url);
  const { socket, events } = watched;
  const olds: Old[] = [];
  const receipts: Receipt[] = [];
  let stoppedAt: { sockets: number; events: number } | undefined;
  world.random = random();

  const says = (text: string) => {
    const line = world.sockets.at(-1);
    if (line?.readyState) line.says(text);
  };
  const old = () => pick(olds.filter(({ line }) => !line.isHeard));
  const steps: Record<string, () => unknown> = {
    open: () => world.sockets.at(-1)?.opens(),
    error: () => world.sockets.at(-1)?.fails(),
    errorThenClose: () => {
      world.sockets.at(-1)?.fails();
      world.sockets.at(-1)?.ends();
    },
    close: () => world.sockets.at(-1)?.ends(pick(CODES)),
    advice: () => world.sockets.at(-1)?.ends(1012, '{"retry_after_ms":3000}'),
    closing: () => {
      const line = world.sockets.at(-1);
      if (line?.readyState === 1) line.readyState = 2;
    },
    message: () => says("message"),
    answer: () => says("HeartBeat"),
    lateOpen: () => old()?.open?.({ type: "open" }),
    lateClose: () => old()?.close?.({ type: "close", code: 1006, reason: "", wasClean: false }),
    lateError: () => old()?.error?.({ type: "error" }),
    lateMessage: () => old()?.message?.({ type: "message", data: "late" }),
    pass: () => world.pass(pick(DELAYS)),
    passMore: () => world.pass(pick(DELAYS)),
    send: () => receipts.push(socket.send(`message ${receipts.length}`)),
    stick: () => {
      const line = world.sockets.at(-1);
      if (line) line.isStuck = !line.isStuck;
      if (line && !line.isStuck) line.bufferedAmount = 0;
    },
    offline: () => world.window.dispatchEvent(new Event("offline")),
    online: () => world.window.dispatchEvent(new Event("online")),
    hide: () => world.show("hidden"),
    show: () => world.show("visible"),
    resume: () => world.page.dispatchEvent(new Event("resume")),
    pagehide: () =>
      world.window.dispatchEvent(
        Object.assign(new Event("pagehide"), { persisted: random() < 0.5 }),
      ),
    pageshow: () => world.window.dispatchEvent(new Event("pageshow")),
    throttle: () => {
      world.grid = pick([1, 1, 1_000, 60_000]);
    },
    sleep: () => world.sleep(pick([500, 3_000, 60_000, 3_600_000])),
    jump: () => world.jump(pick([-3_600_000, -3_000, 3_000, 3_600_000])),
    redraw: () => {
      world.random = random();
    },
    stop: () => {
      if (random() < 0.15) socket.stop();
    },
  };
  const names = Object.keys(steps);

  const trace: string[] = [];
  for (let step = 0; step < STEPS; step++) {
    const name = pick(names);
    trace.push(name);
    const where = `seed ${seed}: ${trace.join(" ")}`;
    const known = world.sockets.length;
    await steps[name]?.();
    await world.settle();
    for (const made of world.sockets.slice(known)) {
      const { onopen: open, onmessage: message, onclose: close, onerror: error } = made;
      olds.push({ line: made, open, message, close, error });
    }
    check(world, watched.events, where);
    if (stoppedAt) {
      assert.equal(world.sockets.length, stoppedAt.sockets, `a connection after stop, ${where}`);
      const after = events.slice(stoppedAt.events).map(({ type }) => type);
      assert.ok(after.length === 0 || `${after}` === "close", `${after} after stop, ${where}`);
    } else if (socket.state === "stopped") {
      const types = events.map(({ type }) => type);
      const closed = types.lastIndexOf("close");
      stoppedAt = {
        sockets: world.sockets.length,
        events: closed < 0 ? types.length : closed + 1,
      };
    }
  }

  socket.stop();
  for (const line of world.sockets) if (line.readyState === 2) line.ends();
  await world.pass(60_000);
  const where = `seed ${seed}, at the end: ${trace.join(" ")}`;
  assert.equal(world.timers.size, 0, `timers, ${where}`);
  assert.equal(world.live.length, 0, `live sockets, ${where}`);
  assert.equal(watched.of("close").length, 1, `close events, ${where}`);
  assert.equal(socket.readyState, 3);
  assert.ok(receipts.every(({ state }) => state !== "queued"), `a forgotten message, ${where}`);
  const sent = world.sockets.flatMap((line) => line.sent).filter((data) => data !== "HeartBeat");
  assert.equal(new Set(sent).size, sent.length, `a message sent twice, ${where}`);
  const order = sent.map((data) => Number(data.split(" ")[1]));
  assert.deepEqual(order, [...order].sort((a, b) => a - b), `messages swapped, ${where}`);
  const { dropped, unknown, sent: count } = socket.counters;
  const withState = (state: string) => receipts.filter((receipt) => receipt.state === state).length;
  assert.deepEqual([withState("dropped"), withState("unknown")], [dropped, unknown], where);
  assert.equal(count, sent.length);
  world.restore();
}

/** What holds at any time. */
function check(world: World, events: any[], where: string): void {
  assert.ok(world.live.length <= 1, `${world.live.length} live sockets, ${where}`);
  assert.ok(world.timers.size <= 1, `${world.timers.size} timers, ${where}`);
  const unheard = world.sockets.filter((line) => !line.isHeard && line.readyState < 2);
  assert.deepEqual(unheard.map(({ readyState }) => readyState), [], `left open, ${where}`);

  // Attempts, returns and losses alternate: exactly one reconnect for each loss.
  let state = "down";
  for (const { type } of events) {
    const from = { connecting: "down", open: "connecting", down: "connecting open" }[type as string];
    if (from === undefined) continue;
    assert.ok(from.includes(state), `${type} while ${state}, ${where}`);
    state = type;
  }
}

test(`${RUNS} random orders of events lead to one live socket, one timer, one return for each loss`, async () => {
  const first = Number(process.env.SEED ?? 1);
  const runs = process.env.SEED ? 1 : RUNS;
  for (let seed = first; seed < first + runs; seed++) await run(seed);
});
