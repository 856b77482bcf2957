import type { Milliseconds } from "./backoff.js";

/** When a silent line is asked, and when it is given up. */
export interface Pulse {
  /** A beat is sent after this much silence. */
  interval: Milliseconds;
  /** The line is dead when nothing came for this long after a beat. */
  timeout: Milliseconds;
}

/**
 * What to do next: nothing; send a beat, or one with a short deadline, and call
 * {@link Heartbeat.sent}; let frames in that wait in a queue and then call
 * {@link Heartbeat.settled}; give the line up.
 */
export type Verdict = "none" | "beat" | "probe" | "settle" | "dead";

/** A timer that fires later than this tells of a page or a machine that did not run. */
export const LATE: Milliseconds = 2_000;

/** How long a line has to answer when there is a reason for doubt, unless `timeout` is shorter. */
const PROBE: Milliseconds = 5_000;

/** Beats that may be unanswered and still counted: some servers never answer with the word. */
const MAX_BEATS = 100;

/**
 * Decides when a silent line is asked for a sign of life and when it is dead. It sends nothing and
 * reads no clock.
 *
 * Any frame is life. With timers that fire on time, death is noticed at most `interval + timeout`
 * after the last frame. A timer that fires late is no proof of anything: frames that came meanwhile
 * are let in first, then the line is asked with a short deadline; only the second late verdict in
 * a row counts.
 */
export class Heartbeat {
  /** When {@link timeout} is due. */
  deadline: number;
  /** How long the last answer to a beat took; `null` before the first. */
  roundTrip: Milliseconds | null = null;
  /** So many messages had been sent before the beat that was answered last: they have arrived. */
  proven = 0;

  #probe: Milliseconds;
  #isAsking = false;
  #strikes = 0;
  /** Messages that a beat has followed, and when the first one after them was sent. */
  #mark: number;
  #wroteAt = Infinity;
  #beats: [at: number, mark: number][] = [];

  constructor(
    readonly pulse: Pulse,
    mark: number,
    now: number,
  ) {
    this.#probe = Math.min(pulse.timeout, PROBE);
    this.#mark = mark;
    this.deadline = now + pulse.interval;
  }

  /** A frame came. */
  seen(now: number): void {
    this.#isAsking = false;
    this.#strikes = 0;
    this.deadline = Math.min(now, this.#wroteAt) + this.pulse.interval;
  }

  /** So many messages were sent. A beat will follow the last, also if the line is not silent. */
  wrote(count: number, now: number): void {
    if (count > this.#mark) this.#wroteAt = Math.min(now, this.#wroteAt);
  }

  /** The word came that answers beats. Says whether a beat waits for it; else it is a message. */
  answered(now: number): boolean {
    const beat = this.#beats.shift();
    if (!beat) return false;
    this.roundTrip = now - beat[0];
    this.proven = beat[1];
    return true;
  }

  /** A beat was sent after so many messages: those have arrived when it is answered. */
  sent(mark: number, now: number, isProbe: boolean): void {
    this.#mark = mark;
    if (this.#beats.length < MAX_BEATS) this.#beats.push([now, mark]);
    this.#isAsking = true;
    this.deadline = now + (isProbe ? this.#probe : this.pulse.timeout);
    this.#wroteAt = Infinity;
  }

  /**
   * The {@link deadline} may have come.
   *
   * @param isLate - whether the timer fired by more than {@link LATE} at another time than it was
   *   set to, whatever it was set for
   */
  timeout(now: number, isLate: boolean): Verdict {
    if (isLate) return "settle";
    if (now < this.deadline) return "none";
    return this.#isAsking ? "dead" : "beat";
  }

  /**
   * Frames that waited in a queue were let in, after a late timer, a jump of the clock or a hint
   * that the page or the network is back.
   */
  settled(now: number): Verdict {
    if (!this.#isAsking) return "probe";
    if (now - this.deadline > LATE) return this.#strikes++ ? "dead" : "probe";
    this.deadline = Math.min(this.deadline, now + this.#probe);
    return "none";
  }
}
