import type { Milliseconds } from "./backoff.js";
import type { Commands, Fault } from "./commands.js";
import { LATER } from "./subscriptions.js";

/** What came of a publication. */
export type Outcome =
  /** It is in the log, there; `dup` when it was there before it was sent the last time. */
  | { readonly published: { epoch: string; offset: number; dup?: boolean } }
  /** The server has refused it. */
  | { readonly failed: Fault }
  /** It was sent, and nobody can tell any more whether it is in the log. */
  | { readonly unknown: true };

/**
 * Nothing is repeated so long before the server may have forgotten its publisher: longer than a
 * message can lie in a half-open line before the heartbeat gives that up, which are 45 s.
 */
const MARGIN: Milliseconds = 60_000;

/** A publication with this number was taken before, but where it is is not known any more. */
const TOO_OLD = 151;
/** The number leaves one out. */
const LEAVES_OUT = 150;

interface Publication {
  readonly channel: string;
  /** The members of the command but `n`, as JSON without the closing brace. */
  readonly members: string;
  readonly done: (outcome: Outcome) => void;
  /** Its number; 0 before it is sent. */
  n: number;
  /** When it was first sent under this number; `undefined`: it has not been, or was refused. */
  sentAt: number | undefined;
  /** The command that carries it; 0 when none does. */
  id: number;
}

interface Numbers {
  /** The last one given. */
  last: number;
  /** Nothing is sent in this channel before then. */
  retryAt: number;
}

/**
 * What the user publishes, until the server has said what came of it.
 *
 * Each channel's publications are numbered, so that one that is sent again is recognised. They are
 * sent in the order of the calls.
 */
export class Publications {
  #waiting: Publication[] = [];
  #channels = new Map<string, Numbers>();

  constructor(readonly commands: Commands) {}

  /** When the first channel goes on that has been told to wait. */
  get deadline(): number {
    let first = Infinity;
    for (const { retryAt } of this.#channels.values()) if (retryAt) first = Math.min(first, retryAt);
    return first;
  }

  add(channel: string, members: string, done: (outcome: Outcome) => void): void {
    this.#waiting.push({ channel, members, done, n: 0, sentAt: undefined, id: 0 });
  }

  /** The line is lost. */
  lose(): void {
    for (const publication of this.#waiting) publication.id = 0;
    for (const numbers of this.#channels.values()) numbers.retryAt = 0;
  }

  /** Gives up what the server may not recognise any more; says whether there was such. */
  expire(window: number): boolean {
    const { now } = this.commands;
    return this.#giveUp(({ id, sentAt = now }) => !id && now - sentAt > window - MARGIN);
  }

  /** The server knows this publisher no more: it would take for new what it has taken before. */
  forget(): void {
    this.#giveUp(({ sentAt }) => sentAt !== undefined);
  }

  /** Sends what is to be sent, as far as there is room. */
  pump(): void {
    for (const numbers of this.#channels.values()) {
      if (numbers.retryAt <= this.commands.now) numbers.retryAt = 0;
    }
    const excess: [Publication, Outcome][] = [];
    for (const publication of this.#waiting) {
      if (!this.commands.hasRoom) break;
      const numbers = this.#numbersOf(publication.channel);
      if (publication.id || numbers.retryAt) continue;
      const failed = this.#send(publication, numbers);
      if (failed) excess.push([publication, publication.sentAt === undefined ? { failed } : { unknown: true }]);
    }
    for (const [publication, outcome] of excess) this.#settle(publication, outcome);
  }

  /** Nothing is sent any more. Tells `unsent` of what never was, unknown of the others. */
  stop(unsent: Fault): void {
    for (const { sentAt, done } of this.#waiting.splice(0)) {
      done(sentAt === undefined ? { failed: unsent } : { unknown: true });
    }
    this.#channels.clear();
  }

  #numbersOf(channel: string): Numbers {
    let numbers = this.#channels.get(channel);
    if (!numbers) this.#channels.set(channel, (numbers = { last: 0, retryAt: 0 }));
    return numbers;
  }

  /** Sends it, or says why it cannot be sent; then its number is that of the next one. */
  #send(publication: Publication, numbers: Numbers): Fault | undefined {
    const n = publication.n || numbers.last + 1;
    const members = `${publication.members},"n":${n}}`;
    const excess = this.commands.excess("publish", members);
    if (excess) return excess;
    if (!publication.n) publication.n = numbers.last = n;
    publication.sentAt ??= this.commands.now;
    const id = this.commands.send("publish", members, (reply, fault) => {
      if (!fault) return this.#settle(publication, { published: reply });
      // It has been sent again since: that reply counts.
      if (publication.id === id) this.#refused(publication, fault);
    });
    publication.id = id;
    return undefined;
  }

  #refused(publication: Publication, fault: Fault): void {
    const { channel } = publication;
    const rest = this.#waiting.filter((other) => other.channel === channel && other.n);
    const { code, expected: next = 1 } = fault;
    if (code === LEAVES_OUT && publication.n >= next) {
      let expected = next;
      for (const other of rest) {
        // Those below have been taken, and their replies are on the way.
        if (other.n < next) continue;
        other.n = expected++;
        other.id = 0;
        other.sentAt = undefined;
      }
      this.#numbersOf(channel).last = expected - 1;
    } else if (fault.temporary) {
      for (const other of rest) other.id = 0;
      this.#numbersOf(channel).retryAt = this.commands.now + LATER;
    } else {
      const isKnown = code !== TOO_OLD && code !== LEAVES_OUT;
      this.#settle(publication, isKnown ? { failed: fault } : { unknown: true });
    }
  }

  #settle(publication: Publication, outcome: Outcome): void {
    const index = this.#waiting.indexOf(publication);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    publication.done(outcome);
  }

  #giveUp(isLost: (publication: Publication) => boolean): boolean {
    const lost = this.#waiting.filter(isLost);
    for (const publication of lost) this.#settle(publication, { unknown: true });
    return lost.length > 0;
  }
}
