// npm `centrifuge` in headless Chromium, as a page loads it: the bundle of the package by a script tag.
// Arguments are `json` or `protobuf`, and the browser's program.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [, , encoding, executablePath] = process.argv;
const here = dirname(fileURLToPath(import.meta.url));
const bundle = encoding === "protobuf" ? "centrifuge.protobuf.js" : "centrifuge.js";
const page = `<!doctype html><title>A client</title><script src="/bundle.js"></script><script type="module">
  import { agent } from "/agent.mjs";
  window.take = agent(window.Centrifuge, {}, (what) => window.tell(JSON.stringify(what)));
</script>`;
const files = {
  "/": ["text/html", page],
  "/bundle.js": ["text/javascript", await readFile(join(here, "../node_modules/centrifuge/dist", bundle), "utf8")],
  "/agent.mjs": ["text/javascript", await readFile(join(here, "agent.mjs"), "utf8")],
};
const server = createServer((request, response) => {
  const [type, body] = files[request.url] ?? [];
  if (!body) return response.writeHead(404).end();
  response.setHeader("content-type", `${type}; charset=utf-8`);
  response.end(body);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");

const browser = await chromium.launch({
  executablePath,
  chromiumSandbox: process.getuid() !== 0,
  args: ["--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync"],
});
const opened = await browser.newPage();
opened.on("pageerror", (error) => process.stderr.write(`page error: ${error}\n`));
await opened.exposeFunction("tell", (what) => process.stdout.write(`${what}\n`));
await opened.goto(`http://127.0.0.1:${server.address().port}/`);
await opened.waitForFunction(() => window.take);
for await (const line of createInterface(process.stdin)) {
  await opened.evaluate((order) => void window.take(order), JSON.parse(line));
}
await browser.close();
process.exit(0);
