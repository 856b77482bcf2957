// Channels in plain pages: the chat, the example from a file, and the demonstration in two tabs. One
// tab's wire is cut while another publishes; what it then shows is compared offset by offset.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expectEqual, settings } from "../report.mjs";
import { layWire } from "./wire.mjs";

const MISSED = 250; // more than a page of the log
const KEPT = 10; // what the namespace `brief` keeps
/** The page's own bounds. */
const SILENCE_MS = 25_000;
const ANSWER_MS = 10_000;
const FROM = Number(new URL(settings.plainPage).port);

/** A page whose way to the server is the wire's. */
async function open(browser, url) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(20_000);
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(String(error)));
  await page.goto(url);
  return page;
}

/** Publishes these in a page of its own and waits until all of them have come back. */
export const publish = (page, channel, values) =>
  page.evaluate(
    ([url, all]) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${url}?format=json`);
        const offsets = [];
        socket.onmessage = ({ data }) => {
          const { data: value, offset } = JSON.parse(data);
          if (value === undefined) for (const each of all) socket.send(JSON.stringify(each));
          else if (offsets.push(offset) === all.length) {
            socket.close();
            resolve(offsets);
          }
        };
        socket.onclose = ({ code }) => reject(new Error(`closed: ${code}`));
      }),
    [`${settings.plain}/ws/${channel}`, values],
  );

const texts = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => `message ${from + n}`);
const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const live = (page, root = "#chat") => page.locator(`${root}[data-state="live"]`).waitFor();
const state = (page, name, root = "#chat") => page.locator(`${root}[data-state="${name}"]`).waitFor();
const shown = (page, offset) => page.locator(`[data-offset="${offset}"]`).waitFor();
const rows = (page) =>
  page.locator("#log [data-offset]").evaluateAll((all) =>
    all.map((row) => [Number(row.dataset.offset), row.querySelector(".text").textContent]),
  );

async function say(page, text) {
  await page.fill("#text", text);
  await page.click("#send");
}

/** Cut for real while the other tab and a script publish; back, everything is there once, in order. */
async function catchesUp(browser, wire, other) {
  const cut = await open(browser, `http://localhost:${wire.port}/chat?room=cut`);
  const whole = await open(browser, `${settings.plainPage}/chat?room=cut`);
  await Promise.all([live(cut), live(whole)]);
  await say(cut, "message 1");
  await Promise.all([shown(cut, 1), shown(whole, 1)]);

  wire.cut();
  await state(cut, "waiting");
  await say(whole, "message 2");
  await shown(whole, 2);
  await publish(other, "chat:cut", texts(3, MISSED));
  wire.mend();
  await live(cut);
  await say(cut, `message ${MISSED + 1}`);
  await Promise.all([shown(cut, MISSED + 1), shown(whole, MISSED + 1)]);

  const expected = numbers(1, MISSED + 1).map((n) => [n, `message ${n}`]);
  expectEqual(await rows(cut), expected, "messages of the page that was cut");
  expectEqual(await rows(whole), expected, "messages of the other page");
  const missed = await cut.locator("#log [data-missed]").count();
  expectEqual(missed, MISSED - 1, "messages that are marked as missed");
  expectEqual([cut.errors, whole.errors], [[], []], "errors of the pages");
  await Promise.all([cut.close(), whole.close()]);
}

/** No event tells that nothing moves any more: the heartbeat finds it, and a network that is back wakes. */
async function findsADeadLine(browser, wire) {
  const page = await open(browser, "about:blank");
  await page.clock.install();
  await page.goto(`http://localhost:${wire.port}/chat?room=held`);
  await live(page);
  await page.evaluate(() => {
    window.told = [];
    const state = document.getElementById("state");
    new MutationObserver(() => window.told.push(state.textContent)).observe(state, { childList: true });
  });
  wire.hold();
  await say(page, "into the void");
  await page.locator(".message", { hasText: "into the void" }).waitFor();
  await page.clock.runFor(SILENCE_MS);
  await page.clock.runFor(ANSWER_MS);
  await state(page, "waiting");
  expectEqual(/^Down: no answer to the heartbeat/.test(await page.evaluate(() => window.told[0])), true, "the reason");
  wire.mend();
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await live(page);
  expectEqual(await rows(page), [], "messages in the channel");

  await page.getByRole("button", { name: "say it again" }).click();
  await shown(page, 1);
  expectEqual(await rows(page), [[1, "into the void"]], "messages after it was said again");
  expectEqual(await page.locator(".message").count(), 1, "rows");
  await page.close();
}

/** More than the room keeps: the hole is told where it is, then what is left. */
async function showsTheGap(browser, other) {
  const page = await open(browser, `${settings.plainPage}/chat?room=gap`);
  await live(page);
  await say(page, "message 1");
  await shown(page, 1);
  await page.click("#cut");
  await state(page, "away");
  await publish(other, "chat:gap", texts(2, 1101));
  await page.click("#cut");
  await live(page);

  const log = await page.locator("#log > *").evaluateAll((all) => all.map(({ dataset }) => ({ ...dataset })));
  expectEqual(log[0].offset, "1", "what was there before");
  expectEqual([log[1].reason, log[1].from, log[1].to], ["expired", "2", "101"], "the gap, at its place");
  expectEqual(log.slice(2).map(({ offset }) => Number(offset)), numbers(102, 1101), "what follows it");
  await page.close();
}

async function reloadResumes(browser, other) {
  const page = await open(browser, `${settings.plainPage}/chat?room=reload`);
  await live(page);
  await publish(other, "chat:reload", texts(1, 3));
  await shown(page, 3);
  await page.goto(`${settings.fixtures}/blank.html`);
  await publish(other, "chat:reload", texts(4, 6));
  await page.goto(`${settings.plainPage}/chat?room=reload`);
  await shown(page, 6);
  expectEqual(await rows(page), numbers(4, 6).map((n) => [n, `message ${n}`]), "messages after the return");

  await page.uncheck("#keep");
  await page.reload();
  await live(page);
  expectEqual(await rows(page), [], "messages when no position was kept");
  await page.close();
}

