// Whole pages: those that the program serves, and plain ones of our own from elsewhere.

import { expectEqual, settings } from "../report.mjs";
import { startSpare } from "./spare.mjs";

const GREETING = "Information from the server";
const HELLO = "Hello WebSockets!";

/** Opens a page and collects what went wrong in it. */
async function visit(browser, url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  const errors = [];
  const refusals = [];
  page.on("console", (line) => line.type() === "error" && errors.push(line.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("websocket", (socket) => socket.on("socketerror", (text) => refusals.push(text)));
  await page.goto(url);
  return { page, errors, refusals };
}

const entry = (page, direction, text) =>
  page.locator(`#log .entry[data-direction="${direction}"][data-kind="text"]`, { hasText: text });

async function usesTheConsole(browser, url) {
  const { page, errors } = await visit(browser, url);
  const state = (name) => page.locator(`#state[data-state="${name}"]`).waitFor();
  await state("open");
  await entry(page, "in", GREETING).waitFor();
  await page.fill("#message", "心跳 🦀 <b>not bold</b>");
  await page.click("#send");
  await entry(page, "out", "<b>not bold</b>").waitFor();
  await entry(page, "in", "心跳 🦀 <b>not bold</b>").waitFor();
  await page.click("#disconnect");
  await state("closed");
  await page.click("#connect");
  await state("open");
  await entry(page, "in", GREETING).nth(1).waitFor();
  expectEqual(errors, [], "console errors");
  await page.close();
}

async function showsGreetingAndEcho(browser, url) {
  const { page, errors } = await visit(browser, url);
  for (const text of [GREETING, HELLO]) {
    await page.waitForFunction((wanted) => document.body.innerText.includes(wanted), text);
  }
  expectEqual(errors, [], "console errors");
  await page.close();
}

async function firstPage(browser, base) {
  const url = `${base}/first.html?url=${encodeURIComponent(settings.plain)}`;
  const { page, errors } = await visit(browser, url);
  await logged(page, `received: ${HELLO}`);
  const lines = (await page.innerText("#log")).trim().split("\n");
  expectEqual(lines, ["open", `received: ${GREETING}`, `received: ${HELLO}`], "log");
  expectEqual(errors, [], "console errors");
  await page.close();
}

/** Waits until the page's log has the line `times` times. */
const logged = (page, line, times = 1) =>
  page.waitForFunction(
    ([wanted, least]) => {
      const lines = document.getElementById("log").textContent.split("\n");
      return lines.filter((each) => each === wanted).length >= least;
    },
    [line, times],
  );

/** Heartbeats are answered; after a crash of the server the page comes back by itself, once. */
async function heartbeatPage(browser, base) {
  let stop = await startSpare();
  try {
    const socket = encodeURIComponent(`ws://localhost:${settings.spare}`);
    const { page } = await visit(browser, `${base}/heartbeat.html?url=${socket}&beat=400&delay=300`);
    await logged(page, `received: ${GREETING}`);
    await logged(page, "received: HeartBeat", 2);
    await stop();
    await logged(page, "closed");
    stop = await startSpare();
    await logged(page, `received: ${GREETING}`, 2);
    await logged(page, "received: HeartBeat", 4);
    const lines = (await page.innerText("#log")).trim().split("\n");
    const count = (line) => lines.filter((each) => each === line).length;
    expectEqual([count("open"), count("no answer")], [2, 0], "openings and heartbeats without answer");
    await page.close();
  } finally {
    await stop();
  }
}

/** Opens a socket in a page of this origin and tells how that went. */
async function opens(browser, from, url) {
  const { page, refusals } = await visit(browser, `${from}/blank.html`);
  const result = await page.evaluate(
    (target) =>
      new Promise((resolve) => {
        const socket = new WebSocket(target);
        socket.onmessage = ({ data }) => resolve(data);
        socket.onclose = ({ code }) => resolve(code);
      }),
    url,
  );
  await page.close();
  return { result, refusal: refusals.join() };
}

export async function checkPages(browser, check) {
  for (const base of [settings.plainPage, settings.securePage]) {
    const scheme = new URL(base).protocol.slice(0, -1);
    await check(`Chromium, ${scheme}: the page connects, sends, shows, reconnects`, () =>
      usesTheConsole(browser, `${base}/`),
    );
    await check(`Chromium, ${scheme}: the classic page`, () =>
      showsGreetingAndEcho(browser, `${base}/classic`),
    );
  }
  for (const [where, base] of [["a web server", settings.fixtures], ["a file", settings.files]]) {
    await check(`Chromium, from ${where}: a first page`, () => firstPage(browser, base));
    await check(`Chromium, from ${where}: heartbeat and reconnect`, () => heartbeatPage(browser, base), 60);
  }
  await check("Chromium, page of a foreign origin: 403", async () => {
    const { result, refusal } = await opens(browser, settings.foreignFixtures, settings.plain);
    expectEqual(result, 1006, "close code");
    expectEqual(/\b403\b/.test(refusal), true, `403 in ${refusal}`);
  });
  await check("Chromium, page of a permitted origin is greeted", async () => {
    const { result } = await opens(browser, settings.foreignFixtures, settings.permitting);
    expectEqual(result, GREETING, "first message");
  });
  await check("Chromium, page of a foreign origin: /echo is open to all", async () => {
    const { page } = await visit(browser, `${settings.foreignFixtures}/blank.html`);
    const opened = await page.evaluate(
      (url) =>
        new Promise((resolve) => {
          const socket = new WebSocket(url);
          socket.onopen = () => resolve(true);
          socket.onclose = () => resolve(false);
        }),
      `${settings.plain}/echo`,
    );
    expectEqual(opened, true, "opened");
    await page.close();
  });
}
