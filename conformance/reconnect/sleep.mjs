// Pages that do not run for a while: hidden, frozen, or with a clock that jumps.

import { readFile } from "node:fs/promises";
import { expectEqual } from "../report.mjs";
import { server } from "./servers.mjs";
import { site, sleep } from "./stage.mjs";
import { tabs } from "./tabs.mjs";

const INTERVAL = 1000;
const TIMEOUT = 1500;
const DELAY = 200;
const OPTIONS = { beat: INTERVAL, answer: TIMEOUT, delay: DELAY, longest: DELAY };
// A doubtful line is asked with a deadline of at most 5 s, and a jump is noticed within 5 s.
const DOUBT = 5000;
const SLACK = 3000;
const HOUR = 3_600_000;

/** A server that answers until it is told to fall silent; those who come later are answered. */
async function falling() {
  let isSilent = false;
  const made = await server((socket, visit, number) => {
    socket.on("message", (data) => {
      if (number > 1 || !isSilent) socket.send(String(data));
    });
  });
  return { ...made, silence: () => (isSilent = true) };
}

const downs = (tab) => tab.evaluate("JSON.stringify(window.subjects[0].downs)");
const beats = ({ visits: [first] }) => first.texts.length;

const scenarios = [
  ["hidden, its timers run once a minute: no false alarm in 70 s", async (tab, host) => {
    await tab.hide();
    await sleep(70_000);
    expectEqual(await downs(tab), "[]", "losses while hidden");
    await tab.show();
    await sleep(2 * INTERVAL);
    expectEqual([host.visits.length, host.live()], [1, 1], "connections made and alive");
  }],
  ["hidden, the server falls silent: noticed as soon as the page is seen again", async (tab, host) => {
    await tab.hide();
    await sleep(5000);
    host.silence();
    await sleep(15_000);
    await tab.show();
    await host.until(({ length }) => length === 2, "the return", (DOUBT + SLACK) / 1000);
    await sleep(500);
    expectEqual([host.visits.length, host.live()], [2, 1], "connections made and alive");
  }],
  // Chromium ends the sockets of a frozen page, and says so when it runs again.
  ["frozen for longer than the bound: back at once when it runs again", async (tab, host) => {
    await tab.hide();
    await tab.freeze();
    await sleep(2 * (INTERVAL + TIMEOUT));
    await tab.thaw();
    await tab.show();
    await host.until(({ length }) => length === 2, "the return", (DELAY + SLACK) / 1000);
    await sleep(INTERVAL + TIMEOUT);
    expectEqual([host.visits.length, host.live()], [2, 1], "connections made and alive");
    expectEqual(JSON.parse(await downs(tab)).length, 1, "losses");
  }],
  ["frozen while the server drops it: back at once when it runs again", async (tab, host) => {
    await tab.hide();
    await tab.freeze();
    await sleep(1000);
    host.drop();
    await sleep(3000);
    expectEqual(host.visits.length, 1, "connections made while frozen");
    await tab.thaw();
    await tab.show();
    await host.until(({ length }) => length === 2, "the return", (DELAY + SLACK) / 1000);
    await sleep(500);
    expectEqual([host.visits.length, host.live()], [2, 1], "connections made and alive");
  }],
  ["the clock jumps by hours, ahead and back: no false alarm, beats go on", async (tab, host) => {
    for (const jump of [5 * HOUR, -7 * HOUR, 2 * HOUR]) {
      await tab.evaluate(`{ const { now } = Date; Date.now = () => now.call(Date) + ${jump}; }`);
      await sleep(DOUBT + TIMEOUT);
      const before = beats(host);
      await sleep(2 * INTERVAL + SLACK);
      expectEqual(beats(host) > before, true, `beats after a jump of ${jump / HOUR} h`);
    }
    expectEqual(await downs(tab), "[]", "losses");
    expectEqual([host.visits.length, host.live()], [1, 1], "connections made and alive");
  }],
  ["the clock jumps back by hours, then the server falls silent: noticed in time", async (tab, host) => {
    await tab.evaluate(`{ const { now } = Date; Date.now = () => now.call(Date) - ${7 * HOUR}; }`);
    await sleep(300);
    host.silence();
    const most = INTERVAL + 2 * DOUBT + TIMEOUT + SLACK;
    await host.until(({ length }) => length === 2, "the return", most / 1000);
  }],
];

/** Each in a browser window of its own: only one tab of a window is seen. */
export async function checkSleep(check, module) {
  const instruments = await readFile(new URL("fixtures/instruments.js", import.meta.url), "utf8");
  await Promise.all(
    scenarios.map(([name, play]) =>
      check(
        `Chromium, Socket: ${name}`,
        async () => {
          const base = await site(module);
          const host = await falling();
          const browser = await tabs(instruments);
          try {
            const tab = await browser.tab(`${base.url}/subject.html`);
            await tab.start("socket", host.url, OPTIONS);
            await host.until(({ length }) => length === 1, "the first connection");
            await sleep(500);
            await play(tab, host);
          } finally {
            await browser.close();
            host.close();
            base.close();
          }
        },
        110,
      ),
    ),
  );
}
