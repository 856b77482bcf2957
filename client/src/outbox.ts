import type { Milliseconds } from "./backoff.js";

/** What can be sent. */
export type Data = string | ArrayBufferLike | Blob | ArrayBufferView;

/**
 * What is known of a message:
 * - `queued`: it waits here or in the browser's buffer;
 * - `written`: the browser has given it to the network;
 * - `dropped`: it was not sent and will not be, see {@link Receipt.why};
 * - `unknown`: it was given to a connection that then broke, and no answer to a later heartbeat
 *   proves that it arrived. It may have arrived; it is not sent again.
 */
export type ReceiptState = "queued" | "written" | "dropped" | "unknown";

/**
 * Why a message was dropped: the outbox was full (`full`), made room for a newer one (`displaced`),
 * kept it for too long (`expired`), or the socket had stopped (`stopped`).
 */
export type DropReason = "full" | "displaced" | "expired" | "stopped";

/** Tells what became of a message. */
export interface Receipt {
  /** `written` turns into `unknown` when the connection breaks before its arrival is proven. */
  readonly state: ReceiptState;
  /** Why it was dropped. */
  readonly why: DropReason | undefined;
  /** Resolves with this receipt as soon as the state is no longer `queued`. Never rejects. */
  readonly done: Promise<Receipt>;
}

/** The bounds of an outbox. Of messages handed over without a proof yet, it follows as many. */
export interface Bounds {
  /** Messages that may wait. */
  messages: number;
  /** Bytes that may wait, here and in the browser's buffer each. */
  bytes: number;
  /** How long a message may wait. */
  expiry: Milliseconds;
  /** What gives way when it is full: the new message, or the oldest ones. */
  overflow: "reject" | "drop-oldest";
}

/** The part of a `WebSocket` that takes messages. */
export interface Pipe {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Data): void;
}

class Entry implements Receipt {
  state: ReceiptState = "queued";
  why: DropReason | undefined = undefined;
  /** While it waits: the message, its size in bytes, and until when it may wait. */
  data: Data | undefined = undefined;
  size = 0;
  until = 0;
  /** Once it was handed over: what must have left the pipe's buffer before it has. */
  drainedAt = 0;

  #done: Promise<Receipt> | undefined;
  #resolve: ((receipt: Receipt) => void) | undefined;

  get done(): Promise<Receipt> {
    return (this.#done ??= new Promise((resolve) => {
      if (this.state === "queued") this.#resolve = resolve;
      else resolve(this);
    }));
  }

  settle(state: ReceiptState, why?: DropReason): this {
    this.state = state;
    this.why = why;
    this.data = undefined;
    this.#resolve?.(this);
    return this;
  }
}

/** How often the pipe's buffer is looked at while something of ours is in it: less and less often. */
const FIRST_LOOK: Milliseconds = 20;
const LAST_LOOK: Milliseconds = 1_000;

/**
 * Messages on their way: those that wait for a connection, and those that were handed to one and
 * are not proven to have arrived. Nothing leaves it without its receipt saying so, and nothing is
 * handed over twice.
 */
export class Outbox {
  /** Bytes that wait here. */
  bytes = 0;
  /** Messages handed over, dropped, and of unknown fate, since the beginning. */
  sent = 0;
  dropped = 0;
  unknown = 0;

  /** When {@link look} is due. */
  #lookAt = Infinity;
  #pause = FIRST_LOOK;
  #waiting: Entry[] = [];
  #unproven: Entry[] = [];
  /** Bytes that the present pipe's buffer has taken. */
  #taken = 0;
  #isStopped = false;

  constructor(readonly bounds: Bounds) {}

  /** Messages that wait here. */
  get messages(): number {
    return this.#waiting.length;
  }

