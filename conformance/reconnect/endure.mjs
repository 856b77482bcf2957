// Leaves a page with a heartbeat open for minutes; `endure.py` has started the server.

import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { check, done, expectEqual, settings } from "../report.mjs";
import { site, sleep } from "./stage.mjs";

const ADDRESS = /(["'])wss?:\/\/[^"']*\1/;

/** The page with nothing changed but the address of the server. */
async function readdressed(file) {
  const text = await readFile(file, "utf8");
  if (!ADDRESS.test(text)) throw new Error(`${file} names no WebSocket URL`);
  return text.replace(ADDRESS, `"${settings.url}"`);
}

const browser = await chromium.launch({
  executablePath: settings.chromium,
  chromiumSandbox: settings.sandbox,
  args: ["--disable-gpu"],
});
const page = await browser.newPage();
const text = await readdressed(settings.page);
const base = await site(settings.module, { "page.html": () => text });
const sockets = [];
const beats = { sent: 0, answered: 0 };
page.on("websocket", (socket) => {
  sockets.push(socket);
  socket.on("framesent", ({ payload }) => (beats.sent += payload === "HeartBeat"));
  socket.on("framereceived", ({ payload }) => (beats.answered += payload === "HeartBeat"));
});

await check(
  `the page stays connected for ${settings.minutes} min, with one connection`,
  async () => {
    await page.goto(`${base.url}/page.html`);
    for (let minute = 1; minute <= settings.minutes; minute += 1) {
      await sleep(60_000);
      console.error(`after ${minute} min: ${beats.sent} beats, ${beats.answered} answers`);
      expectEqual([sockets.length, sockets[0].isClosed()], [1, false], "sockets made, and closed");
    }
    // The last one may be on its way, and each answer starts the minute anew.
    expectEqual(beats.sent >= settings.minutes - 1, true, `beats sent (${beats.sent})`);
    expectEqual(beats.sent - beats.answered <= 1, true, `beats answered (${beats.answered})`);
  },
  (settings.minutes + 1) * 60,
);
await browser.close();
base.close();
done();
