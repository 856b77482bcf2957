import type { Decision } from "./reconnect.js";

/**
 * The default decision for a close code.
 *
 * @param refreshes - whether the URL or the subprotocols come from a function, so that the next
 *   attempt may bring a fresh token
 */
export function decide(code: number, refreshes: boolean): Decision {
  if (code === 1013) return "later";
  if (code === 1002 || code === 1003 || (code > 1006 && code < 1011)) return { stopAfter: 3 };
  if (code === 4401 && refreshes) return { stopAfter: 2 };
  return code > 4399 && code < 4500 ? "stop" : "retry";
}
