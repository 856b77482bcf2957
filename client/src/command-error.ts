import type { Fault } from "./commands.js";

/**
 * What is known of a command that failed:
 * - `refused`: the server has said no, and has done nothing;
 * - `unsent`: it never left this client;
 * - `unknown`: it was sent, and no answer came. It may have been done.
 */
export type Known = "refused" | "unsent" | "unknown";

/** A publication or a question has failed. */
export class CommandError extends Error {
  override name = "CommandError";

  /** @internal */
  constructor(
    /** What is known of it. */
    readonly known: Known,
    message: string,
    /** Whether it may work later. */
    readonly isTemporary: boolean,
    /** The server's code, where it was refused: docs/protocol.md has the table. */
    readonly code?: number,
  ) {
    super(message);
  }
}

/** @internal */
export function refused({ code, message, temporary }: Fault): CommandError {
  // No server has this code: it is what this client says when it has stopped.
  if (code === STOPPED.code) return new CommandError("unsent", message, false);
  return new CommandError("refused", message, temporary === true, code);
}

/** @internal */
export const STOPPED: Fault = { code: -1, message: "the client has stopped" };
