// The picture of the line: a pulse runs along it for each message, out on the upper strand and in
// on the lower one, longer for larger messages; a round one for each heartbeat. A flood shows as a
// dense train, not as more work.

const TRAVEL_MS = 900;
const MIN_GAP_MS = 45;
const BEAT_WIDTH = 11; // CSS pixels
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export class Wire {
  #track;
  #ends;
  #lastAt = { in: -Infinity, out: -Infinity };

  constructor(root, track) {
    this.#track = track;
    this.#ends = {
      out: root.querySelector("[data-end=server]"),
      in: root.querySelector("[data-end=page]"),
    };
  }

  pulse({ direction, kind, size }) {
    const now = performance.now();
    if (document.hidden || now - this.#lastAt[direction] < MIN_GAP_MS) return;
    this.#lastAt[direction] = now;
    if (STILL.matches) this.#glow(direction, 0);
    else this.#run(direction, kind, size);
  }

  /** A heartbeat runs along the line: out, or its answer back in. */
  beat(direction) {
    if (document.hidden) return;
    if (STILL.matches) this.#glow(direction, 0, "var(--live)");
    else this.#run(direction, "beat", 0);
  }

  /** Removes what is under way: the line is gone. */
  cut() {
    for (const pulse of this.#track.querySelectorAll(".pulse")) pulse.remove();
  }

  #run(direction, kind, size) {
    const pulse = document.createElement("i");
    pulse.className = "pulse";
    pulse.dataset.direction = direction;
    pulse.dataset.kind = kind;
    const length = kind === "beat" ? BEAT_WIDTH : Math.min(72, 14 + 5 * Math.log2(1 + size / 16));
    pulse.style.width = `${length}px`;
    this.#track.append(pulse);

    const path = [`translateX(${-length}px)`, `translateX(${this.#track.clientWidth}px)`];
    if (direction === "in") path.reverse();
    const flight = pulse.animate({ transform: path }, { duration: TRAVEL_MS, easing: "cubic-bezier(.45,.05,.55,.95)" });
    flight.onfinish = () => pulse.remove();
    this.#glow(direction, TRAVEL_MS * 0.85, kind === "beat" ? "var(--live)" : undefined);
  }

  #glow(direction, delay, tint = `var(--${direction})`) {
    this.#ends[direction].animate([{ backgroundColor: tint, borderColor: tint }, {}], { duration: 500, delay, easing: "ease-out" });
  }
}
