/** What a server says is wrong with a command. */
export interface Fault {
  readonly code: number;
  readonly message: string;
  readonly temporary?: boolean;
  readonly expected?: number;
}

/** Takes the reply to a command: what its member says, or what is wrong. */
export type Answered = (result: any, fault: Fault | undefined) => void;

/** Commands under way at a time; a server reads no further when there are more. */
const MOST = 64;

/**
 * Commands and their replies on one line after another.
 *
 * Ids are never used twice, so that a late reply of an old line finds nobody.
 */
export class Commands {
  /** The time of what is being handled. */
  now = 0;
  #lastId = 0;
  #pending = new Map<number, Answered>();

  constructor(readonly write: (text: string) => void) {}

  /** Whether another command may go. */
  get hasRoom(): boolean {
    return this.#pending.size < MOST;
  }

  /** Sends a command, whose members are JSON, and returns its id. */
  send(name: string, members: string, answered: Answered): number {
    const id = ++this.#lastId;
    this.#pending.set(id, answered);
    this.write(`{"id":${id},"${name}":${members}}`);
    return id;
  }

  /** A reply came. Its one other member bears the command's name. */
  answer({ id, error, ...result }: any): void {
    const answered = this.#pending.get(id);
    this.#pending.delete(id);
    answered?.(Object.values(result)[0] ?? {}, error);
  }

  /** The line is lost: no reply comes any more. */
  lose(): void {
    this.#pending.clear();
  }
}