/** A room without a name that may be: the page is told, and does not try for ever. */
async function refusalIsShown(browser) {
  const page = await open(browser, `${settings.plainPage}/chat?room=a%20b`);
  await state(page, "refused");
  const words = await page.locator("#state").innerText();
  expectEqual(/^Not let in: .+/.test(words), true, words);
  await page.close();
}

/** The one file, from the disk: the same, with as little as it takes. */
async function exampleFromAFile(browser, wire, other) {
  const page = await open(browser, `${settings.example}#ws://localhost:${wire.port}/ws/chat:file`);
  await page.locator("#state", { hasText: "open" }).waitFor();
  await page.fill("#text", "message 1");
  await page.click("button");
  const line = (n) => page.locator("#log li", { hasText: new RegExp(`^${n} `) }).waitFor();
  await line(1);
  wire.cut();
  await page.locator("#state", { hasText: "1006" }).waitFor();
  await publish(other, "chat:file", texts(2, MISSED));
  wire.mend();
  await line(MISSED);
  const lines = () => page.locator("#log li").allInnerTexts();
  expectEqual(await lines(), numbers(1, MISSED).map((n) => `${n} "message ${n}"`), "lines");

  await page.reload();
  await page.locator("#state", { hasText: "open" }).waitFor();
  await publish(other, "chat:file", [`message ${MISSED + 1}`]);
  await line(MISSED + 1);
  expectEqual(await lines(), [`${MISSED + 1} "message ${MISSED + 1}"`], "lines after a reload");

  wire.cut();
  await page.locator("#state", { hasText: "1006" }).waitFor();
  await publish(other, "chat:file", texts(MISSED + 2, MISSED + 1101));
  wire.mend();
  await line(MISSED + 1101);
  expectEqual((await lines())[1], `${MISSED + 2} to ${MISSED + 101} are missing: expired`, "the gap");
  expectEqual(page.errors, [], "errors of the page");
  await page.close();
}

/** The demonstration on `/`: five missed come, of thirty missed twenty are gone. */
async function demonstration(browser) {
  const [page, other] = [await open(browser, `${settings.plainPage}/`), await open(browser, `${settings.plainPage}/#channel`)];
  await Promise.all([live(page, "#channel"), live(other, "#channel")]);
  const cells = () =>
    page.locator("[data-tape=cells] li").evaluateAll((all) =>
      all.map(({ dataset }) => [dataset.kind, dataset.offset ?? `${dataset.from} to ${dataset.to}`]),
    );
  const kind = (name, from, to) => numbers(from, to).map((n) => [name, String(n)]);
  const missing = async (count, top, outcome) => {
    await page.click("[data-tape=cut]");
    await state(page, "away", "#channel");
    await other.click(`[data-count="${count}"]`);
    await shown(other, top);
    await page.click("[data-tape=cut]");
    await live(page, "#channel");
    expectEqual(await page.locator("[data-tape=state]").innerText(), outcome, "what the page says");
  };
  await page.click('[data-count="1"]');
  await shown(page, 1);
  await missing(5, 6, "Back: 2 to 6 caught up.");
  await missing(30, 36, "Back: 7 to 26 gone, 27 to 36 caught up.");
  const expected = [
    ...kind("live", 1, 1),
    ...kind("missed", 2, 6),
    ["gap", "7 to 26"],
    ...kind("missed", 37 - KEPT, 36),
  ];
  expectEqual(await cells(), expected, "cells");
  expectEqual([page.errors, other.errors], [[], []], "errors of the pages");
  await Promise.all([page.close(), other.close()]);
}

/** Pictures for a person to look at; nothing stands beyond the edge of a narrow window. */
async function pictures(browser, other) {
  const page = await open(browser, `${settings.plainPage}/chat?room=pictures`);
  await live(page);
  await publish(other, "chat:pictures", [{ name: "Ann", text: "Hello!" }, { name: "Bob", text: "word ".repeat(40) }, "no name"]);
  await shown(page, 3);
  mkdirSync(settings.pictures, { recursive: true });
  const shoot = (name) => page.screenshot({ path: join(settings.pictures, `chat-${name}.png`) });
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await shoot(scheme);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  await shoot("narrow");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expectEqual(overflow, 0, "CSS pixels beyond the edge of a narrow window");
  await page.close();
}

export async function checkChannels(browser, check) {
  const wire = await layWire(FROM);
  const other = await open(browser, `${settings.fixtures}/blank.html`);
  try {
    await check("Chromium, chat: a tab that was cut shows everything once and in order", () => catchesUp(browser, wire, other));
    await check("Chromium, chat: the heartbeat finds a held line, and what it swallowed can be said again", () => findsADeadLine(browser, wire));
    await check("Chromium, chat: a gap is shown at its place with reason and bounds", () => showsTheGap(browser, other));
    await check("Chromium, chat: a reload resumes, unless the position is not kept", () => reloadResumes(browser, other));
    await check("Chromium, chat: a room that cannot be is said to be none", () => refusalIsShown(browser));
    await check("Chromium, chat: pictures of it; a narrow window holds it", () => pictures(browser, other));
    await check("Chromium, from a file: the chat in one file catches up, resumes and shows a gap", () => exampleFromAFile(browser, wire, other), 45);
    await check("Chromium, channel in two tabs: it catches up, and shows what is gone", () => demonstration(browser));
  } finally {
    await other.close();
    await wire.end();
  }
}
