// Trouble on purpose: asks the server to disturb the connections of this page, and of no other.
//
// The page makes up an id and names it when it connects; the server put a token into the page
// when it served it. A foreign page can know neither.

const ID_BYTES = 16;
const SAID_MS = 20_000; // how long the outcome of a button is shown

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** This page, among all that are open; new with each load. */
export const PAGE = hex(crypto.getRandomValues(new Uint8Array(ID_BYTES)));

const TOKEN = document.querySelector("meta[name=trouble-token]")?.content ?? "";

/** What the server is asked for, in this order, and how it is called on the timeline. */
const TROUBLES = {
  drop: { asks: ["drop"], mark: "drop", done: "Cut. The browser is told at once; watch it come back." },
  hold: { asks: ["hold"], mark: "hold 60 s", done: "Held. No event fires: the heartbeat has to find out." },
  refuse: { asks: ["refuse", "drop"], mark: "refuse 3", done: "The next three handshakes are refused: watch the attempts." },
  drain: { asks: ["drain"], mark: "drain", done: "Draining: every connection is told when to come back, then the server ends." },
};

export class Trouble {
  #root;
  #result;
  #onCaused;
  #saying = 0;

  /** `onCaused(text)` is told what was caused. */
  constructor({ root, result, onCaused }) {
    this.#root = root;
    this.#result = result;
    this.#onCaused = onCaused;
    root.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-trouble]");
      if (button) this.#cause(button);
    });
  }

  /** Trouble needs a line to this server that is there, or comes back. */
  allow(isPossible) {
    for (const button of this.#root.querySelectorAll("[data-trouble]")) button.disabled = !isPossible;
  }

  async #cause(button) {
    const { asks, mark, done } = TROUBLES[button.dataset.trouble];
    this.#onCaused(mark);
    try {
      for (const each of asks) await ask(each);
      this.#say(done);
    } catch (error) {
      this.#say(error.message, true);
    }
  }

  #say(text, isError = false) {
    this.#result.textContent = text;
    this.#result.dataset.error = String(isError);
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => (this.#result.textContent = ""), SAID_MS);
  }
}

async function ask(trouble) {
  const answer = await fetch(`trouble/${trouble}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ page: PAGE, token: TOKEN }),
  }).catch(() => {
    throw new Error("The server cannot be reached.");
  });
  if (answer.ok) return;
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error ?? `The server answered ${answer.status}.`);
}
