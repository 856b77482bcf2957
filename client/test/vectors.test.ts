import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { readAdvice } from "../src/advice.js";
import { ceiling, jitter, later } from "../src/backoff.js";
import { decide } from "../src/decisions.js";
import { type Decision, type Driver, Reconnect } from "../src/reconnect.js";

/** The cases that Rust reads too. */
function vectors(name: string) {
  return JSON.parse(readFileSync(new URL(`../../../vectors/${name}.json`, import.meta.url), "utf8"));
}

/** A case must have no member that the test does not know. */
function knows(subject: object, members: string[]) {
  const unknown = Object.keys(subject).filter((member) => !members.includes(member));
  assert.deepEqual(unknown, []);
}

/** Random numbers are integers of 32 bits there. */
const fraction = (random: number) => random / 2 ** 32;

const decision = (given: string | { stop_after: number }): Decision =>
  typeof given === "string" ? (given as Decision) : { stopAfter: given.stop_after };

test("backoff draws the delays of the vectors", () => {
  const { about, delays, later: laters, ...rest } = vectors("backoff");
  assert.deepEqual(rest, {});
  assert.ok(about && delays.length > 20 && laters.length > 2);

  for (const { first = 500, cap = 20_000, ...given } of delays) {
    knows(given, ["name", "losses", "random", "ceiling", "delay"]);
    const longest = ceiling(first, cap, given.losses);
    assert.equal(longest, given.ceiling, given.name);
    assert.equal(jitter(longest, fraction(given.random)), given.delay, given.name);
  }
  for (const { first: _, cap = 20_000, ...given } of laters) {
    knows(given, ["name", "losses", "random", "delay"]);
    assert.equal(later(cap, fraction(given.random)), given.delay, given.name);
  }
});

test("close codes lead to the decisions of the vectors", () => {
  const { codes } = vectors("close_codes");
  let count = 0;

  for (const given of codes) {
    knows(given, ["from", "to", "fixed", "asked"]);
    for (let code = given.from; code <= given.to; code++, count++) {
      assert.deepEqual(decide(code, false), decision(given.fixed), `${code}`);
      assert.deepEqual(decide(code, true), decision(given.asked), `${code}`);
    }
  }
  assert.equal(count, 65_536);
});

test("advice is read as in the vectors", () => {
  const { reads } = vectors("advice");
  assert.ok(reads.length > 40);

  for (const given of reads) {
    knows(given, ["name", "reason", "advice"]);
    const advice = readAdvice(given.reason);
    const read = advice && { retry_after_ms: advice.retryAfter, url: advice.url, reason: advice.reason };
    const expected = given.advice ?? undefined;
    assert.deepEqual(JSON.parse(JSON.stringify(read ?? null)), expected ?? null, given.name);
  }
});

for (const given of vectors("reconnect").cases) {
  test(`reconnect: ${given.name}`, () => {
    knows(given, ["name", "policy", "steps"]);
    knows(given.policy, [
      "first",
      "cap",
      "min_uptime",
      "connect_timeout",
      "max_attempts",
      "max_advice",
    ]);
    const actions: object[] = [];
    const policy = {
      first: given.policy.first ?? 500,
      cap: given.policy.cap ?? 20_000,
      minUptime: given.policy.min_uptime ?? 10_000,
      connectTimeout: given.policy.connect_timeout ?? 10_000,
      maxAttempts: given.policy.max_attempts ?? Infinity,
      maxAdvice: given.policy.max_advice ?? 300_000,
    };
    const machine = new Reconnect(policy, recorder(actions));

    for (const [index, step] of given.steps.entries()) {
      knows(step, [
        ...["at", "event", "generation", "decision", "random", "advice", "abandon"],
        ...["actions", "state", "deadline"],
      ]);
      tell(machine, step);
      const where = `${given.name}, step ${index + 1}`;
      assert.deepEqual(actions.splice(0), step.actions, where);
      assert.equal(machine.state, step.state, where);
      assert.equal(machine.deadline === Infinity ? null : machine.deadline, step.deadline, where);
    }
  });
}

function tell(machine: Reconnect, step: any): void {
  switch (step.event) {
    case "start":
      return machine.start(step.at);
    case "opened":
      return machine.opened(step.at, step.generation);
    case "lost":
      return machine.lost(
        step.at,
        step.generation,
        { advice: step.advice, abandon: step.abandon ?? false },
        decision(step.decision),
        fraction(step.random),
      );
    case "timeout":
      return machine.timeout(step.at, fraction(step.random));
    case "wake":
      return machine.wake(step.at);
    case "stop":
      return machine.stop();
    default:
      throw new Error(`unknown event ${step.event}`);
  }
}

/** Writes down what a driver is told, as the vectors do. */
function recorder(actions: object[]): Driver {
  const of = (action: string) => (generation: number) => void actions.push({ action, generation });
  return {
    connect: (generation, attempt) => actions.push({ action: "connect", generation, attempt }),
    up: of("up"),
    abandon: of("abandon"),
    close: of("close"),
    down: (generation, next_in) => actions.push({ action: "down", generation, next_in }),
    stopped: (why) => actions.push({ action: "stopped", why }),
  };
}
