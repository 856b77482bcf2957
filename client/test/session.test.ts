// What a client of the session protocol sends and tells: the conversations that Rust reads too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Session } from "../src/session.js";
import { Cursor } from "../src/subscriptions.js";

const { about, conversations, ...others } = JSON.parse(
  readFileSync(new URL("../../../vectors/session.json", import.meta.url), "utf8"),
);

/** A step must have no member that the test does not know. */
function knows(subject: object, members: string[]) {
  const unknown = Object.keys(subject).filter((member) => !members.includes(member));
  assert.deepEqual(unknown, []);
}

/** What each kind of step, and each call, may have. */
const STEPS: Record<string, string[]> = {
  call: ["as", "channel", "epoch", "offset", "join_leave", "data", "base64", "limit", "method", "token", "why"],
  line: [],
  time: [],
  receives: [],
  sends: [],
  tells: [],
};
const TELLS = [
  ...["channel", "subscribed", "publication", "live", "gap", "join", "leave", "ended", "token"],
  ...["as", "published", "answer", "failed", "unknown", "lost", "connected"],
];

class Conversation {
  now = 0;
  sends: any[] = [];
  tells: any[] = [];
  cursors = new Map<string, Cursor>();
  session = new Session({
    send: (text) => this.sends.push(JSON.parse(text)),
    connected: (connected) => this.tells.push({ connected }),
    refused: (fault) => assert.fail(fault.message),
    refresh: () => assert.fail("no token is there"),
  });

  constructor(readonly space: string) {}

  does(step: any): void {
    const [kind = ""] = Object.keys(step);
    assert.ok(kind in STEPS, kind);
    knows(step, [kind, ...(STEPS[kind] as string[])]);
    if (kind === "call") this.call(step);
    else if (kind === "line") this.session[step.line as "up" | "down"](this.now);
    else if (kind === "time") this.pass(step.time);
    else this.session.received(spaced(step.receives, this.space), this.now);
  }

  /** The clock moves on, by way of everything that is due. */
  pass(until: number): void {
    for (;;) {
      const { deadline } = this.session;
      if (deadline > until) break;
      this.now = Math.max(this.now, deadline);
      this.session.timeout(this.now);
    }
    this.now = until;
  }

  call({ call, as, channel, epoch, offset, join_leave, method, limit, token, why, ...payload }: any): void {
    const done = (what: object) => this.tells.push({ as, ...what });
    const since = epoch === undefined ? undefined : { epoch, offset };
    if (call === "subscribe") {
      const tell = (news: string, what: any) => this.tells.push({ channel, [news]: what });
      const reader = { tell, moved() {}, token: token === true ? () => tell("token", true) : undefined };
      const fixed = typeof token === "string" ? token : undefined;
      const cursor = new Cursor(channel, since, join_leave === true, reader, fixed);
      this.cursors.set(channel, cursor);
      this.session.subscribe(cursor, this.now);
    } else if (call === "token") {
      this.session.token(this.cursors.get(channel) as Cursor, token, this.now, why);
    } else if (call === "unsubscribe") {
      this.session.unsubscribe(this.cursors.get(channel) as Cursor, this.now);
    } else if (call === "publish") {
      this.session.publish(channel, JSON.stringify(payload).slice(1, -1), done, this.now);
    } else if (call === "ping") {
      this.session.ping(this.now);
    } else {
      assert.ok(["history", "presence", "presence_stats", "rpc"].includes(call), call);
      const members = JSON.stringify({ channel, since, limit, method, ...payload });
      this.session.ask(call, members, done, this.now);
    }
  }
}

/** JSON with this after each comma and colon. */
function spaced(value: any, space: string): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const list = Array.isArray(value);
  const members = Object.entries(value).map(([name, member]) =>
    list ? spaced(member, space) : `${JSON.stringify(name)}:${space}${spaced(member, space)}`,
  );
  return (list ? "[" : "{") + members.join(`,${space}`) + (list ? "]" : "}");
}

test("the file has what is read here", () => {
  assert.deepEqual(others, {});
  assert.ok(about && conversations.length > 12);
});

for (const { name, rule, steps, ...rest } of conversations) {
  for (const space of ["", " "]) {
    test(`rule ${rule}: ${name}${space && ", spaced"}`, () => {
      assert.deepEqual(rest, {});
      const conversation = new Conversation(space);
      for (let next = 0; next < steps.length; ) {
        const step = steps[next++];
        const where = `${name}, step ${next}: ${JSON.stringify(step)}`;
        conversation.does(step);
        const expected: Record<string, any[]> = { sends: [], tells: [] };
        for (; steps[next]?.sends || steps[next]?.tells; next++) {
          for (const [kind, what] of Object.entries(steps[next])) expected[kind]?.push(what);
          knows(steps[next], ["sends", "tells"]);
          if (steps[next].tells) knows(steps[next].tells, TELLS);
        }
        assert.deepEqual(conversation.sends.splice(0), expected.sends, where);
        assert.deepEqual(conversation.tells.splice(0), expected.tells, where);
      }
    });
  }
}
