// Trouble on purpose: each button of the page is pressed, and the page shows the drop and the
// return. What a person would have seen is left as pictures.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expectEqual, settings } from "../report.mjs";
import { startSpare } from "./spare.mjs";

const GREETING = "Information from the server";
/** Long enough for three refusals, each with advice and backoff. */
const SLOW_MS = 40_000;
/** The page's heartbeat asks after 5 s and gives up 5 s later; the rest is for a slow machine. */
const BOUND_MS = 10_000;

const state = (page, name, timeout = 15_000) => page.locator(`#state[data-state="${name}"]`).waitFor({ timeout });
const newestDrop = (page) => page.locator("#drops li").first();
const text = (page, id) => page.locator(`#${id}`).innerText();

async function open(browser, url, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  await page.goto(url);
  await state(page, "open");
  return page;
}

/** Presses a button and waits until the newest of `count` drops is over. */
async function suffer(page, trouble, count, timeout) {
  await page.click(`[data-trouble=${trouble}]`);
  await page.waitForFunction((wanted) => document.getElementById("drop-count").textContent === wanted, String(count), { timeout });
  await newestDrop(page).and(page.locator('[data-over="true"]')).waitFor({ timeout });
  await state(page, "open", timeout);
  return newestDrop(page).innerText();
}

async function drop(page, other) {
  const shown = await suffer(page, "drop", 1, 15_000);
  expectEqual(/1006/.test(shown) && /back in/.test(shown), true, shown);
  await other.fill("#message", "not touched");
  await other.click("#send");
  await other.locator('#log .entry[data-direction="in"]', { hasText: "not touched" }).waitFor();
  expectEqual(await text(other, "drop-count"), "0", "drops of the other page");
}

async function refuse(page) {
  const shown = await suffer(page, "refuse", 2, SLOW_MS);
  expectEqual(/4 attempts/.test(shown), true, shown);
  expectEqual(await page.locator("#timeline circle.attempt.failed").count(), 3, "failed attempts on the timeline");
  const refusals = page.locator("#log .event", { hasText: "Refused: 1013" });
  expectEqual(await refusals.count(), 3, "refusals in the log");
}

async function hold(page) {
  const start = Date.now();
  const shown = await suffer(page, "hold", 3, 2 * BOUND_MS);
  const took = Date.now() - start;
  expectEqual(/no answer to the heartbeat/.test(shown), true, shown);
  expectEqual(took < 1.5 * BOUND_MS, true, `noticed and back within 15 s, not ${took} ms`);
  expectEqual(await page.locator("#timeline .span.doubt").count(), 1, "unanswered time on the timeline");
  await page.locator("#timeline circle.beat.answered").last().waitFor();
}

/** A demonstration goes down by its button; what is said meanwhile is delivered when it is up again. */
async function drain(browser) {
  let stop = await startSpare("--demo", "--drain", "2s");
  try {
    const page = await open(browser, `http://localhost:${settings.spare}/`);
    await page.click("[data-trouble=drain]");
    await state(page, "waiting");
    await page.locator("#log .event", { hasText: "1012" }).waitFor();
    await page.locator("#log .event", { hasText: "the opening handshake failed" }).first().waitFor();
    await stop();
    await page.fill("#message", "said while it was down");
    await page.click("#send");
    await page.locator('#outbox[data-waiting="true"]').waitFor();
    stop = await startSpare();
    await page.locator('#log .entry[data-direction="in"]', { hasText: "said while it was down" }).waitFor({ timeout: 20_000 });
    await page.locator('#outbox[data-waiting="false"]').waitFor();

    // The token was of the other start.
    await page.click("[data-trouble=drop]");
    await page.locator('#trouble-result[data-error="true"]', { hasText: "load the page again" }).waitFor();
    expectEqual(await text(page, "drop-count"), "1", "drops");
    await page.close();
  } finally {
    await stop();
  }
}

/** Pictures for a person to look at. */
async function pictures(browser, page) {
  mkdirSync(settings.pictures, { recursive: true });
  const shoot = (shot, name) => shot.screenshot({ path: join(settings.pictures, `page-${name}.png`) });
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await shoot(page, scheme);
  }
  await page.setViewportSize({ width: 390, height: 1180 });
  await page.locator("#timeline").waitFor();
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await shoot(page, "narrow");
  expectEqual(overflow, 0, "CSS pixels beyond the edge of a narrow window");
}

/** Runs in the page: what moves within a second, by style or by script; a change of colour does not. */
async function motion() {
  const seen = new Set();
  const end = performance.now() + 1000;
  while (performance.now() < end) {
    for (const animation of document.getAnimations()) {
      const isStyle = animation instanceof CSSAnimation || animation instanceof CSSTransition;
      const moves = animation.effect.getKeyframes().some((frame) => "transform" in frame);
      if (isStyle || moves) seen.add(animation.effect.target.className);
    }
    await new Promise((frame) => requestAnimationFrame(frame));
  }
  return [...seen];
}

/** Someone who wants no motion gets none, and everything by keyboard. */
async function quietly(browser, url) {
  const page = await open(browser, url, { reducedMotion: "reduce" });
  await page.focus("[data-trouble=drop]");
  await page.keyboard.press("Enter");
  await newestDrop(page).and(page.locator('[data-over="true"]')).waitFor();
  await page.locator("#log .entry", { hasText: GREETING }).nth(1).waitFor();
  await page.click("#send");
  expectEqual(await page.evaluate(motion), [], "what moves while a message goes and its echo comes");
  await page.close();
}

/** Elsewhere than on the page's own endpoint nobody would know whom to trouble. */
async function elsewhere(browser, url) {
  const page = await open(browser, url);
  await page.fill("#endpoint", "/echo");
  await page.click("#connect");
  await page.locator("#state-detail", { hasText: "/echo" }).waitFor();
  await state(page, "open");
  expectEqual(await page.locator("[data-trouble]:enabled").count(), 0, "buttons that can be pressed on /echo");
  await page.fill("#endpoint", "/");
  await page.click("#connect");
  await page.locator("[data-trouble=drop]:enabled").waitFor();
  await page.close();
}

export async function checkTrouble(browser, check) {
  const url = `${settings.plainPage}/`;
  const page = await open(browser, url);
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  const other = await open(browser, url);
  const seconds = SLOW_MS / 1000 + 5;

  await check("Chromium, trouble: a dropped page comes back, another page is not touched", () => drop(page, other));
  await other.close();
  await check("Chromium, trouble: three refusals, then it is let in", () => refuse(page), seconds);
  await check("Chromium, trouble: the heartbeat finds a held line", () => hold(page), seconds);
  await check("Chromium, trouble: pictures of it; a narrow window holds it", () => pictures(browser, page));
  await check("Chromium, trouble: by keyboard, without motion", () => quietly(browser, url));
  await check("Chromium, trouble: on the page's own endpoint alone", () => elsewhere(browser, url));
  await check("Chromium, trouble: only a demonstration has a drain, and its pages come back", async () => {
    expectEqual(await page.locator("[data-trouble=drain]").count(), 0, "drain buttons without --demo");
    await drain(browser);
  }, seconds);
  expectEqual(errors, [], "errors of the page");
  await page.close();
}