  /** When {@link expire} or {@link look} is due. */
  get deadline(): number {
    return Math.min(this.#lookAt, this.#waiting[0]?.until ?? Infinity);
  }

  /** Takes a message: hands it to the pipe if there is one with room, else keeps it. */
  send(data: Data, pipe: Pipe | undefined, isFirst: boolean, now: number): Receipt {
    const entry = new Entry();
    if (pipe && (isFirst || !this.messages) && this.#hasRoom(pipe)) {
      return this.#hand(entry, data, pipe, now);
    }
    const { bounds } = this;
    if (this.#isStopped) {
      this.dropped++;
      return entry.settle("dropped", "stopped");
    }
    const size = sizeOf(data);
    const isFull = () => this.messages >= bounds.messages || this.bytes + size > bounds.bytes;
    if (bounds.overflow === "drop-oldest" && size <= bounds.bytes) {
      while (this.messages && isFull()) this.#drop("displaced");
    }
    if (isFull()) {
      this.dropped++;
      return entry.settle("dropped", "full");
    }
    entry.data = copyOf(data);
    entry.size = size;
    entry.until = now + bounds.expiry;
    this.bytes += size;
    this.#waiting.push(entry);
    return entry;
  }

  /** Hands over what waits, as far as the pipe has room. */
  flush(pipe: Pipe, now: number): void {
    this.expire(now);
    while (this.messages && this.#hasRoom(pipe)) {
      const entry = this.#take();
      this.#hand(entry, entry.data as Data, pipe, now);
    }
  }

  /** Drops what has waited too long. */
  expire(now: number): void {
    while (this.messages && (this.#waiting[0] as Entry).until <= now) this.#drop("expired");
  }

  /** Looks what has left the pipe's buffer. */
  look(pipe: Pipe, now: number): void {
    if (now < this.#lookAt) return;
    const drained = this.#taken - buffered(pipe);
    let isBusy = false;
    for (const entry of this.#unproven) {
      if (entry.state !== "queued") continue;
      isBusy = entry.drainedAt > drained;
      if (isBusy) break;
      entry.settle("written");
    }
    this.#pause = Math.min(this.#pause * 2, LAST_LOOK);
    this.#lookAt = isBusy ? now + this.#pause : Infinity;
  }

  /** All of the first so many messages handed over have arrived. */
  prove(mark: number): void {
    while (this.#unproven.length && this.sent - this.#unproven.length < mark) {
      const entry = this.#unproven.shift() as Entry;
      if (entry.state === "queued") entry.settle("written");
    }
  }

  /** The pipe is gone. Returns what was handed to it and is not proven to have arrived. */
  lose(): Receipt[] {
    const lost = this.#unproven;
    for (const entry of lost) entry.settle("unknown");
    this.unknown += lost.length;
    this.#unproven = [];
    this.#taken = 0;
    this.#lookAt = Infinity;
    return lost;
  }

  /** Drops all that waits, and all that comes. */
  stop(): void {
    this.#isStopped = true;
    while (this.messages) this.#drop("stopped");
  }

  #hasRoom(pipe: Pipe): boolean {
    return pipe.readyState === 1 && buffered(pipe) < this.bounds.bytes;
  }

  #hand(entry: Entry, data: Data, pipe: Pipe, now: number): Receipt {
    const before = buffered(pipe);
    pipe.send(data);
    this.sent++;
    entry.data = undefined;
    entry.drainedAt = this.#taken += buffered(pipe) - before;
    this.#unproven.push(entry);
    if (!buffered(pipe)) entry.settle("written");
    else if (this.#lookAt === Infinity) {
      this.#pause = FIRST_LOOK;
      this.#lookAt = now + FIRST_LOOK;
    }
    const { length, 0: oldest } = this.#unproven;
    if (length > this.bounds.messages && oldest?.state === "written") this.#unproven.shift();
    return entry;
  }

  #take(): Entry {
    const entry = this.#waiting.shift() as Entry;
    this.bytes -= entry.size;
    return entry;
  }

  #drop(why: DropReason): void {
    this.dropped++;
    this.#take().settle("dropped", why);
  }
}

function buffered(pipe: Pipe): number {
  return pipe.bufferedAmount || 0;
}

function sizeOf(data: Data): number {
  if (typeof data === "string") return new TextEncoder().encode(data).length;
  return "size" in data ? data.size : data.byteLength;
}

/** The message as it is now, whatever happens to the caller's buffer while it waits. */
function copyOf(data: Data): Data {
  if (typeof data === "string" || "size" in data) return data;
  const view = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
  return view.slice();
}
