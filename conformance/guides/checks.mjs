// The guide's page in Chromium, its line cut by a proxy of ours while others publish.

import net from "node:net";
import { chromium } from "playwright-core";
import { check, done, expectEqual, settings } from "../report.mjs";

const { framework, page: site } = settings;

/** Between page and server; no line goes through while it is cut. */
const lines = new Set();
let isCut = false;
const proxy = net.createServer((near) => {
  if (isCut) return near.destroy();
  const far = net.connect(settings.server, "127.0.0.1");
  for (const [one, other] of [[near, far], [far, near]]) {
    lines.add(one);
    one.pipe(other);
    one.on("error", () => other.destroy());
    one.on("close", () => lines.delete(one) && other.destroy());
  }
});
await new Promise((resolve) => proxy.listen(settings.line, "localhost", resolve));

function cut() {
  isCut = true;
  for (const line of lines) line.destroy();
}

/** What somebody else writes: the backend is asked, not the page. */
async function write(from, to) {
  for (let number = from; number <= to; number += 1) {
    const response = await fetch(`${site}/notes`, { method: "POST", body: `note ${number}` });
    expectEqual(response.status, 204, "the backend's answer");
  }
}

const expected = (to) => Array.from({ length: to }, (_, n) => `ann: note ${n + 1}`);
const shown = (page) => page.locator("#notes li").allTextContents();

async function shows(page, count) {
  await page.locator("#notes li").nth(count - 1).waitFor();
  expectEqual(await shown(page), expected(count), "what the page shows");
}

const browser = await chromium.launch({
  executablePath: settings.chromium,
  chromiumSandbox: settings.sandbox,
});
const context = await browser.newContext();
context.setDefaultTimeout(30_000);
const errors = [];
async function open() {
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  return page;
}

let count = 0;
const page = await open();
await check(`${framework}: a page shows what is published while it is open`, async () => {
  // Whoever is quick publishes while the list is still under way.
  await page.route("**/notes", async (route) => {
    if (route.request().method() === "GET") await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue();
  });
  await page.goto(site);
  await page.fill("input", "note 1");
  await page.click("button");
  await shows(page, 1);
  await write(2, 5);
  await shows(page, 5);
  count = 5;
}, 60);

await check(`${framework}: it shows everything once and in order after its line was cut`, async () => {
  cut();
  await write(6, 20);
  isCut = false;
  await shows(page, 20);
  await write(21, 25);
  await shows(page, 25);
  count = 25;
}, 60);

await check(`${framework}: a page that is loaded again goes on where the backend is`, async () => {
  await page.reload();
  await shows(page, count);
  await write(26, 27);
  await shows(page, 27);
}, 60);

await check(`${framework}: the page with npm centrifuge shows the same, cut too`, async () => {
  const other = await open();
  await other.goto(`${site}/centrifuge.html`);
  await shows(other, 27);
  await write(28, 30);
  await shows(other, 30);
  cut();
  await write(31, 40);
  isCut = false;
  await shows(other, 40);
  await shows(page, 40);
}, 90);

await check(`${framework}: no page has failed`, async () => expectEqual(errors, []));
await browser.close();
proxy.close();
done();
