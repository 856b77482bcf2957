// A small honest server of the session protocol, a network that loses, and a user who writes down
// what is told: random orders of everything, and what must hold after each step.

import assert from "node:assert/strict";

import type { Cursor } from "../src/subscriptions.js";

/** The machine under test, or a mutant of it. */
export interface Machine {
  Session: typeof import("../src/session.js").Session;
  Cursor: typeof Cursor;
}

const CHANNELS = ["chat:a", "chat:b"];
/** What a log keeps. */
const KEPT = 6;
const WINDOW = 300_000;
/** Payloads that are multiples of this are refused, each time. */
const REFUSED = 7;

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

/** A channel's log: all that ever was in it; what is kept is its end. */
class Log {
  all: any[] = [];
  publishers = new Map<string, { offsets: Map<number, number>; last: number; at: number }>();

  constructor(readonly epoch: string) {}

  get top(): number {
    return this.all.length;
  }

  /** The place just before the oldest that is kept. */
  get floor(): number {
    return Math.max(0, this.top - KEPT);
  }
}

/** One line: what is on the way in both directions, and what the server has of it. */
class Line {
  toServer: any[] = [];
  toClient: any[] = [];
  /** Replies that the server takes its time for. */
  slow: any[] = [];
  subs = new Map<string, number>();
  isConnected = false;
  publisher = "";
  isServed = true;
}

export class World {
  now = 0;
  random: () => number;
  line: Line | undefined;
  /** Lines that the client has lost, but not all of them the server. */
  olds: Line[] = [];
  logs = new Map<string, Log>();
  archive = new Map<string, Log>();
  sessions = new Map<string, Line>();
  publishers = new Set<string>();
  names = 0;
  isCalm = false;

  session: InstanceType<Machine["Session"]>;
  readers: Reader[] = [];
  receipts: { payload: number; outcome: any }[] = [];
  questions: { outcome: any }[] = [];
  isStopped = false;

