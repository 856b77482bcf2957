// The TypeScript `Socket` in a page of Chromium, driven by lines as `socket_client.mjs` is.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { open, site } from "../reconnect/stage.mjs";

const { url, module, executable, sandbox, ...times } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath: executable,
  chromiumSandbox: sandbox,
  args: ["--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync"],
});
const base = await site(module);
const { page } = await open(browser, base.url);
await page.exposeFunction("tell", (line) => console.log(line));
await page.evaluate(
  async ([address, { interval, timeout, connectTimeout, cap }]) => {
    const { Socket } = await import("/socket.js");
    const options = { heartbeat: { interval, timeout }, backoff: { cap }, connectTimeout };
    const socket = (window.socket = new Socket(address, [], options));
    socket.onconnecting = ({ attempt }) => window.tell(`attempt ${attempt}`);
    socket.onopen = () => window.tell("open");
    socket.ondown = ({ cause, delay }) => window.tell(`down: ${cause}, next attempt in ${delay} ms`);
    socket.onclose = ({ code }) => window.tell(`stopped: ${code}`);
  },
  [url, times],
);
for await (const line of createInterface(process.stdin)) {
  await page.evaluate((text) => void window.socket.send(text), line);
}
