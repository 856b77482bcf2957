/** What a page tells about itself and its network. */
export interface Hints {
  /** The page or the network may be back, or gone. */
  onhint(mayBeBack: boolean): void;
  /** The page goes into the back/forward cache. */
  onhide(): void;
}

/** Listens until the signal is aborted. Where there is no page, nothing is ever told. */
export function listen(signal: AbortSignal, { onhint, onhide }: Hints): void {
  const page = globalThis.document as Document | undefined;
  const on = (target: EventTarget | undefined, type: string, then: (event: any) => void) =>
    target?.addEventListener?.(type, then, { signal });
  const back = () => onhint(true);

  on(globalThis, "online", back);
  on(globalThis, "offline", () => onhint(false));
  on(globalThis, "pageshow", back);
  on(globalThis, "pagehide", (event) => event.persisted && onhide());
  on(page, "resume", back);
  on(page, "visibilitychange", () => page?.visibilityState === "visible" && back());
}

/**
 * Comes back when tasks that already wait in the queue have run: frames that came while the page
 * or the machine did not run. A message channel, unlike a timer, is not throttled in hidden tabs.
 */
export function letQueuedIn(then: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    then();
  };
  port2.postMessage(0);
}
