// The timeline: time runs to the left, now is at the right edge. Above, each heartbeat by its
// round trip on a logarithmic scale; below, when the line was open or down, with every attempt.

const SVG = "http://www.w3.org/2000/svg";
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const STILL_MS = 1000; // between two steps where nothing may glide

const HEIGHT = 124;
const LEFT = 54; // room for the scale
const RIGHT = 12; // room for the mark of now
const LANE = { top: 18, bottom: 66 };
const BAND = { top: 78, bottom: 97 };
const AXIS = 118;
const SHORTEST_MS = 0.1;
const LONGEST_MS = 1000;
const SCALE = [[1, "1 ms"], [10, "10 ms"], [100, "100 ms"]];
const STEPS = [5, 10, 15, 30, 60, 120, 300]; // seconds between two times on the axis
const STEP_WIDTH = 92; // CSS pixels a time needs
const LABEL_WIDTH = 44;
const MARK_LETTER = 6.5; // about the width of one

export class Timeline {
  #svg;
  #history;
  #seconds = 60;
  #origin = Date.now();
  #width = 0;
  #moving; // the group that time moves, and that of the times below
  #axis;
  #labels = []; // of down periods, above all else
  #plot;
  #lasting = null; // the span that ends now: { rect, label, span }
  #movedAt = 0;

