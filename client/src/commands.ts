/** What a server says is wrong with a command. */
export interface Fault {
  readonly code: number;
  readonly message: string;
  readonly temporary?: boolean;
  readonly expected?: number;
}

/** The error code for what is more than a limit. */
const TOO_MUCH = 106;

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
  /** Bytes of a message that the server takes. */
  most = Infinity;
  #lastId = 0;
  #pending = new Map<number, Answered>();

  constructor(readonly write: (text: string) => void) {}

  /** Whether another command may go. */
  get hasRoom(): boolean {
    return this.#pending.size < MOST;
  }

  /** What is wrong with a command that the server would not answer but close the connection. */
  excess(name: string, members: string): Fault | undefined {
    const text = command(this.#lastId + 1, name, members);
    // No character takes more bytes than this.
    if (3 * text.length <= this.most) return undefined;
    const bytes = new TextEncoder().encode(text).length;
    const message = `${bytes} bytes are more than the server takes: ${this.most}`;
    return bytes > this.most ? { code: TOO_MUCH, message } : undefined;
  }

  /** Sends a command, whose members are JSON, and returns its id. */
  send(name: string, members: string, answered: Answered): number {
    const id = ++this.#lastId;
    this.#pending.set(id, answered);
    this.write(command(id, name, members));
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

const command = (id: number, name: string, members: string) => `{"id":${id},"${name}":${members}}`;
