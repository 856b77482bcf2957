// Losses of every kind, with the program under test at the other end: `Socket` comes back once.

import { once } from "node:events";
import { connect, createServer } from "node:net";
import WebSocket from "ws";
import { expectEqual, settings } from "../report.mjs";
import { serving, settles } from "./serving.mjs";
import { open, site, sleep } from "./stage.mjs";

const INTERVAL = 800;
const TIMEOUT = 700;
const BOUND = INTERVAL + TIMEOUT;
const CONNECT_TIMEOUT = 1500;
const PATIENT = 3000;
const SLACK = 3000;
// A browser's clock is coarse, and its timers fire on whole milliseconds.
const ROUNDING = 5;
const OPTIONS = {
  beat: INTERVAL,
  answer: TIMEOUT,
  delay: 200,
  longest: 400,
  connectTimeout: CONNECT_TIMEOUT,
};
const DROPS = 50;
const ANY = ["--origin", "any", "--drain", "2s"];
const FULL = ["--origin", "any", "--max-connections", "1"];
const HINTS = ["online", "offline", "pageshow", "resume", "visibilitychange", "focus"];

/** Stands between the page and the server, and can cut all that passes. */
async function relay(url) {
  const { port } = new URL(url);
  const pairs = new Set();
  const listener = createServer((near) => {
    const far = connect(Number(port), "127.0.0.1");
    const pair = [near, far];
    pairs.add(pair);
    for (const end of pair) {
      end.on("error", () => {});
      end.on("close", () => {
        pairs.delete(pair);
        pair.forEach((other) => other.destroy());
      });
    }
    near.pipe(far);
    far.pipe(near);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const drop = () => pairs.forEach((pair) => pair.forEach((end) => end.destroy()));
  return {
    url: `ws://127.0.0.1:${listener.address().port}/`,
    drop,
    close: () => {
      drop();
      listener.close();
    },
  };
}

const state = ({ page }) => page.evaluate(() => window.subjects[0].socket.state);
const downs = ({ page }) => page.evaluate(() => window.subjects[0].downs);
const isUp = async (stage, host) => {
  await settles(() => state(stage), "open", "the state");
  await settles(() => host.live(), 1, "live connections at the server");
  expectEqual(await stage.alive(), 1, "live sockets in the page");
};

async function killed(stage, host) {
  for (const round of [1, 2, 3]) {
    await host.kill();
    await stage.page.waitForFunction((least) => window.subjects[0].downs.length >= least, round);
    await sleep(700);
    await host.start();
    await isUp(stage, host);
    expectEqual(await host.opened(), 1, "handshakes with the new server");
  }
}

async function frozen(stage, host) {
  const at = performance.now();
  host.freeze();
  await stage.page.waitForFunction(() => window.subjects[0].downs.length > 0);
  const seconds = performance.now() - at;
  expectEqual((await downs(stage))[0].cause, "heartbeat", "cause of the loss");
  expectEqual(seconds < BOUND + SLACK, true, `noticed after ${seconds | 0} ms of ${BOUND} ms`);
  // Attempts hang meanwhile: the system takes the connection, nobody answers.
  await sleep(2 * CONNECT_TIMEOUT);
  host.thaw();
  await isUp(stage, host);
}

async function fiftyDrops(stage, host) {
  const between = await relay(host.url);
  try {
    await stage.start("socket", between.url, { ...OPTIONS, delay: 20, longest: 20 });
    const { page } = stage;
    for (let drop = 0; drop < DROPS; drop += 1) {
      await page.waitForFunction(
        (opened) => {
          const { counters, state } = window.subjects.at(-1).socket;
          return state === "open" && counters.opened === opened;
        },
        drop + 1,
        { polling: 10 },
      );
      await settles(() => host.live(), 1, "live connections at the server", 5, 0);
      expectEqual(await stage.alive(), 1, "live sockets in the page");
      const timers = await stage.timers();
      expectEqual(timers.length <= 1, true, `at most one timer in [${timers}]`);
      between.drop();
    }
    await page.waitForFunction(() => window.subjects.at(-1).socket.state === "open");
    await settles(() => host.live(), 1, "live connections at the server");
    expectEqual(await host.opened(), DROPS + 1, "connections made");
    await page.evaluate(() => window.subjects.at(-1).leave());
    await settles(() => host.live(), 0, "live connections at the server");
    expectEqual(await stage.timers(), [], "timers left");
  } finally {
    between.close();
  }
}

/** The browser's own offline mode holds back what open sockets say, and tells the page. */
async function offline(stage, host) {
  const context = stage.page.context();
  await stage.start("socket", host.url, { ...OPTIONS, answer: PATIENT });
  await isUp(stage, host);
  await context.setOffline(true);
  await sleep(PATIENT / 10);
  await context.setOffline(false);
  await sleep(PATIENT);
  expectEqual([await downs(stage), await host.opened()], [[], 1], "losses, connections made");

  await context.setOffline(true);
  await stage.page.waitForFunction(() => window.subjects[0].downs.length > 0);
  expectEqual((await downs(stage))[0].cause, "heartbeat", "cause of the loss");
  await sleep(BOUND);
  await context.setOffline(false);
  await isUp(stage, host);
}

async function stopped(stage, host) {
  await stage.page.evaluate(() => window.subjects[0].leave());
  await settles(() => host.live(), 0, "live connections at the server");
  await stage.page.evaluate((hints) => {
    for (const name of hints) {
      window.dispatchEvent(new Event(name));
      document.dispatchEvent(new Event(name));
    }
  }, HINTS);
  await host.kill();
  await host.start();
  await sleep(BOUND + OPTIONS.longest);
  expectEqual(await host.opened(), 0, "connections made after it stopped");
  expectEqual([await state(stage), await stage.timers()], ["stopped", []], "state and timers");
}

/** Takes the only place, which our own question whether it is ready may still have. */
async function occupies(url) {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const socket = new WebSocket(url);
    const isOpen = await once(socket, "open").then(() => true, () => false);
    if (isOpen) return socket;
    await sleep(100);
  }
  throw new Error("the server has no place for one");
}

/** The browser hides a 503; a close after the opening it shows, and with it when to come back. */
async function full(stage, host) {
  const other = await occupies(host.url);
  await stage.start("socket", host.url, OPTIONS);
  await stage.page.waitForFunction(() => window.subjects[0].downs.length > 0);
  const [{ code, advice, at }] = await downs(stage);
  expectEqual(code, 1013, "close code");
  other.close();
  await settles(() => state(stage), "open", "the state", (advice.retryAfter + SLACK) / 1000, 0);
  // Both by the page's own clock: we hear of either later. It opened before it was refused, too, so
  // the last opening counts.
  const openedAt = await stage.page.evaluate(() => window.subjects[0].opens.at(-1));
  const early = advice.retryAfter - (openedAt - at);
  expectEqual(early < ROUNDING, true, `back ${early | 0} ms before it was told to`);
  await isUp(stage, host);
}

/** The server goes down as in a deploy, and says when to come back. */
async function drained(stage, host) {
  await host.end();
  await stage.page.waitForFunction(() => window.subjects[0].downs.length > 0);
  expectEqual((await downs(stage))[0].code, 1012, "close code of the drain");
  expectEqual((await downs(stage))[0].advice?.retryAfter >= 0, true, "advice when to come back");
  await host.start();
  await isUp(stage, host);
  expectEqual(await host.opened(), 1, "handshakes with the new server");
}

/** A page in the classic style with nothing but its URL set, and its times scaled down. */
async function classicStays(stage, host) {
  // It waits for an answer as long as between two beats: on a busy machine half a second is not long.
  await stage.start("classic", host.url, { beat: 2000, delay: 300 });
  await sleep(9000);
  expectEqual([await host.opened(), await host.live()], [1, 1], "connections made and alive");
}

const scenarios = [
  ["the server is killed and started again, three times: one live socket each time", killed],
  ["the server stands still for longer than the bound: noticed in time, back once", frozen],
  ["the server is drained and started again: told when to come back, back once", drained],
  ["a stopped socket stays stopped, whatever the page is told", stopped],
];
// These start the page's line themselves.
const others = [
  ["offline mode is a hint: a moment of it is no loss, after a long one it comes back once", offline],
  ["a page that finds the server full is told when to come back, and keeps to it", full, FULL],
  [`${DROPS} drops in a row: one live socket each time, no timer left`, fiftyDrops],
  ["a page in the classic style stays connected to /", classicStays],
];

export async function checkReturns(browser, check) {
  const one = (name, play, isStarted, options = ANY) =>
    check(
      `Chromium: ${name}`,
      async () => {
        const base = await site(settings.module);
        const host = await serving(...options);
        const stage = await open(browser, base.url);
        try {
          if (isStarted) {
            await stage.start("socket", host.url, OPTIONS);
            await isUp(stage, host);
          }
          await play(stage, host);
        } finally {
          await stage.close();
          await host.close();
          base.close();
        }
      },
      60,
    );
  await Promise.all([
    ...scenarios.map(([name, play]) => one(name, play, true)),
    ...others.map(([name, play, options]) => one(name, play, false, options)),
  ]);
}
