/** What tells of the network, or that the page runs again: events of the window or the document. */
const EVENTS = ["online", "offline", "pageshow", "pagehide", "visibilitychange", "resume"];

/**
 * Listens until the signal is aborted. Where there is no page, no event ever comes.
 *
 * @param heard - is told each event's type: a `visibilitychange` only when the page became visible,
 *   a `pagehide` only when the page goes into the back/forward cache
 */
export function listen(signal: AbortSignal, heard: (type: string) => void): void {
  const filter = ({ type, persisted = true }: any) => {
    const isHidden = type === "visibilitychange" && document.visibilityState !== "visible";
    if (!isHidden && (persisted || type === "pageshow")) heard(type);
  };
  // Capturing, the window sees the events of its document too.
  for (const type of EVENTS) globalThis.addEventListener?.(type, filter, { signal, capture: true });
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
