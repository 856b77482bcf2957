/** A time in milliseconds. */
export type Milliseconds = number;

/** The upper end of the delay after this many losses in a row: it doubles up to the cap. */
export function ceiling(first: Milliseconds, cap: Milliseconds, losses: number): Milliseconds {
  return Math.min(cap, first * 2 ** Math.min(losses, 50));
}

/**
 * Full jitter: any delay from 0 up to the ceiling is equally likely, also at the cap.
 *
 * @param random - from 0 to less than 1, drawn anew each time
 */
export function jitter(ceiling: Milliseconds, random: number): Milliseconds {
  return Math.floor(ceiling * random);
}

/** The delay for a server that wants to be left alone: from half the cap up to the cap. */
export function later(cap: Milliseconds, random: number): Milliseconds {
  const half = Math.floor(cap / 2);
  return half + jitter(half, random);
}