  constructor(svg, history) {
    this.#svg = svg;
    this.#history = history;
    this.#build();
    new ResizeObserver(() => this.#resize()).observe(svg);
    requestAnimationFrame(() => this.#step());
  }

  /** Shows this many seconds. */
  show(seconds) {
    this.#seconds = seconds;
    this.draw();
  }

  /** Draws what is known; between two calls the picture only moves. */
  draw() {
    if (!this.#width) return;
    const since = Date.now() - this.#seconds * 1000 - 5000;
    const { spans, attempts, beats, marks } = this.#history;
    this.#lasting = null;
    this.#labels = [];
    this.#moving.replaceChildren(
      ...this.#times(since, timeLine),
      ...spans.filter(({ to }) => !(to < since)).flatMap((span) => this.#span(span)),
      ...beats.filter(({ at }) => at > since).flatMap((beat) => this.#beat(beat)),
      ...this.#marks(marks.filter(({ at }) => at > since)),
      ...this.#attempts(attempts.filter(({ at }) => at > since)),
      ...this.#labels,
    );
    this.#axis.replaceChildren(...this.#times(since, timeLabel));
    this.#move();
  }

  get #perMs() {
    return (this.#width - LEFT - RIGHT) / (this.#seconds * 1000);
  }

  #x(at) {
    return (at - this.#origin) * this.#perMs;
  }

  /** What stands still: the scale, the mark of now, the window in which time moves. */
  #build() {
    const clip = make("clipPath", { id: "timeline-clip" });
    this.#plot = make("rect", { x: LEFT, y: 0, height: HEIGHT });
    clip.append(this.#plot);
    const hatch = make("pattern", { id: "timeline-hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    hatch.append(make("rect", { width: 6, height: 6, class: "hatch-ground" }), make("rect", { width: 2, height: 6, class: "hatch-line" }));
    const defs = make("defs");
    defs.append(clip, hatch);

    const scale = make("g", { class: "scale" });
    for (const [ms, text] of SCALE) {
      scale.append(make("line", { x1: LEFT, x2: 0, y1: height(ms), y2: height(ms) }), words(text, { x: LEFT - 8, y: height(ms) + 4, "text-anchor": "end" }));
    }
    scale.append(make("line", { x1: LEFT, x2: 0, y1: LANE.bottom, y2: LANE.bottom, class: "ground" }));

    const window = make("g", { "clip-path": "url(#timeline-clip)" });
    this.#moving = make("g");
    window.append(this.#moving);
    this.#axis = make("g");
    const now = make("circle", { class: "now", r: 4.5, cy: (BAND.top + BAND.bottom) / 2 });
    this.#svg.append(defs, scale, window, this.#axis, now);
    this.#svg.setAttribute("height", HEIGHT);
  }

  #resize() {
    this.#width = this.#svg.clientWidth;
    const right = this.#width - RIGHT;
    this.#plot.setAttribute("width", Math.max(0, right - LEFT));
    for (const line of this.#svg.querySelectorAll(".scale line")) line.setAttribute("x2", right);
    this.#svg.querySelector(".now").setAttribute("cx", right);
    this.draw();
  }

  /** A shape for each round time; a little into the future, for the picture moves there. */
  #times(since, shape) {
    const fits = this.#seconds / ((this.#width - LEFT - RIGHT) / STEP_WIDTH);
    const step = (STEPS.find((seconds) => seconds >= fits) ?? STEPS.at(-1)) * 1000;
    const offset = new Date().getTimezoneOffset() * 60_000;
    const until = Date.now() + step * 2;
    const shapes = [];
    for (let at = Math.ceil((since - offset) / step) * step + offset; at < until; at += step) shapes.push(shape(this.#x(at), at));
    return shapes;
  }

  #span(span) {
    const { from, to = Date.now(), kind } = span;
    const x = this.#x(from);
    const width = Math.max(1.5, this.#x(to) - x);
    const rect = make("rect", { class: `span ${kind}`, x, y: BAND.top, width, height: BAND.bottom - BAND.top });
    if (kind !== "down") {
      // Two strands, as in the picture of the line.
      const y = [BAND.top + 7.5, BAND.bottom - 7.5];
      const strands = y.map((at) => make("line", { class: `strand ${kind}`, x1: x, x2: x + width, y1: at, y2: at }));
      if (span.to === undefined) this.#lasting = { span, rect, strands, x };
      return [rect, ...strands];
    }
    const label = words("", { class: "down-label", y: (BAND.top + BAND.bottom) / 2 + 4, "text-anchor": "middle" });
    placeLabel(label, x, width, to - from);
    this.#labels.push(label);
    if (span.to === undefined) this.#lasting = { span, rect, label, x, strands: [] };
    return [rect];
  }

  #attempts(attempts) {
    let numberedAt = -Infinity;
    return attempts.flatMap(({ at, number, outcome }) => {
      const x = this.#x(at);
      const shapes = [
        make("line", { class: `attempt ${outcome}`, x1: x, x2: x, y1: BAND.top - 3, y2: BAND.bottom + 3 }),
        make("circle", { class: `attempt ${outcome}`, cx: x, cy: BAND.bottom + 4, r: 2.75 }),
      ];
      if (number > 1 && x - numberedAt > 12) {
        numberedAt = x;
        shapes.push(words(String(number), { class: "attempt-number", x: x + 3, y: BAND.top - 2 }));
      }
      return shapes;
    });
  }

  #beat({ at, roundTrip, isLost }) {
    const x = this.#x(at);
    const state = isLost ? "lost" : roundTrip === undefined ? "awaited" : "answered";
    const y = roundTrip === undefined ? LANE.top : height(roundTrip);
    const stem = make("line", { class: `beat ${state}`, x1: x, x2: x, y1: LANE.bottom, y2: y });
    if (isLost) {
      const cross = `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`;
      return [stem, make("path", { class: "beat lost", d: cross })];
    }
    return [stem, make("circle", { class: `beat ${state}`, cx: x, cy: y, r: 3 })];
  }

  #marks(marks) {
    return marks.flatMap(({ at, text }, index) => {
      const x = this.#x(at);
      const label = words(text, { class: "mark-label", x: x + 9, y: 11 });
      const next = marks[index + 1];
      const isCovered = next && this.#x(next.at) < x + 14 + text.length * MARK_LETTER;
      return [
        make("line", { class: "mark", x1: x, x2: x, y1: 4, y2: BAND.bottom }),
        make("path", { class: "mark", d: `M${x} 3l6 4l-6 4z` }),
        ...(isCovered ? [] : [label]),
      ];
    });
  }

  #step() {
    requestAnimationFrame(() => this.#step());
    const now = performance.now();
    const pause = STILL.matches ? STILL_MS : 0.5 / this.#perMs;
    if (now - this.#movedAt < Math.min(pause, STILL_MS)) return;
    this.#movedAt = now;
    this.#move();
  }

  #move() {
    if (!this.#width) return;
    const now = Date.now();
    // Far from the origin the numbers would grow beyond what a path can hold exactly.
    if (Math.abs(now - this.#origin) > this.#seconds * 2000) {
      this.#origin = now;
      this.draw();
      return;
    }
    const moved = `translate(${(this.#width - RIGHT - this.#x(now)).toFixed(2)} 0)`;
    for (const group of [this.#moving, this.#axis]) group.setAttribute("transform", moved);
    if (!this.#lasting) return;
    const { span, rect, label, strands, x } = this.#lasting;
    const width = Math.max(1.5, this.#x(now) - x);
    rect.setAttribute("width", width);
    for (const strand of strands) strand.setAttribute("x2", x + width);
    if (label) placeLabel(label, x, width, now - span.from);
  }
}

function timeLine(x) {
  return make("line", { class: "time", x1: x, x2: x, y1: LANE.top, y2: BAND.bottom + 5 });
}

function timeLabel(x, at) {
  return words(new Date(at).toLocaleTimeString("en-GB"), { class: "time-label", x, y: AXIS, "text-anchor": "middle" });
}

/** Where a round trip stands in its lane. */
function height(ms) {
  const share = Math.log(Math.min(Math.max(ms, SHORTEST_MS), LONGEST_MS) / SHORTEST_MS) / Math.log(LONGEST_MS / SHORTEST_MS);
  return LANE.bottom - share * (LANE.bottom - LANE.top);
}

/** Says in a down period how long it is, if there is room. */
function placeLabel(label, x, width, ms) {
  label.textContent = width < LABEL_WIDTH ? "" : `${(ms / 1000).toFixed(1)} s`;
  label.setAttribute("x", x + width / 2);
}

function make(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

function words(text, attributes) {
  const made = make("text", attributes);
  made.textContent = text;
  return made;
}