  constructor(seed: number, readonly machine: Machine) {
    this.random = generator(seed);
    this.restart();
    this.session = new machine.Session({
      send: (text) => {
        assert.ok(this.line && !this.isStopped, `sent without a line: ${text}`);
        this.line.toServer.push(JSON.parse(text));
      },
      connected: () => assert.ok(this.line && !this.isStopped, "connected without a line"),
      refused: (fault) => assert.fail(fault.message),
      refresh: () => assert.fail("there is no token"),
    });
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)] as T;
  }

  chance(share: number): boolean {
    return !this.isCalm && this.random() < share;
  }

  // The server.

  restart(): void {
    for (const channel of CHANNELS) {
      const log = new Log(`e${++this.names}.0`);
      this.logs.set(channel, log);
      this.archive.set(log.epoch, log);
    }
    this.sessions.clear();
    this.publishers.clear();
    for (const line of this.olds) line.isServed = false;
    this.olds = [];
    if (this.line) {
      this.line.isServed = false;
      this.cut();
    }
  }

  serve(line: Line): void {
    const command = line.toServer.shift();
    if (!command || !line.isServed) return;
    const { id, ...rest } = command;
    const [[name, members] = ["", {}]] = Object.entries<any>(rest);
    const reply = (result: object) => line.toClient.push({ id, [name]: result });
    const fails = (code: number, more: object = {}) =>
      line.toClient.push({ id, error: { code, message: "no", ...more } });
    if (name !== "connect" && !line.isConnected) return void fails(101);
    if (name === "connect") this.connect(line, id, members);
    else if (name === "subscribe") {
      if (this.chance(0.1)) return void fails(100, { temporary: true });
      if (line.subs.has(members.channel)) return void fails(105);
      reply(this.begin(line, members.channel, members));
    } else if (name === "unsubscribe") {
      line.subs.delete(members.channel);
      reply({});
    } else if (name === "publish") this.publish(line, id, members);
    else if (name === "ping") {
      const channels = Object.keys(members.at).filter((channel) => line.subs.has(channel));
      reply({ top: Object.fromEntries(channels.map((each) => [each, this.log(each).top])) });
      // What the answer names is sent by the time of the next one.
      for (const channel of line.subs.keys()) while (this.send(line, channel, false));
    } else reply({ data: members });
  }

  connect(line: Line, id: number, { session, publisher, subs = {} }: any): void {
    assert.ok(!line.isConnected, "connects twice");
    line.isConnected = true;
    const held = this.sessions.get(session);
    this.sessions.delete(session);
    // The old connection is closed: nothing that it still has is read.
    if (held) held.isServed = false;
    line.publisher = this.publishers.has(publisher) ? publisher : `p${++this.names}`;
    this.publishers.add(line.publisher);
    const secret = `s${++this.names}`;
    this.sessions.set(secret, line);
    line.toClient.push({
      id,
      connect: {
        ...{ client: "c", session: secret, resumed: held !== undefined },
        ...{ session_ms: 60_000, publisher: line.publisher, window_ms: WINDOW },
      },
    });
    for (const [channel, members] of Object.entries<any>(subs)) {
      const push = this.chance(0.1)
        ? { unsubscribe: { code: 2_600, reason: "not now" } }
        : { subscribe: this.begin(line, channel, members) };
      line.toClient.push({ push: { channel, ...push } });
    }
  }

  log(channel: string): Log {
    return this.logs.get(channel) as Log;
  }

  begin(line: Line, channel: string, { epoch, offset }: any): object {
    const log = this.log(channel);
    const at = epoch === undefined ? log.top : epoch === log.epoch ? Math.max(offset, log.floor) : 0;
    const start = Math.max(at, epoch === undefined ? 0 : log.floor);
    line.subs.set(channel, start);
    const place = { epoch: log.epoch, offset: start };
    if (epoch === undefined) return place;
    if (epoch === log.epoch && start === offset) return { ...place, recovered: true };
    const gap =
      epoch === log.epoch
        ? { reason: "expired", from: offset + 1, to: start, ...place }
        : { reason: "epoch", from: 1, to: start, ...place };
    return { ...place, recovered: false, gap };
  }

  publish(line: Line, id: number, { channel, data, n }: any): void {
    const log = this.log(channel);
    const reply = (what: object) => (this.chance(0.3) ? line.slow : line.toClient).push({ id, ...what });
    const fails = (code: number, more: object = {}) =>
      reply({ error: { code, message: "no", ...more } });
    let known = log.publishers.get(line.publisher);
    if (known && this.now - known.at > WINDOW) known = undefined;
    if (this.chance(0.1)) return void fails(100, { temporary: true });
    const found = known?.offsets.get(n);
    if (found !== undefined) {
      reply({ publish: { epoch: log.epoch, offset: found, dup: true } });
      return;
    }
    if (known && n <= known.last) return void fails(151);
    if (known && n !== known.last + 1) return void fails(150, { expected: known.last + 1 });
    if (data % REFUSED === 0) return void fails(107);
    log.all.push(data);
    known ??= { offsets: new Map(), last: 0, at: 0 };
    known.offsets.set(n, log.top);
    known.last = n;
    known.at = this.now;
    log.publishers.set(line.publisher, known);
    reply({ publish: { epoch: log.epoch, offset: log.top } });
  }

  /** Sends the next publication; says whether there was one. */
  send(line: Line, channel: string, mayFail = true): boolean {
    const log = this.log(channel);
    const at = line.subs.get(channel);
    if (at === undefined || at >= log.top) return false;
    const push = (what: object) => line.toClient.push({ push: { channel, ...what } });
    if (at < log.floor) {
      line.subs.set(channel, log.floor);
      push({
        gap: { reason: "slow", from: at + 1, to: log.floor, epoch: log.epoch, offset: log.floor },
      });
      return true;
    }
    line.subs.set(channel, at + 1);
    const times = mayFail && this.chance(0.08) ? this.pick([0, 2]) : 1;
    for (let time = 0; time < times; time++) push({ pub: { offset: at + 1, data: log.all[at] } });
    return true;
  }

  // The network.

  up(): void {
    if (this.line || this.isStopped) return;
    this.line = new Line();
    this.session.up(this.now);
  }

  cut(): void {
    const { line } = this;
    if (!line) return;
    this.line = undefined;
    // The server may still read some of what was under way.
    line.toServer.splice(Math.floor(this.random() * (line.toServer.length + 1)));
    this.olds.push(line);
    if (!this.isStopped) this.session.down(this.now);
  }

  deliver(): void {
    const message = this.line?.toClient.shift();
    if (message) this.session.received(JSON.stringify(message), this.now);
  }

  /** A reply of an old line comes after all. */
  late(): void {
    if (!this.olds.length) return;
    const old = this.pick(this.olds);
    const replies = [...old.toClient, ...old.slow].filter(({ id }) => id);
    if (replies.length && this.line) {
      this.session.received(JSON.stringify(this.pick(replies)), this.now);
    }
  }

  pass(milliseconds: number): void {
    const until = this.now + milliseconds;
    for (let round = 0; ; round++) {
      const { deadline } = this.session;
      if (deadline > until) break;
      assert.ok(round < 1_000, "it is due again and again");
      this.now = Math.max(this.now, deadline);
      this.session.timeout(this.now);
    }
    this.now = until;
  }

  // The user.

  subscribe(): void {
    const channel = this.pick(CHANNELS);
    if (this.isStopped || this.session.subscriptions.has(channel)) return;
    const log = this.log(channel);
    const offset = Math.floor(this.random() * (log.top + 1));
    const since = this.random() < 0.3 ? { epoch: log.epoch, offset } : undefined;
    const reader = new Reader(this, channel, since);
    this.readers.push(reader);
    this.session.subscribe(reader.cursor, this.now);
  }

  unsubscribe(): void {
    const reader = this.readers.at(-1);
    if (!reader || this.isStopped) return;
    reader.isOver = true;
    this.session.unsubscribe(reader.cursor, this.now);
  }

  publishes(): void {
    if (this.isStopped) return;
    const receipt = { payload: this.receipts.length + 1, outcome: undefined as any };
    this.receipts.push(receipt);
    const done = (outcome: any) => {
      assert.equal(receipt.outcome, undefined, "settled twice");
      receipt.outcome = outcome;
    };
    this.session.publish(this.pick(CHANNELS), `"data":${receipt.payload}`, done, this.now);
  }

  asks(): void {
    if (this.isStopped) return;
    const question = { outcome: undefined as any, method: `m${this.questions.length}` };
    this.questions.push(question);
    const done = (outcome: any) => {
      assert.equal(question.outcome, undefined, "answered twice");
      if (outcome.answer) assert.deepEqual(outcome.answer.data, { method: question.method });
      question.outcome = outcome;
    };
    this.session.ask("rpc", JSON.stringify({ method: question.method }), done, this.now);
  }

  stop(): void {
    this.isStopped = true;
    this.session.stop({ code: -1, message: "stopped" }, this.now);
  }

  // What must hold.

  /** Faults are over: in two pings' time everybody has everything. */
  calm(): void {
    this.isCalm = true;
    this.up();
    for (let round = 0; round < 400; round++) {
      const { line } = this;
      if (!line) break;
      line.toClient.push(...line.slow.splice(0));
      while (line.toServer.length) this.serve(line);
      for (const channel of line.subs.keys()) while (this.send(line, channel));
      while (line.toClient.length) this.deliver();
      this.pass(250);
    }
    for (const { cursor, isOver } of this.readers) {
      if (isOver || this.isStopped) continue;
      const { epoch, top } = this.log(cursor.channel);
      assert.deepEqual(cursor.position, { epoch, offset: top }, `${cursor.channel} is not at the top`);
    }
    this.judge();
  }

  /** Each receipt is true. */
  judge(): void {
    const found = new Map<number, string[]>();
    for (const { all, epoch } of this.archive.values()) {
      for (const [index, payload] of all.entries()) {
        if (payload < 0) continue;
        found.set(payload, [...(found.get(payload) ?? []), `${epoch}:${index + 1}`]);
      }
    }
    for (const { payload, outcome } of this.receipts) {
      const places = found.get(payload) ?? [];
      assert.ok(outcome, `nothing came of ${payload}`);
      assert.ok(places.length <= 1, `${payload} is in the log twice: ${places}`);
      if (outcome.failed) assert.deepEqual(places, [], `${payload} was refused`);
      if (!outcome.published) continue;
      const { epoch, offset } = outcome.published;
      assert.deepEqual(places, [`${epoch}:${offset}`], `the receipt of ${payload}`);
    }
    for (const { outcome } of this.questions) assert.ok(outcome, "a forgotten question");
  }
}

