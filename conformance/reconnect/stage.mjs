// A page with one subject in it, and the web server that it comes from.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";

const FIXTURES = new URL("fixtures/", import.meta.url);
const HOUR = 3_600_000;
const TYPES = { html: "text/html", js: "text/javascript", mjs: "text/javascript" };

/** Serves the fixtures, the module under test as `/socket.js`, and what `extra` has, by its path. */
export async function site(module, extra = {}) {
  const server = createServer(async (request, response) => {
    const name = new URL(request.url, "http://site").pathname.slice(1);
    if (extra[name]) return response.end(extra[name]());
    try {
      const file = name === "socket.js" ? module : new URL(name, FIXTURES);
      const body = await readFile(file);
      response.setHeader("content-type", `${TYPES[name.split(".").pop()]}; charset=utf-8`);
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** A page that counts its timers and sockets; `scripted` plays the network, `clock` the time. */
export async function open(browser, base, { scripted = false, clock = false } = {}) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  if (clock) await page.clock.install({ time: 0 });
  await page.addInitScript({ path: path("instruments.js") });
  if (scripted) await page.addInitScript({ path: path("scripted.js") });
  await page.goto(`${base}/subject.html`);
  await page.waitForFunction(() => document.title === "ready");
  // From now on time passes only when the scenario says so.
  if (clock) await page.clock.pauseAt(HOUR);
  return {
    page,
    errors,
    start: (kind, url, options) =>
      page.evaluate((values) => window.start(...values), [kind, url, options]),
    timers: () => page.evaluate(() => [...window.instruments.timers.values()]),
    alive: () => page.evaluate(() => window.instruments.alive()),
    close: () => context.close(),
  };
}

const path = (name) => new URL(name, FIXTURES).pathname;

export const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
