// Drives Chromium: `run.py` has started the servers and says where they are.

import { chromium } from "playwright-core";
import { check, done, settings } from "../report.mjs";
import { checkChannels } from "./channels.mjs";
import { checkPackaged } from "./packaged.mjs";
import { checkPages } from "./pages.mjs";
import { checkSockets } from "./sockets.mjs";
import { checkTrouble } from "./trouble.mjs";

const browser = await chromium.launch({
  executablePath: settings.chromium,
  chromiumSandbox: settings.sandbox,
  args: [
    "--disable-gpu",
    "--disable-quic",
    "--disable-component-update",
    "--disable-sync",
    `--ignore-certificate-errors-spki-list=${settings.spki}`,
    `--host-resolver-rules=MAP ${settings.foreign} 127.0.0.1`,
  ],
});
try {
  await checkSockets(browser, check);
  await checkPages(browser, check);
  await checkChannels(browser, check);
  await checkPackaged(browser, check);
  await checkTrouble(browser, check);
} finally {
  await browser.close();
}
done();
