import { ceiling, jitter, later, type Milliseconds } from "./backoff.js";

/** What follows a loss: try again, try again much later, give up, or give up after some repeats. */
export type Decision = "retry" | "later" | "stop" | { readonly stopAfter: number };

/** Where a line stands. `stopped` is final. */
export type State = "idle" | "connecting" | "open" | "waiting" | "stopped";

/** Why a line stopped: it was asked to, the decision about a loss, or no attempt was left. */
export type Why = "asked" | "decision" | "attempts";

/** Does what the machine decides. */
export interface Driver {
  /** Begin an attempt. */
  connect(generation: number, attempt: number): void;
  /** The connection is there. */
  up(generation: number): void;
  /** Drop the transport at once, detach its handlers, and close it in the background. */
  abandon(generation: number): void;
  /** Begin the closing handshake. */
  close(generation: number): void;
  /** It is lost; the next attempt comes after this time. */
  down(generation: number, nextIn: Milliseconds): void;
  /** It will not come back. */
  stopped(why: Why): void;
}

/** How the machine waits and when it gives up. */
export interface Policy {
  /** The ceiling of the first delay. */
  first: Milliseconds;
  /** The largest ceiling. */
  cap: Milliseconds;
  /** A connection that was open for this long starts the delays anew. */
  minUptime: Milliseconds;
  /** An attempt that takes longer has failed. */
  connectTimeout: Milliseconds;
  /** Attempts in a row without a connection of `minUptime`; `Infinity` for no limit. */
  maxAttempts: number;
  /** The longest delay that the peer's advice may ask for. */
  maxAdvice: Milliseconds;
}

/** What is known of a loss. */
export interface Loss {
  /** The delay that the peer asked for. */
  readonly advice?: Milliseconds | undefined;
  /** Whether the transport is still there, so that it must be abandoned. */
  readonly abandon: boolean;
}

/** A timer of an attempt that fires later than this is not believed at once. */
const LATE: Milliseconds = 1_000;

/**
 * Decides when to connect, wait and stop. It reads no clock, sets no timer, draws no random number:
 * events go in, each with the time, its driver is told what to do, and {@link deadline} says when
 * {@link timeout} is due.
 *
 * Every attempt has a generation of its own; an event of another generation changes nothing.
 */
export class Reconnect {
  /** Where the line stands. */
  state: State = "idle";
  /** The number of the newest attempt since the beginning; 0 before the first. */
  generation = 0;
  /** When {@link timeout} is due; `Infinity` for never. */
  deadline = Infinity;
  /** Attempts since the last connection that was up for {@link Policy.minUptime}. */
  attempts = 0;

  #losses = 0;
  #repeats = 0;
  #beganAt = 0;
  #openedAt = 0;
  #notBefore = 0;
  #isLate = false;

  constructor(
    readonly policy: Policy,
    readonly driver: Driver,
  ) {}

  /** Whether this generation is the one that is connecting or open. */
  isCurrent(generation: number): boolean {
    return generation === this.generation && (this.state === "connecting" || this.state === "open");
  }

  /** Begins; once. */
  start(now: number): void {
    if (this.state === "idle") this.#connect(now);
  }

  /** The attempt has led to a connection. */
  opened(now: number, generation: number): void {
    if (!this.isCurrent(generation) || this.state === "open") return;
    this.state = "open";
    this.#openedAt = now;
    this.deadline = Infinity;
    this.driver.up(generation);
  }

  /** The attempt has failed, or the connection is gone. */
  lost(now: number, generation: number, loss: Loss, decision: Decision, random: number): void {
    if (!this.isCurrent(generation)) return;
    const { first, cap, minUptime, maxAttempts, maxAdvice } = this.policy;
    if (loss.abandon) this.driver.abandon(generation);
    if (this.state === "open" && now - this.#openedAt >= minUptime) {
      this.attempts = this.#losses = this.#repeats = 0;
    }
    if (
      decision === "stop" ||
      (typeof decision === "object" && ++this.#repeats >= decision.stopAfter)
    ) {
      return this.#stop("decision");
    }
    if (this.attempts >= maxAttempts) return this.#stop("attempts");

    const losses = this.#losses++;
    const delay =
      decision === "later" ? later(cap, random) : jitter(ceiling(first, cap, losses), random);
    this.#notBefore = now + Math.min(loss.advice ?? 0, maxAdvice);
    this.deadline = this.#notBefore + delay;
    this.state = "waiting";
    this.driver.down(generation, this.deadline - now);
  }

  /** The {@link deadline} has come; called earlier, it does nothing. */
  timeout(now: number, random: number): void {
    if (now < this.deadline) return;
    if (this.state === "waiting") this.#connect(now);
    else if (now - this.deadline > LATE && !this.#isLate) {
      this.#isLate = true;
      this.deadline = now + LATE;
    } else this.lost(now, this.generation, { abandon: true }, "retry", random);
  }

  /** A hint that the network or the page is back: do not wait longer than need be. */
  wake(now: number): void {
    if (this.state === "waiting") {
      this.deadline = Math.min(
        this.deadline,
        Math.max(now, this.#notBefore, this.#beganAt + this.policy.first),
      );
    }
  }

  /** Ends it for good. */
  stop(): void {
    const { state, generation } = this;
    if (state === "stopped") return;
    if (state === "connecting") this.driver.abandon(generation);
    if (state === "open") this.driver.close(generation);
    this.#stop("asked");
  }

  #connect(now: number): void {
    this.state = "connecting";
    this.#beganAt = now;
    this.#isLate = false;
    this.deadline = now + this.policy.connectTimeout;
    this.driver.connect(++this.generation, ++this.attempts);
  }

  #stop(why: Why): void {
    this.state = "stopped";
    this.deadline = Infinity;
    this.driver.stopped(why);
  }
}
