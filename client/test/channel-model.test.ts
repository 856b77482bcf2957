// Random lives of a client: each must keep what the protocol promises, and a client with a flaw must
// be found out.

import assert from "node:assert/strict";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { test } from "node:test";

import { Session } from "../src/session.js";
import { Cursor } from "../src/subscriptions.js";
import { live, type Machine } from "./channel-world.js";

const RUNS = 3_000;
const STEPS = 150;

test(`in ${RUNS} random lives of a client nothing is lost, doubled or swapped, and receipts are true`, () => {
  const first = Number(process.env.SEED ?? 1);
  const runs = process.env.SEED ? 1 : RUNS;
  for (let seed = first; seed < first + runs; seed++) live(seed, { Session, Cursor }, STEPS);
});

/** Flaws: the file, what stands there, and what stands there instead. */
const FLAWS: Record<string, [string, string, string]> = {
  "the position moves before the publication is handed on": [
    "subscriptions",
    'cursor.reader.tell("publication", { epoch, ...pub });',
    'cursor.position = { epoch, offset: pub.offset }; cursor.reader.tell("publication", { epoch, ...pub });',
  ],
  "a publication that was had is handed on again": [
    "subscriptions",
    "if (!(pub.offset > offset)) return;\n    if (pub.offset !== offset + 1) return",
    "if (pub.offset > offset + 1) return",
  ],
  "a publication after a hole is handed on": [
    "subscriptions",
    "if (pub.offset !== offset + 1) return this.#again(cursor);",
    "",
  ],
  "a gap is not told": ["subscriptions", 'cursor.reader.tell("gap", gap);', ""],
  "what a ping names is not looked at": ["subscriptions", "position.offset < promised", "false"],
  "a subscription that was ended for now is not asked for again": [
    "subscriptions",
    "cursor.retryAt = this.commands.now + LATER;",
    "",
  ],
  "what is sent again has a new number": ["publications", "publication.n || numbers.last + 1", "numbers.last + 1"],
  "what is not answered is not sent again": [
    "publications",
    "for (const publication of this.#waiting) publication.id = 0;",
    "",
  ],
  "what was taken is numbered anew": [
    "publications",
    "if (other.n < next) continue;",
    "",
  ],
  "what the server may have forgotten is sent again": [
    "publications",
    "now - sentAt > window - MARGIN",
    "false",
  ],
  "what an old publisher has sent is sent by the new one": [
    "publications",
    "this.#giveUp(({ sentAt }) => sentAt !== void 0);",
    "",
  ],
  "a refusal of what was sent again since counts": [
    "publications",
    "if (publication.id === id)",
    "",
  ],
  "a late reply of an old line is let through": ["commands", "this.#pending.clear();", ""],
  "a publication is told of while the subscription is not yet answered": [
    "subscriptions",
    "else if (!isActive) return;",
    "",
  ],
  "an unsubscribed channel is still told of": [
    "subscriptions",
    "this.#cursors.delete(cursor.channel);\n    if",
    "if",
  ],
  "the session goes on after the end": [
    "session",
    "this.down(now);\n    this.subscriptions.clear();",
    "",
  ],
};

/** The machine as it was compiled, but for one flaw. */
async function mutant(index: number, [file, from, to]: [string, string, string]): Promise<Machine> {
  const folder = new URL(`../mutants/${index}/`, import.meta.url);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await cp(new URL("../src/", import.meta.url), folder, { recursive: true });
  const path = new URL(`${file}.js`, folder);
  const source = await readFile(path, "utf8");
  assert.equal(source.split(from).length, 2, `not there, or there twice: ${from}`);
  await writeFile(path, source.replace(from, () => to));
  const [session, subscriptions] = await Promise.all([
    import(new URL("session.js", folder).href),
    import(new URL("subscriptions.js", folder).href),
  ]);
  return { Session: session.Session, Cursor: subscriptions.Cursor };
}

for (const [index, [flaw, change]] of Object.entries(FLAWS).entries()) {
  test(`it is found out when ${flaw}`, async (context) => {
    const machine = await mutant(index, change);

    assert.throws(
      () => {
        for (let seed = 1; seed <= RUNS; seed++) live(seed, machine, STEPS);
      },
      (error: Error) => {
        context.diagnostic(error.message.slice(0, 100));
        return true;
      },
    );
  });
}
