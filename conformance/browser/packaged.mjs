// `Client` of the npm package, as it is built, with a tab's own `sessionStorage`: a reload goes on
// where the page was, and a tab that is duplicated is a client of its own.

import { expectEqual, settings } from "../report.mjs";
import { publish } from "./channels.mjs";

/** Publications of each batch, and batches while a page is loaded again and again. */
const BATCH = 20;
const BATCHES = 10;
const RELOADS = 4;

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const texts = (from, to) => numbers(from, to).map((n) => `message ${n}`);
const expected = (to) => numbers(1, to).map((n) => [n, `message ${n}`]);
const told = (page) => page.evaluate(() => JSON.parse(sessionStorage.told ?? "[]"));
const has = (page, offset) => page.locator(`#state[data-offset="${offset}"]`).waitFor();
const begun = (page, recovered) => page.locator(`#state[data-recovered="${recovered}"]`).waitFor();

async function open(browser) {
  const context = await browser.newContext();
  await context.route("**/holdwire.js", (route) => route.fulfill({ path: settings.packaged }));
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(String(error)));
  await page.goto(`${settings.fixtures}/client.html#${settings.plain}/connection`);
  await begun(page, undefined);
  return page;
}

/** Loaded again while others publish: everything comes once, in order. */
async function reloads(page, other) {
  await publish(other, "chat:kept", texts(1, 3));
  await has(page, 3);
  await page.goto(`${settings.fixtures}/blank.html`);
  await publish(other, "chat:kept", texts(4, BATCH));
  await page.goBack();
  await begun(page, true);
  await has(page, BATCH);

  const last = BATCH * (BATCHES + 1);
  const publishing = async () => {
    for (let from = BATCH + 1; from < last; from += BATCH) {
      await publish(other, "chat:kept", texts(from, from + BATCH - 1));
    }
  };
  const reloading = async () => {
    for (let count = 0; count < RELOADS; count += 1) {
      await page.reload();
      await begun(page, true);
    }
  };
  await Promise.all([publishing(), reloading()]);
  await page.waitForFunction((most) => JSON.parse(sessionStorage.told).length >= most, last);

  expectEqual(await told(page), expected(last), "what was told over all loads");
  const { told: _, ...kept } = await page.evaluate(() => ({ ...sessionStorage }));
  const values = Object.values(kept).map((text) => text.replace(/"[a-z]{8}\.0:/, '"E:'));
  expectEqual(values, [`{"chat:kept":"E:${last}"}`], "what the client has kept");
  return last;
}

/** `sessionStorage` is copied with the tab, and with it the position: nothing else is shared. */
async function duplicates(page, from) {
  const [copy] = await Promise.all([
    page.context().waitForEvent("page"),
    page.evaluate(() => void window.open(location.href)),
  ]);
  await begun(copy, true);
  expectEqual(await told(copy), expected(from), "what the copy was told before");

  const [first, second] = await Promise.all([page, copy].map((each) => each.evaluate(() => window.connects)));
  const [asked, answer] = second;
  expectEqual(Object.keys(asked), ["subs"], "what the copy says of itself");
  expectEqual(asked.subs["chat:kept"].offset, from, "where the copy begins");
  for (const name of ["client", "session", "publisher"]) {
    expectEqual(first[1][name] === answer[name] || !answer[name], false, `the same ${name}`);
  }

  // Both count their publications from 1; a shared name would take the one's for the other's.
  const say = (each, name) =>
    each.evaluate(
      ([who, count]) =>
        Promise.all(
          Array.from({ length: count }, (_, n) => window.client.publish("chat:kept", `${who} ${n}`)),
        ).then((all) => all.map(({ position, isDuplicate }) => [position.offset, isDuplicate])),
      [name, BATCH],
    );
  const places = (await Promise.all([say(page, "page"), say(copy, "copy")])).flat();
  places.sort(([one], [other]) => one - other);
  expectEqual(places, numbers(from + 1, from + 2 * BATCH).map((n) => [n, false]), "places in the log");
  await Promise.all([page, copy].map((each) => has(each, from + 2 * BATCH)));
  expectEqual(await told(page), await told(copy), "what both were told");
  expectEqual((await told(page)).map(([offset]) => offset), numbers(1, from + 2 * BATCH), "offsets");
  expectEqual(await Promise.all([page, copy].map((each) => each.evaluate(() => window.losses))), [0, 0], "losses");
}

export async function checkPackaged(browser, check) {
  const page = await open(browser);
  const other = await browser.newPage();
  await other.goto(`${settings.fixtures}/blank.html`);
  let last = 0;
  try {
    await check("Chromium, Client: loaded again while others publish, it has everything once and in order", async () => {
      last = await reloads(page, other);
    });
    await check("Chromium, Client: a duplicated tab begins at the same place as a client of its own", () => duplicates(page, last));
    await check("Chromium, Client: no error in the page", () => expectEqual(page.errors, [], "errors"));
  } finally {
    await other.close();
    await page.context().close();
  }
}
