import assert from "node:assert/strict";
import { test } from "node:test";

import { Heartbeat, LATE } from "../src/heartbeat.js";

const SECOND = 1_000;

/** A heartbeat of 25 s and 20 s, begun at 0. */
function heartbeat(interval = 25 * SECOND, timeout = 20 * SECOND) {
  return new Heartbeat({ interval, timeout }, 0, 0);
}

test("a beat is due after the interval of silence and not before", () => {
  const beating = heartbeat();

  assert.equal(beating.deadline, 25 * SECOND);
  assert.equal(beating.timeout(25 * SECOND - 1, 25 * SECOND - 1 - beating.deadline > LATE), "none");
  assert.equal(beating.timeout(25 * SECOND, 25 * SECOND - beating.deadline > LATE), "beat");
});

test("a silent line is dead after interval plus timeout", () => {
  const beating = heartbeat();
  beating.sent(0, 25 * SECOND, false);

  assert.equal(beating.deadline, 45 * SECOND);
  assert.equal(beating.timeout(45 * SECOND - 1, 45 * SECOND - 1 - beating.deadline > LATE), "none");
  assert.equal(beating.timeout(45 * SECOND, 45 * SECOND - beating.deadline > LATE), "dead");
});

test("any frame is life, also without an answer to the beat", () => {
  const beating = heartbeat();
  beating.sent(0, 25 * SECOND, false);

  beating.seen(44 * SECOND);

  assert.equal(beating.timeout(45 * SECOND, 45 * SECOND - beating.deadline > LATE), "none");
  assert.equal(beating.deadline, 69 * SECOND);
});

test("the word is an answer once for each beat", () => {
  const beating = heartbeat();

  assert.equal(beating.answered(1), false);
  beating.sent(7, 25 * SECOND, false);
  assert.equal(beating.answered(25 * SECOND + 80), true);
  assert.equal(beating.proven, 7);
  assert.equal(beating.roundTrip, 80);
  assert.equal(beating.answered(25 * SECOND + 81), false);
});

test("an answer behind another frame is still the answer", () => {
  const beating = heartbeat();
  beating.sent(3, 25 * SECOND, false);

  beating.seen(25 * SECOND + 10);
  beating.seen(25 * SECOND + 50);

  assert.equal(beating.answered(25 * SECOND + 50), true);
  assert.equal(beating.proven, 3);
});

test("a timer up to two seconds late is in time", () => {
  const beating = heartbeat();
  beating.sent(0, 25 * SECOND, false);

  assert.equal(beating.timeout(47 * SECOND, 47 * SECOND - beating.deadline > LATE), "dead");
});

test("a late timer gives no verdict but asks with a short deadline", () => {
  const beating = heartbeat();
  beating.sent(0, 25 * SECOND, false);

  assert.equal(beating.timeout(600 * SECOND, 600 * SECOND - beating.deadline > LATE), "settle");
  assert.equal(beating.settled(600 * SECOND), "probe");
  beating.sent(0, 600 * SECOND, true);

  assert.equal(beating.deadline, 605 * SECOND);
  assert.equal(beating.timeout(605 * SECOND, 605 * SECOND - beating.deadline > LATE), "dead");
});

test("a probe waits no longer than the timeout", () => {
  const beating = heartbeat(2 * SECOND, 3 * SECOND);

  assert.equal(beating.settled(1_000), "probe");
  beating.sent(0, 1_000, true);

  assert.equal(beating.deadline, 4_000);
});

test("only a probe has the short deadline, the next beat has the long one", () => {
  const beating = heartbeat();
  beating.settled(1_000);
  beating.sent(0, 1_000, true);
  beating.seen(1_100);

  beating.sent(0, 26_100, false);

  assert.equal(beating.deadline, 46_100);
});

test("frames that waited in the queue save the line", () => {
  const beating = heartbeat();
  beating.sent(0, 25 * SECOND, false);
  beating.timeout(600 * SECOND, 600 * SECOND - beating.deadline > LATE);

  beating.seen(600 * SECOND);

  assert.equal(beating.settled(600 * SECOND), "probe");
});

test("the second late verdict in a row counts", () => {
  const beating = heartbeat();
  assert.equal(beating.timeout(60 * SECOND, 60 * SECOND - beating.deadline > LATE), "settle");
  assert.equal(beating.settled(60 * SECOND), "probe");
  beating.sent(0, 60 * SECOND, true);

  assert.equal(beating.timeout(120 * SECOND, 120 * SECOND - beating.deadline > LATE), "settle");
  assert.equal(beating.settled(120 * SECOND), "probe");
  beating.sent(0, 120 * SECOND, true);

  assert.equal(beating.timeout(180 * SECOND, 180 * SECOND - beating.deadline > LATE), "settle");
  assert.equal(beating.settled(180 * SECOND), "dead");
});

test("late verdicts that are not in a row do not count together", () => {
  const beating = heartbeat();
  for (let minute = 1; minute < 100; minute++) {
    const now = minute * 60 * SECOND;
    assert.equal(beating.timeout(now, now - beating.deadline > LATE), "settle");
    assert.equal(beating.settled(now), "probe");
    beating.sent(0, now, true);
    if (minute % 2) beating.seen(now + 90);
  }
});

test("a hint shortens the wait for an answer that is due anyway", () => {
  const beating = heartbeat();
  beating.sent(0, 25 * SECOND, false);

  assert.equal(beating.settled(30 * SECOND), "none");
  assert.equal(beating.deadline, 35 * SECOND);
  assert.equal(beating.settled(32 * SECOND), "none");
  assert.equal(beating.deadline, 35 * SECOND);
});

test("what was sent is followed by a beat within the interval, however busy the line is", () => {
  const beating = heartbeat();
  for (let now = 0; now < 25 * SECOND; now += 100) {
    beating.seen(now);
    if (now >= 5 * SECOND) beating.wrote(now, now);
  }

  assert.equal(beating.deadline, 25 * SECOND + 5 * SECOND);
  beating.sent(9, 30 * SECOND, false);
  beating.seen(30 * SECOND + 40);
  assert.equal(beating.answered(30 * SECOND + 40), true);
  assert.equal(beating.proven, 9);
  assert.equal(beating.deadline, 55 * SECOND + 40);
});

test("what a beat has followed needs no other", () => {
  const beating = heartbeat();
  beating.wrote(5, 1 * SECOND);
  beating.sent(5, 25 * SECOND, false);
  beating.wrote(5, 26 * SECOND);

  beating.seen(40 * SECOND);

  assert.equal(beating.deadline, 65 * SECOND);
});

test("a server that never answers with the word costs bounded memory", () => {
  const beating = heartbeat();
  for (let beat = 0; beat < 1_000; beat++) {
    beating.sent(beat, beat, false);
    beating.seen(beat);
  }

  let answers = 0;
  while (beating.answered(2_000)) answers++;
  assert.equal(answers, 100);
});
