import assert from "node:assert/strict";
import { test } from "node:test";

import { type Bounds, Outbox, type Receipt } from "../src/outbox.js";
import { FakeWebSocket } from "./world.js";

function outbox(bounds: Partial<Bounds> = {}) {
  return new Outbox({ messages: 3, bytes: 10, expiry: 1_000, overflow: "reject", ...bounds }, counters());
}

function counters() {
  return { opened: 0, received: 0, sent: 0, dropped: 0, unknown: 0 };
}

function pipe(isStuck = false) {
  const made = new FakeWebSocket("ws://a.example/", []);
  made.readyState = 1;
  made.isStuck = isStuck;
  return made;
}

const states = (receipts: Receipt[]) => receipts.map(({ state, why }) => why ?? state);

test("a message without a connection waits and goes out in order", () => {
  const box = outbox();
  const line = pipe();
  const receipts = ["a", "b", "c"].map((data) => box.send(data, undefined, false, 0));
  assert.deepEqual(states(receipts), ["queued", "queued", "queued"]);

  box.flush(line, 1);

  assert.deepEqual(line.sent, ["a", "b", "c"]);
  assert.deepEqual(states(receipts), ["written", "written", "written"]);
  assert.equal(box.messages, 0);
  assert.equal(box.bytes, 0);
});

test("a message does not overtake those that wait, unless it is to be first", () => {
  const box = outbox();
  const line = pipe();
  box.send("a", undefined, false, 0);

  box.send("b", line, false, 0);
  box.send("c", line, true, 0);
  box.flush(line, 0);

  assert.deepEqual(line.sent, ["c", "a", "b"]);
});

test("a full outbox rejects by count and by bytes of UTF-8", () => {
  const box = outbox();
  const tooMany = ["a", "b", "c", "d"].map((data) => box.send(data, undefined, false, 0));
  assert.deepEqual(states(tooMany), ["queued", "queued", "queued", "full"]);

  const small = outbox();
  const tooLong = ["äöü", "ßß", "x"].map((data) => small.send(data, undefined, false, 0));
  assert.deepEqual(states(tooLong), ["queued", "queued", "full"]);
  assert.equal(small.bytes, 10);
  assert.equal(small.counters.dropped, 1);
});

test("drop-oldest makes room, and says what gave way", () => {
  const box = outbox({ overflow: "drop-oldest" });
  const receipts = ["aaaa", "bbbb", "cccccccc"].map((data) => box.send(data, undefined, false, 0));

  assert.deepEqual(states(receipts), ["displaced", "displaced", "queued"]);
  assert.equal(box.counters.dropped, 2);
});

test("drop-oldest drops nothing for a message that can never fit", () => {
  const box = outbox({ overflow: "drop-oldest" });
  const receipts = ["a", "bbbbbbbbbbb"].map((data) => box.send(data, undefined, false, 0));

  assert.deepEqual(states(receipts), ["queued", "full"]);
});

test("a message expires at its time and not before", () => {
  const box = outbox();
  const receipt = box.send("a", undefined, false, 5);
  assert.equal(box.deadline, 1_005);

  box.flush(undefined, 1_004);
  assert.equal(receipt.state, "queued");
  box.flush(undefined, 1_005);

  assert.deepEqual(states([receipt]), ["expired"]);
  assert.equal(box.bytes, 0);
});

test("an expired message is not sent by a connection that comes too late", () => {
  const box = outbox();
  const line = pipe();
  box.send("a", undefined, false, 0);

  box.flush(line, 1_000);

  assert.deepEqual(line.sent, []);
});

test("messages are written when the buffer of the browser is empty", () => {
  const box = outbox();
  const line = pipe(true);
  const receipts = ["aaa", "bbb"].map((data) => box.send(data, line, false, 0));
  assert.deepEqual(states(receipts), ["queued", "queued"]);
  assert.equal(box.deadline, 50);

  line.bufferedAmount = 1;
  box.flush(line, 50);
  assert.deepEqual(states(receipts), ["queued", "queued"]);
  assert.equal(box.deadline, 100);
  line.bufferedAmount = 0;
  box.flush(line, 99);
  assert.deepEqual(states(receipts), ["queued", "queued"]);
  box.flush(line, 100);

  assert.deepEqual(states(receipts), ["written", "written"]);
  assert.equal(box.deadline, Infinity);
});

