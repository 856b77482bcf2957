/** A place in a channel's log: just after the publication with this offset. */
export interface Position {
  /** The name of the log. */
  readonly epoch: string;
  /** The offset of the last publication before it; 0 is the beginning. */
  readonly offset: number;
}

/**
 * Reads a position as it is written in a URL: `EPOCH:OFFSET`. A position stays what it is.
 *
 * @throws TypeError when it is none
 */
export function positionOf(given: Position | string): Position {
  const [, epoch, offset] = /^(.+):(\d+)$/.exec(given as string) ?? [];
  const position = typeof given === "object" ? given : { epoch, offset: Number(offset) };
  if (typeof position.epoch === "string" && Number.isSafeInteger(position.offset)) {
    return { epoch: position.epoch, offset: position.offset };
  }
  throw new TypeError(`no position: ${given}`);
}
