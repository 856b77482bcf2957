// Drives Chromium: `run.py` says where the browser, the program and the module are.

import { chromium } from "playwright-core";
import { check, done, settings } from "../report.mjs";
import { checkFlaws } from "./flaws/index.mjs";
import { checkReturns } from "./returns.mjs";
import { checkSleep } from "./sleep.mjs";

const browser = await chromium.launch({
  executablePath: settings.chromium,
  chromiumSandbox: settings.sandbox,
  args: ["--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync"],
});
try {
  await Promise.all([
    // Mostly waiting, in browsers of its own.
    checkSleep(check, settings.module),
    checkFlaws(browser, check, settings.module).then(() => checkReturns(browser, check)),
  ]);
} finally {
  await browser.close();
}
done();
