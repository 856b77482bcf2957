// The page on `/` of the program, in Chromium: each change of its state is a line of standard output.
// A line of standard input is what a person would type as a message; `picture FILE` takes one.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const { url, executable, sandbox } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath: executable,
  chromiumSandbox: sandbox,
  args: ["--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: 1100, height: 1000 } });
await page.exposeFunction("tell", (line) => console.log(line));
await page.goto(url.replace("ws:", "http:"));
await page.evaluate(() => {
  const find = (id) => document.getElementById(id);
  let last;
  const look = () => {
    const { state } = find("state").dataset;
    const words = `${state}: ${find("state-detail").textContent}`;
    if (words !== last) window.tell((last = words));
  };
  const options = { attributes: true, childList: true, subtree: true, characterData: true };
  new MutationObserver(look).observe(find("state"), options);
  look();
});
for await (const line of createInterface(process.stdin)) {
  const [, path] = /^picture (.+)$/.exec(line) ?? [];
  if (path) {
    await page.screenshot({ path });
    console.log(`pictured ${path}`);
  } else {
    await page.fill("#message", line);
    await page.click("#send");
  }
}
