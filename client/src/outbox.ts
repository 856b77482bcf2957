import type { Milliseconds } from "./backoff.js";

/** What can be sent. */
export type Data = string | ArrayBuffer | Blob | ArrayBufferView<ArrayBuffer>;

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

/** Counts since the beginning. */
export interface Counters {
  /** Connections that were opened. */
  opened: number;
  /** Messages that came, answers to heartbeats left out. */
  received: number;
  /** Messages that were given to a connection. */
  sent: number;
  /** Messages that were dropped. */
  dropped: number;
  /** Messages of which nobody knows whether they arrived. */
  unknown: number;
}

/** The part of a `WebSocket` that takes messages. */
export interface Pipe {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Data): void;
}

class Entry implements Receipt {
  state: ReceiptState = "queued";
  declare why: DropReason | undefined;
  /** While it waits: the message, its size in bytes, and until when it may wait. */
  declare data: Data | undefined;
  declare size: number;
  declare until: number;

  #resolve!: (receipt: Receipt) => void;
  readonly done = new Promise<Receipt>((resolve) => {
    this.#resolve = resolve;
  });

  settle(state: ReceiptState, why?: DropReason): this {
    this.state = state;
    this.why = why;
    this.#resolve(this);
    return this;
  }
}

/** How often the pipe's buffer is looked at while something of ours is in it. */
const LOOK: Milliseconds = 50;

/**
 * Messages on their way: those that wait for a connection, and those that were handed to one and
 * are not proven to have arrived. Nothing leaves it without its receipt saying so, and nothing is
 * handed over twice.
 */
export class Outbox {
  /** Bytes that wait here. */
  bytes = 0;

  #waiting: Entry[] = [];
  /** Handed over and not proven to have arrived. */
  #unproven: Entry[] = [];
  /** When the pipe's buffer is looked at. */
  #lookAt = Infinity;
  #isStopped = false;

  constructor(
    readonly bounds: Bounds,
    readonly counters: Counters,
  ) {}

  /** Messages that wait here. */
  get messages(): number {
    return this.#waiting.length;
  }

  /** When {@link flush} is due. */
  get deadline(): number {
    return Math.min(this.#lookAt, this.#waiting[0]?.until ?? Infinity);
  }

  /** Takes a message: hands it to the pipe if there is one with room, else keeps it. */
  send(data: Data, pipe: Pipe | undefined, isFirst: boolean, now: number): Receipt {
    const { messages, bytes, expiry, overflow } = this.bounds;
    const entry = new Entry();
    if ((isFirst || !this.messages) && this.#hasRoom(pipe)) {
      return this.#hand(entry, data, pipe as Pipe, now);
    }
    const size = sizeOf(data);
    const isFull = () => this.#isStopped || this.messages >= messages || this.bytes + size > bytes;
    while (overflow !== "reject" && size <= bytes && this.messages && isFull()) {
      this.#drop(this.#take(), "displaced");
    }
    if (isFull()) return this.#drop(entry, "full");
    // As it is now, whatever happens to the caller's buffer while it waits.
    entry.data = structuredClone(data);
    entry.size = size;
    entry.until = now + expiry;
    this.bytes += size;
    this.#waiting.push(entry);
    return entry;
  }

  /**
   * Drops what has waited too long, hands over what waits as far as the pipe has room, and looks
   * whether the pipe's buffer is empty.
   */
  flush(pipe: Pipe | undefined, now: number): void {
    this.#expire(now);
    while (this.messages && this.#hasRoom(pipe)) {
      const entry = this.#take();
      this.#hand(entry, entry.data as Data, pipe as Pipe, now);
      entry.data = undefined;
    }
    if (now < this.#lookAt) return;
    const isBusy = pipe?.bufferedAmount;
    this.#lookAt = isBusy ? now + LOOK : Infinity;
    if (!isBusy) settle(this.#unproven, "written");
  }

  /** All of the first so many messages handed over have arrived. */
  prove(mark: number): void {
    const count = this.#unproven.length - this.counters.sent + mark;
    settle(this.#unproven.splice(0, count), "written");
  }

  /** The pipe is gone. Returns what was handed to it and is not proven to have arrived. */
  lose(): Receipt[] {
    const lost = this.#unproven.splice(0);
    this.counters.unknown += lost.length;
    settle(lost, "unknown");
    return lost;
  }

  /** Drops all that waits, and all that comes. */
  stop(): void {
    this.#isStopped = true;
    this.#lookAt = Infinity;
    this.#expire(Infinity);
  }

  #hasRoom(pipe: Pipe | undefined): boolean {
    return pipe?.readyState === 1 && !(pipe.bufferedAmount >= this.bounds.bytes);
  }

  #hand(entry: Entry, data: Data, pipe: Pipe, now: number): Receipt {
    pipe.send(data);
    this.counters.sent++;
    this.#unproven.push(entry);
    if (!pipe.bufferedAmount) entry.settle("written");
    else this.#lookAt = Math.min(this.#lookAt, now + LOOK);
    const { length, 0: oldest } = this.#unproven;
    if (length > this.bounds.messages && oldest?.state === "written") this.#unproven.shift();
    return entry;
  }

  #expire(now: number): void {
    while ((this.#waiting[0]?.until as number) <= now) {
      this.#drop(this.#take(), "expired");
    }
  }

  #take(): Entry {
    const entry = this.#waiting.shift() as Entry;
    this.bytes -= entry.size;
    return entry;
  }

  #drop(entry: Entry, why: DropReason): Receipt {
    this.counters.dropped++;
    return entry.settle("dropped", this.#isStopped ? "stopped" : why);
  }
}

function settle(entries: Entry[], state: ReceiptState): void {
  for (const entry of entries) entry.settle(state);
}

/** In bytes; of text as UTF-8. */
function sizeOf(data: Data): number {
  return new Blob([data]).size;
}
