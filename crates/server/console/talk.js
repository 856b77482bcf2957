// The composer: what is typed becomes a message, text, bytes or a file.

import { blobDigest, digest, formatSize, parseHex } from "./bytes.js";

const MAX_FILE = 64 * 1024 * 1024; // bytes; a browser takes a message into memory whole
const HAS_KEYBOARD = matchMedia("(pointer: fine)").matches;

export class Composer {
  #form;
  #hint;
  #button;
  #onSend;
  #onInput;
  #canSend = false;

  /** `onSend(data, digest)` is given a whole message, `onInput()` told that it changed. */
  constructor({ form, hint, button, onSend, onInput }) {
    this.#form = form;
    this.#hint = hint;
    this.#button = button;
    this.#onSend = onSend;
    this.#onInput = onInput;
    form.addEventListener("submit", (event) => this.#submit(event));
    form.addEventListener("keydown", (event) => this.#submitOnEnter(event));
    for (const name of ["input", "change"]) form.addEventListener(name, () => this.refresh());
  }

  /** Whether a message can be sent now; `isLater` says that it will wait. */
  allow(canSend, isLater) {
    this.#canSend = canSend;
    this.#button.textContent = isLater ? "Send later" : "Send";
    this.refresh();
  }

  /** What would be sent: `{ data, size }`, or `{ error }`. */
  read() {
    const { value, files } = this.#field;
    switch (this.#kind) {
      case "text":
        return { data: value, size: digest(value).size };
      case "hex": {
        const { bytes, error } = parseHex(value);
        return { data: bytes, size: bytes?.length, error };
      }
      default: {
        const [file] = files;
        if (!file) return { error: "Choose a file" };
        if (file.size > MAX_FILE) return { error: `This page sends files up to ${formatSize(MAX_FILE)}` };
        return { data: file, size: file.size };
      }
    }
  }

  /** Brings fields, hint and button in line with what is typed. */
  refresh() {
    for (const input of this.#form.querySelectorAll("[data-for]")) input.hidden = input !== this.#field;
    const { size, error } = this.read();
    const isTyping = this.#kind !== "file";
    const isWrong = String(Boolean(error) && isTyping);
    this.#button.disabled = !this.#canSend || Boolean(error);
    this.#field.setAttribute("aria-invalid", isWrong);
    this.#hint.dataset.error = isWrong;
    this.#hint.textContent = error ?? `${formatSize(size)}${isTyping && HAS_KEYBOARD ? " · Enter sends, Shift+Enter for a new line" : ""}`;
    this.#onInput();
  }

  get #kind() {
    return this.#form.elements.kind.value;
  }

  get #field() {
    return this.#form.querySelector(`[data-for=${this.#kind}]`);
  }

  async #submit(event) {
    event.preventDefault();
    const { data, error } = this.read();
    if (error || !this.#canSend) return;
    this.#onSend(data, data instanceof Blob ? await blobDigest(data) : digest(data));
    if (HAS_KEYBOARD) this.#field.select?.();
  }

  #submitOnEnter(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target.type !== "textarea") return;
    event.preventDefault();
    this.#form.requestSubmit(this.#button.disabled ? undefined : this.#button);
  }
}
