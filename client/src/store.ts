import { type Position, positionOf } from "./position.js";

/**
 * Positions that outlive the page, in a `Storage`: one key, one JSON object.
 *
 * They are written when the present task has done its work. A storage that is full, closed or
 * broken only means that they are not kept.
 */
export class PositionStore {
  /** What is to be written; `undefined` forgets. */
  #changes = new Map<string, Position | undefined>();

  constructor(
    readonly storage: Storage | undefined,
    readonly key: string,
  ) {}

  /** The position kept for this channel. */
  get(channel: string): Position | undefined {
    try {
      const kept = this.#read();
      return Object.hasOwn(kept, channel) ? positionOf(kept[channel] as string) : undefined;
    } catch {
      return undefined;
    }
  }

  set(channel: string, position: Position | undefined): void {
    if (!this.storage) return;
    if (!this.#changes.size) queueMicrotask(() => this.#write());
    this.#changes.set(channel, position);
  }

  #read(): Record<string, string> {
    const kept = JSON.parse(this.storage?.getItem(this.key) ?? "{}");
    return typeof kept === "object" && kept !== null ? kept : {};
  }

  #write(): void {
    const changes = [...this.#changes];
    this.#changes.clear();
    try {
      let kept: Map<string, string>;
      try {
        kept = new Map(Object.entries(this.#read()));
      } catch {
        kept = new Map();
      }
      for (const [channel, position] of changes) {
        if (position) kept.set(channel, `${position.epoch}:${position.offset}`);
        else kept.delete(channel);
      }
      this.storage?.setItem(this.key, JSON.stringify(Object.fromEntries(kept)));
    } catch {
      // Full, closed or broken: the next page begins where the user says.
    }
  }
}