test("a buffer that is full is not filled further", () => {
  const box = outbox({ messages: 100 });
  const line = pipe(true);
  const receipts = Array.from("abcdefghijkl", (data) => box.send(data, line, false, 0));

  assert.equal(line.sent.length, 10);
  assert.equal(box.messages, 2);
  line.bufferedAmount = 0;
  box.flush(line, 50);
  box.flush(line, 50);

  assert.equal(line.sent.length, 12);
  assert.ok(receipts.every(({ state }) => state !== "dropped"));
});

test("nothing is handed to a connection that is closing", () => {
  const box = outbox();
  const line = pipe();
  line.readyState = 2;

  const receipt = box.send("a", line, false, 0);
  box.flush(line, 0);

  assert.deepEqual(line.sent, []);
  assert.equal(receipt.state, "queued");
});

test("what was handed over and not proven is unknown after a loss, and is not sent again", () => {
  const box = outbox();
  const line = pipe();
  const receipts = ["a", "b"].map((data) => box.send(data, line, false, 0));
  const waiting = box.send("c", undefined, false, 0);

  const lost = box.lose();

  assert.deepEqual(lost, receipts);
  assert.deepEqual(states(receipts), ["unknown", "unknown"]);
  assert.equal(box.counters.unknown, 2);
  const next = pipe();
  box.flush(next, 1);
  assert.deepEqual(next.sent, ["c"]);
  assert.equal(waiting.state, "written");
});

test("an answer proves what was sent before its question and nothing else", () => {
  const box = outbox();
  const line = pipe(true);
  const before = box.send("a", line, false, 0);
  const mark = box.counters.sent;
  const after = box.send("b", line, false, 0);

  box.prove(mark);

  assert.equal(before.state, "written");
  assert.deepEqual(box.lose(), [after]);
});

test("a mark of an earlier connection proves nothing on the next one", () => {
  const box = outbox();
  box.send("a", pipe(), false, 0);
  const mark = box.counters.sent;
  box.lose();
  const later = box.send("b", pipe(), false, 0);

  box.prove(mark);

  assert.deepEqual(box.lose(), [later]);
});

test("no more unproven messages are followed than may wait", () => {
  const box = outbox();
  const line = pipe();
  const receipts = Array.from("abcdef", (data) => box.send(data, line, false, 0));

  assert.deepEqual(box.lose(), receipts.slice(3));
  assert.deepEqual(states(receipts.slice(0, 3)), ["written", "written", "written"]);
});

test("a message that is still in the buffer is followed however many there are", () => {
  const box = outbox({ bytes: 100 });
  const line = pipe(true);
  const receipts = Array.from("abcdef", (data) => box.send(data, line, false, 0));

  assert.deepEqual(box.lose(), receipts);
});

test("stopping drops what waits and all that comes", () => {
  const box = outbox();
  const waiting = box.send("a", undefined, false, 0);

  box.stop();

  assert.deepEqual(states([waiting, box.send("b", undefined, false, 0)]), ["stopped", "stopped"]);
  assert.equal(box.counters.dropped, 2);
});

test("done resolves with the receipt, whether asked before or after", async () => {
  const box = outbox();
  const receipt = box.send("a", undefined, false, 0);
  const { done } = receipt;

  box.flush(undefined, 5_000);

  assert.equal(await done, receipt);
  assert.equal(await receipt.done, receipt);
  const rejected = box.send("12345678901", undefined, false, 0);
  assert.equal((await rejected.done).why, "full");
});

test("a binary message is sent as it was when it was given", () => {
  const box = outbox();
  const line = pipe();
  const bytes = Uint8Array.of(0, 1, 2, 3);
  box.send(bytes.subarray(1, 3), undefined, false, 0);
  box.send(bytes.buffer, undefined, false, 0);
  bytes.fill(9);

  box.flush(line, 0);

  assert.deepEqual(line.sent, [Uint8Array.of(1, 2), Uint8Array.of(0, 1, 2, 3).buffer]);
});

test("what is still in the buffer when the socket stops is not taken for written", () => {
  const box = outbox();
  const receipt = box.send("a", pipe(true), false, 0);

  box.stop();
  box.flush(undefined, 1_000);

  assert.equal(receipt.state, "queued");
  assert.equal(box.deadline, Infinity);
});