/** Checks what one subscription is told. */
class Reader {
  cursor: Cursor;
  isOver = false;
  /** Where it must go on; `undefined` before it has begun. */
  at: { epoch: string; offset: number } | undefined;
  isGapDue = false;

  constructor(readonly world: World, channel: string, since: any) {
    this.at = since;
    const tell = (news: string, what: any) => this.told(news, what);
    const moved = (position: any) => assert.deepEqual(position, (this.at ??= position), "moved elsewhere");
    this.cursor = new world.machine.Cursor(channel, since, false, { tell, moved });
  }

  told(news: string, what: any): void {
    const { epoch, offset, recovered, from } = what;
    assert.ok(!this.isOver && !this.world.isStopped, `${news} after the end`);
    if (news === "ended") assert.fail(`ended: ${JSON.stringify(what)}`);
    assert.equal(this.isGapDue, news === "gap" && this.isGapDue, `${news} instead of a gap`);
    if (news === "subscribed") {
      this.isGapDue = recovered === false;
      if (recovered) assert.deepEqual(this.at, { epoch, offset }, "goes on elsewhere");
      this.at ??= { epoch, offset };
    } else if (news === "gap") {
      this.isGapDue = false;
      if (this.at && epoch === this.at.epoch) assert.equal(from, this.at.offset + 1, "a gap elsewhere");
      this.at = { epoch, offset };
    } else if (news === "publication") {
      assert.deepEqual({ epoch, offset: offset - 1 }, this.at, "not the next publication");
      assert.deepEqual(this.cursor.position, this.at, "the position moved before");
      assert.equal(what.data, this.world.archive.get(epoch)?.all[offset - 1], "another payload");
      this.at = { epoch, offset };
    }
  }
}

