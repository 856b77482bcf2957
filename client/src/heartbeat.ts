import type { Milliseconds } from "./backoff.js";

/** When a silent line is asked, and when it is given up. */
export interface Pulse {
  /** A beat is sent after this much silence. */
  interval: Milliseconds;
  /** The line is dead when nothing came for this long after a beat. */
  timeout: Milliseconds;
}

/**
 * What to do next: nothing; send a beat and call {@link Heartbeat.sent}; let frames in that wait in
 * a queue and then call {@link Heartbeat.settled}; give the line up.
 */
export type Verdict = "none" | "beat" | "settle" | "dead";

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

  #isAsking = false;
  #isProbe = false;
  #strikes = 0;
  #wroteAt = Infinity;
  #beats: { at: number; mark: number }[] = [];

  constructor(
    readonly pulse: Pulse,
    now: number,
  ) {
    this.deadline = now + pulse.interval;
  }

  /** A frame came. */
  seen(now: number): void {
    this.#isAsking = false;
    this.#strikes = 0;
    this.deadline = Math.min(now, this.#wroteAt) + this.pulse.interval;
  }

  /** Something was sent that no beat followed yet: one will, also when the line is not silent. */
  wrote(now: number): void {
    this.#wroteAt = Math.min(now, this.#wroteAt);
  }

  /**
   * The word came that answers beats. Returns the mark of the beat that it answers, or `undefined`
   * when no beat waits for an answer: then the word is somebody else's message.
   */
  answered(now: number): number | undefined {
    const beat = this.#beats.shift();
    if (beat) this.roundTrip = now - beat.at;
    return beat?.mark;
  }

  /** A beat was sent. All that was sent before it has arrived when it is answered: the mark. */
  sent(now: number, mark: number): void {
    if (this.#beats.length < MAX_BEATS) this.#beats.push({ at: now, mark });
    const { timeout } = this.pulse;
    this.#isAsking = true;
    this.deadline = now + (this.#isProbe ? Math.min(timeout, PROBE) : timeout);
    this.#isProbe = false;
    this.#wroteAt = Infinity;
  }

  /** The {@link deadline} has come; called earlier, it does nothing. */
  timeout(now: number): Verdict {
    if (now < this.deadline) return "none";
    if (now - this.deadline > LATE) return "settle";
    return this.#isAsking ? "dead" : "beat";
  }

  /**
   * Frames that waited in a queue were let in, after a late timer, a jump of the clock or a hint
   * that the page or the network is back.
   */
  settled(now: number): Verdict {
    if (this.#isAsking) {
      if (now - this.deadline <= LATE) {
        this.deadline = Math.min(this.deadline, now + Math.min(this.pulse.timeout, PROBE));
        return "none";
      }
      if (this.#strikes++) return "dead";
    }
    this.#isProbe = true;
    return "beat";
  }
}
