/** What an `on…` property of a client or a subscription holds. */
export type On<Heard> = ((event: Heard) => void) | null;

/** An `EventTarget` with typed listeners, and an `on…` property for each of its events. */
export class Emitter<Events> extends EventTarget {
  /** @internal */
  constructor(types: readonly (keyof Events & string)[]) {
    super();
    const handlers = this as Record<string, any>;
    for (const type of types) {
      handlers[`on${type}`] = null;
      this.addEventListener(type as string, (event) => handlers[`on${type}`]?.(event));
    }
  }
}

/** The typed listeners. */
export interface Emitter<Events> {
  addEventListener<Type extends keyof Events & string>(
    type: Type,
    listener: ((event: Events[Type]) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof Events & string>(
    type: Type,
    listener: ((event: Events[Type]) => void) | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** Tells all who listen. One that throws keeps nobody else from being told. */
export function emit(target: EventTarget, type: string, fields?: object): void {
  target.dispatchEvent(Object.assign(new Event(type), fields));
}