/** One random life of a client. */
export function live(seed: number, machine: Machine, length: number): void {
  const world = new World(seed, machine);
  const steps: Record<string, () => void> = {
    up: () => world.up(),
    upSoon: () => world.up(),
    cut: () => world.chance(0.3) && world.cut(),
    restart: () => world.chance(0.05) && world.restart(),
    stop: () => world.chance(0.01) && world.stop(),
    subscribe: () => world.subscribe(),
    unsubscribe: () => world.chance(0.2) && world.unsubscribe(),
    publish: () => world.publishes(),
    publishMore: () => world.publishes(),
    ask: () => world.asks(),
    others: () => world.log(world.pick(CHANNELS)).all.push(-1 - Math.floor(world.random() * 1e9)),
    read: () => world.line && world.serve(world.line),
    readMore: () => {
      for (let count = 0; count < 5; count++) if (world.line) world.serve(world.line);
    },
    readOld: () => world.olds.length && world.serve(world.pick(world.olds)),
    send: () => world.line && world.send(world.line, world.pick(CHANNELS)),
    sendMore: () => world.line && world.send(world.line, world.pick(CHANNELS)),
    deliver: () => world.deliver(),
    deliverMore: () => {
      for (let count = 0; count < 5; count++) world.deliver();
    },
    answer: () => world.line?.toClient.push(...world.line.slow.splice(0, 1)),
    late: () => world.late(),
    pass: () => world.pass(world.pick([1, 100, 1_000, 5_000])),
    // What is under way for so long never arrives: the heartbeat has given the line up.
    passLong: () => {
      if (!world.chance(0.1)) return;
      world.cut();
      for (const old of world.olds) old.isServed = false;
      world.pass(world.pick([30_000, 200_000, 290_000]));
    },
    endSubscription: () => {
      const { line } = world;
      const channel = world.pick(CHANNELS);
      if (!world.chance(0.2) || !line?.subs.delete(channel)) return;
      const code = world.pick([2_500, 2_600]);
      line.toClient.push({ push: { channel, unsubscribe: { code, reason: "" } } });
    },
  };
  const names = Object.keys(steps);
  const trace: string[] = [];
  try {
    for (let step = 0; step < length; step++) {
      const name = world.pick(names);
      trace.push(name);
      steps[name]?.();
    }
    world.calm();
    world.stop();
    world.calm();
  } catch (error) {
    (error as Error).message = `seed ${seed}: ${(error as Error).message}; ${trace.join(" ")}`;
    throw error;
  }
}
