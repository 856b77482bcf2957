import { afterEach } from "node:test";

import { Socket, type SocketOptions } from "../src/socket.js";

const real = {
  now: Date.now,
  random: Math.random,
  setTimeout,
  clearTimeout,
  setImmediate,
  MessageChannel,
};

interface Timer {
  at: number;
  run: () => void;
}

/** The world around a socket: clocks, timers, tasks, a page, a network. Nothing in it waits. */
export class World {
  /** What timers count by; stands still while the machine sleeps. */
  monotonic = 0;
  /** What `Date.now` says. */
  wall = 1_700_000_000_000;
  /** Timers fire at multiples of this only: a hidden, throttled tab has 60,000. */
  grid = 1;
  /** What `Math.random` says. */
  random = 0.5;
  readonly timers = new Map<number, Timer>();
  readonly sockets: FakeWebSocket[] = [];
  readonly window = new EventTarget();
  /** The document: what happens there, the window sees too. */
  readonly page = {
    visibilityState: "visible",
    dispatchEvent: (event: Event) => this.window.dispatchEvent(event),
  };
  #tasks: (() => void)[] = [];
  #nextTimer = 1;

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delay = 0) => {
        if (delay < 0) throw new Error("Node and Deno warn of a negative delay");
        const id = this.#nextTimer++;
        this.timers.set(id, { at: this.monotonic + Math.max(1, delay), run });
        return id;
      },
      clearTimeout: (id: number) => this.timers.delete(id),
      MessageChannel: fakeChannel(this.#tasks),
      addEventListener: this.window.addEventListener.bind(this.window),
      document: this.page,
    });
    Date.now = () => this.wall;
    Math.random = () => this.random;
  }

  restore(): void {
    const { now, random, ...others } = real;
    Object.assign(globalThis, others);
    Reflect.deleteProperty(globalThis, "addEventListener");
    Reflect.deleteProperty(globalThis, "document");
    Date.now = now;
    Math.random = random;
  }

  /** The class to connect with. */
  get class(): any {
    const { sockets } = this;
    return class extends FakeWebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    };
  }

  /** A socket that connects with our class, and a record of its events. */
  socket(options: SocketOptions = {}, url: any = "ws://a.example/", protocols: any = []): Watched {
    return new Watched(new Socket(url, protocols, { WebSocket: this.class, ...options }), this);
  }

  /** Lets promises and queued tasks run. */
  async settle(): Promise<void> {
    do {
      await new Promise((resolve) => real.setImmediate(resolve));
      const task = this.#tasks.shift();
      task?.();
      if (task) await new Promise((resolve) => real.setImmediate(resolve));
    } while (this.#tasks.length);
  }

  /** Lets time pass, timers fire, tasks run. */
  async pass(milliseconds: number): Promise<void> {
    await this.settle();
    const end = this.monotonic + milliseconds;
    for (;;) {
      const next = this.#nextDue(end);
      if (!next) break;
      const [id, at] = next;
      this.#move(at - this.monotonic);
      const timer = this.timers.get(id) as Timer;
      this.timers.delete(id);
      timer.run();
      await this.settle();
    }
    this.#move(end - this.monotonic);
  }

  /** The machine sleeps: the wall clock goes on, timers do not. */
  sleep(milliseconds: number): void {
    this.wall += milliseconds;
  }

  /** Somebody sets the wall clock. */
  jump(milliseconds: number): void {
    this.wall += milliseconds;
  }

  /** The connection that is being made or is open: it is the newest and is listened to. */
  get line(): FakeWebSocket {
    const newest = this.sockets.at(-1);
    if (!newest) throw new Error("nothing has connected");
    return newest;
  }

  /** Those that somebody listens to. */
  get live(): FakeWebSocket[] {
    return this.sockets.filter((socket) => socket.isHeard && socket.readyState < 3);
  }

  /** The connection opens. */
  async open(): Promise<FakeWebSocket> {
    await this.settle();
    const { line } = this;
    line.opens();
    await this.settle();
    return line;
  }

  /** Lets time pass until the next attempt begins; says whether one does within the minutes. */
  async attempt(minutes = 10): Promise<boolean> {
    const { length } = this.sockets;
    for (let step = 0; step < minutes * 600 && this.sockets.length === length; step++) {
      await this.pass(100);
    }
    return this.sockets.length > length;
  }

  show(visibility: "visible" | "hidden"): void {
    this.page.visibilityState = visibility;
    this.page.dispatchEvent(new Event("visibilitychange"));
  }

  #nextDue(end: number): [number, number] | undefined {
    let found: [number, number] | undefined;
    for (const [id, timer] of this.timers) {
      const at = Math.max(this.monotonic, Math.ceil(timer.at / this.grid) * this.grid);
      if (at <= end && (!found || at < found[1])) found = [id, at];
    }
    return found;
  }

  #move(milliseconds: number): void {
    this.monotonic += milliseconds;
    this.wall += milliseconds;
  }
}

function fakeChannel(tasks: (() => void)[]) {
  return class {
    port1 = { onmessage: undefined as undefined | (() => void), close() {} };
    port2 = { postMessage: () => void tasks.push(() => this.port1.onmessage?.()) };
  };
}

/** A `WebSocket` whose network is the test. */
export class FakeWebSocket {
  binaryType = "blob";
  bufferedAmount = 0;
  extensions = "";
  protocol = "";
  readyState = 0;
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: any) => void) | null = null;
  onerror: ((event: any) => void) | null = null;
  onclose: ((event: any) => void) | null = null;
  readonly sent: any[] = [];
  /** Arguments of the calls of `close`. */
  readonly closes: any[][] = [];
  /** What is sent stays in the buffer. */
  isStuck = false;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  get isHeard(): boolean {
    return this.onmessage !== null || this.onopen !== null;
  }

  send(data: any): void {
    if (this.readyState === 0) throw new Error("not open yet");
    this.sent.push(data);
    if (this.isStuck) this.bufferedAmount += typeof data === "string" ? data.length : data.byteLength;
  }

  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code < 5000)) {
      throw new Error("InvalidAccessError");
    }
    this.closes.push(code === undefined ? [] : [code, reason]);
    this.readyState = Math.max(this.readyState, 2);
  }

  opens(): void {
    if (this.readyState) return;
    this.readyState = 1;
    this.onopen?.({ type: "open" });
  }

  says(data: any): void {
    this.onmessage?.({ type: "message", data, origin: "ws://a.example" });
  }

  fails(): void {
    this.onerror?.({ type: "error" });
  }

  ends(code = 1006, reason = "", wasClean = code !== 1006): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ type: "close", code, reason, wasClean });
  }
}

/** A socket with a record of what it said. */
export class Watched {
  readonly events: any[] = [];

  constructor(
    readonly socket: Socket,
    readonly world: World,
  ) {
    for (const type of ["connecting", "open", "message", "error", "down", "heartbeat", "close"]) {
      socket.addEventListener(type, (event) => this.events.push(event));
    }
  }

  /** The types of the events so far, heartbeats left out. */
  get types(): string[] {
    return this.events.map(({ type }) => type).filter((type) => type !== "heartbeat");
  }

  of(type: string): any[] {
    return this.events.filter((event) => event.type === type);
  }
}

let worlds: World[] = [];

afterEach(() => {
  for (const world of worlds) world.restore();
  worlds = [];
});

/** A fresh world until the test ends. */
export function newWorld(): World {
  const world = new World();
  worlds.push(world);
  return world;
}
