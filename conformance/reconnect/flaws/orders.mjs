// Flaws that show when events come in an unlucky order; the network is played by the page.

import { sleep } from "../stage.mjs";

const HERD = 100;
const BEAT = 300;
const DELAY = 100;
const OPTIONS = { beat: BEAT, answer: BEAT, delay: DELAY, longest: DELAY, connectTimeout: 20_000 };
const NOWHERE = "ws://nowhere.test/";

/** An error, and the close that belongs to it long after; gives the page's numbers. */
async function errorThenLateClose({ kind, page, start }) {
  await start(kind, NOWHERE, OPTIONS);
  return page.evaluate(async (delay) => {
    const { sockets } = window.scripted;
    const pause = (time) => new Promise((done) => window.instruments.later(done, time));
    await pause(20);
    const [first] = sockets;
    first.open();
    first.fail();
    await pause(delay * 4);
    first.end();
    await pause(delay * 4);
    const attempts = sockets.length - 1;
    for (const socket of sockets) if (socket.readyState === 0) socket.open();
    await pause(delay);
    return { attempts, live: sockets.filter(({ readyState }) => readyState === 1).length };
  }, DELAY);
}

export const orders = [
  {
    id: "F-05",
    sentence: "an error and a late close lead to one attempt",
    scripted: true,
    shows: async (stage) => (await errorThenLateClose(stage)).attempts > 1,
  },
  {
    id: "F-06",
    sentence: "a slow attempt and a late close never give two live sockets",
    scripted: true,
    shows: async (stage) => (await errorThenLateClose(stage)).live > 1,
  },
  {
    id: "F-07",
    sentence: "late messages of an old socket are no life of the new one",
    scripted: true,
    async shows({ kind, page, start }) {
      await start(kind, NOWHERE, OPTIONS);
      return page.evaluate(async ([beat, delay]) => {
        const { sockets } = window.scripted;
        const pause = (time) => new Promise((done) => window.instruments.later(done, time));
        await pause(20);
        const [old] = sockets;
        old.open();
        old.fail();
        await pause(delay * 4);
        if (sockets.length === 1) old.end();
        await pause(delay * 4);
        const fresh = sockets[1];
        fresh.open();
        for (let n = 0; n < 24; n += 1) {
          await pause(beat / 4);
          old.message("late");
        }
        return fresh.closings === 0;
      }, [BEAT, DELAY]);
    },
  },
  {
    id: "F-14",
    sentence: "a send while connecting does not throw",
    scripted: true,
    async shows({ kind, page, start }) {
      await start(kind, NOWHERE, OPTIONS);
      return page.evaluate(() => {
        try {
          window.subjects[0].send("early");
          return false;
        } catch {
          return true;
        }
      });
    },
  },
  {
    id: "F-11",
    sentence: "a dead server is asked less and less often, not every 4 s for ever",
    scripted: true,
    clock: true,
    shows: async (stage) => (await attemptsInTenMinutes(stage, "fail")) > 100,
  },
  {
    id: "F-11",
    sentence: `${HERD} clients do not come back in the same instant`,
    scripted: true,
    clock: true,
    async shows({ kind, page }) {
      await page.evaluate(
        ([times, ...values]) => {
          for (let n = 0; n < times; n += 1) window.start(...values);
        },
        [HERD, kind, NOWHERE, { beat: 60_000, delay: 4_000 }],
      );
      await page.clock.runFor(100);
      await page.evaluate(() => {
        for (const socket of window.scripted.sockets) socket.open();
        for (const socket of [...window.scripted.sockets]) socket.end();
      });
      await page.clock.runFor(4_500);
      const times = await page.evaluate(() => window.scripted.sockets.map(({ madeAt }) => madeAt));
      const back = times.slice(HERD);
      if (back.length !== HERD) throw new Error(`${back.length} of ${HERD} came back`);
      const within = (from) => back.filter((at) => at >= from && at < from + 400).length;
      return Math.max(...back.map(within)) > HERD * 0.5;
    },
  },
  {
    id: "F-12",
    sentence: "a server that accepts and closes at once is not hammered",
    scripted: true,
    clock: true,
    shows: async (stage) => (await attemptsInTenMinutes(stage, "open")) > 100,
  },
  {
    id: "F-21",
    sentence: "the news that the network is back shortens the wait",
    scripted: true,
    clock: true,
    async shows({ kind, page, start }) {
      await play(page, "fail");
      await start(kind, NOWHERE, {});
      const made = () => page.evaluate(() => window.scripted.sockets.length);
      // Until the pauses are long; the classic style's next attempt is 2 s away then.
      await page.clock.runFor(58_000);
      const before = await made();
      await page.evaluate(() => window.dispatchEvent(new Event("online")));
      await page.clock.runFor(600);
      return (await made()) === before;
    },
  },
];

/** Plays the network: each socket fails at once, or opens and is gone at once. */
const play = (page, how) =>
  page.evaluate((open) => {
    window.scripted.made = (socket) => {
      if (open) socket.open();
      else socket.fail();
      socket.end();
    };
  }, how === "open");

/** With the times that each has by default: 4 s in the classic style. */
async function attemptsInTenMinutes({ kind, page, start }, how) {
  await play(page, how);
  await start(kind, NOWHERE, {});
  await page.clock.runFor(600_000);
  await sleep(0);
  const attempts = await page.evaluate(() => window.scripted.sockets.length);
  if (attempts < 30) throw new Error(`only ${attempts} attempts`);
  return attempts;
}
