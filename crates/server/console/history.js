// What happened to the line, for the timeline and the list of drops: when it was open, when it was
// down, each attempt and each heartbeat. Times are those of the clock on the wall, so that a
// machine that slept shows as the hole it was.

const KEPT_MS = 16 * 60_000;
const MAX_DROPS = 100;
const MAX_EACH = 2000; // a page that fails in a fast loop forgets sooner

/** Everything is read by who draws it; only the methods write. */
export class History {
  /**
   * `{ from, to, kind }`, the last without `to` while it lasts; kind `open`, `down`, or `doubt`:
   * it seemed open, but the heartbeat was not answered.
   */
  spans = [];
  /** `{ at, number, outcome }`, outcome `pending`, `opened`, `failed` or `left`. */
  attempts = [];
  /** `{ at, roundTrip }`; no `roundTrip` while it is awaited, `isLost` when it never came. */
  beats = [];
  /** `{ at, text }`: trouble that a person caused. */
  marks = [];
  /** `{ at, why, until, attempts, isOver }`, the oldest first. */
  drops = [];
  dropCount = 0;
  #downMs = 0;
  #onChange;
  #now;

  constructor(onChange, now = Date.now) {
    this.#onChange = onChange;
    this.#now = now;
  }

  /** The span that lasts, or nothing. */
  get current() {
    const last = this.spans.at(-1);
    return last && last.to === undefined ? last : undefined;
  }

  /** How long the line was down in all, in ms. */
  get downMs() {
    const current = this.current;
    return this.#downMs + (current?.kind === "down" ? this.#now() - current.from : 0);
  }

  connecting(number) {
    this.#settle("failed");
    this.attempts.push({ at: this.#now(), number, outcome: "pending" });
    const drop = this.drops.at(-1);
    if (drop && !drop.isOver) drop.attempts += 1;
    this.#changed();
  }

  opened() {
    this.#settle("opened");
    this.#begin("open");
    const drop = this.drops.at(-1);
    if (drop && !drop.isOver) Object.assign(drop, { until: this.spans.at(-1).from, isOver: true });
    this.#changed();
  }

  /** The line is down, or stays down: an attempt failed. */
  lost(why) {
    this.#settle("failed");
    this.#loseBeat();
    if (this.current?.kind !== "down") {
      this.#begin("down");
      this.dropCount += 1;
      this.drops.push({ at: this.#now(), why, attempts: 0, isOver: false });
    }
    this.#changed();
  }

  /** The line opened only to be told no: the attempt failed, and nothing was ever up. */
  refused(why) {
    const attempt = this.attempts.at(-1);
    if (attempt) attempt.outcome = "failed";
    this.spans.pop();
    const down = this.spans.at(-1);
    const drop = this.drops.at(-1);
    if (down?.kind !== "down" || down.to === undefined || drop?.until !== down.to) {
      this.lost(why);
      return;
    }
    this.#downMs -= down.to - down.from;
    down.to = drop.until = undefined;
    drop.isOver = false;
    this.#changed();
  }

  /** Nobody tries any more. */
  stopped() {
    this.#settle("left");
    this.#end();
    const drop = this.drops.at(-1);
    if (drop) drop.isOver = true;
    const beat = this.beats.at(-1);
    if (beat && beat.roundTrip === undefined && !beat.isLost) this.beats.pop();
    this.#changed();
  }

  beatSent() {
    this.beats.push({ at: this.#now() });
    this.#changed();
  }

  beatAnswered(roundTrip) {
    const beat = this.beats.at(-1);
    if (!beat || beat.roundTrip !== undefined) return;
    beat.roundTrip = roundTrip;
    this.#changed();
  }

  mark(text) {
    this.marks.push({ at: this.#now(), text });
    this.#changed();
  }

  #begin(kind, from = this.#now()) {
    this.#end(from);
    this.spans.push({ from, to: undefined, kind });
  }

  #end(to = this.#now()) {
    const current = this.current;
    if (!current) return;
    current.to = to;
    if (current.kind === "down") this.#downMs += current.to - current.from;
  }

  #settle(outcome) {
    const attempt = this.attempts.at(-1);
    if (attempt?.outcome === "pending") attempt.outcome = outcome;
  }

  #loseBeat() {
    const beat = this.beats.at(-1);
    if (!beat || beat.roundTrip !== undefined || beat.isLost) return;
    beat.isLost = true;
    if (this.current?.kind !== "open") return;
    this.#begin("doubt", Math.max(beat.at, this.current.from));
  }

  #changed() {
    const oldest = this.#now() - KEPT_MS;
    const trim = (list, end) => {
      while (list.length > MAX_EACH || (list.length && end(list[0]) < oldest)) list.shift();
    };
    trim(this.spans, ({ to }) => to ?? Infinity);
    for (const list of [this.attempts, this.beats, this.marks]) trim(list, ({ at }) => at);
    if (this.drops.length > MAX_DROPS) this.drops.shift();
    this.#onChange();
  }
}
