import type { Milliseconds } from "./backoff.js";

/** What a server says in a close reason about coming back. */
export interface Advice {
  /** Come back no sooner than this. */
  readonly retryAfter?: Milliseconds | undefined;
  /** Come back to this address. */
  readonly url?: string | undefined;
  /** Why, in words. */
  readonly reason?: string | undefined;
}

/**
 * Reads advice from a close reason: a JSON object with at least one of `retry_after_ms`, `url` and
 * `reason`. `undefined` for anything else, which is a plain reason.
 */
export function readAdvice(closeReason: string): Advice | undefined {
  try {
    const { retry_after_ms: retryAfter, url, reason } = JSON.parse(closeReason);
    const isText = (value: unknown) => value === undefined || typeof value === "string";
    if (
      (retryAfter === undefined || (Number.isSafeInteger(retryAfter) && retryAfter >= 0)) &&
      isText(url) &&
      isText(reason) &&
      (retryAfter ?? url ?? reason) !== undefined
    ) {
      return { retryAfter, url, reason };
    }
  } catch {
    // Not JSON: a plain reason.
  }
  return undefined;
}
