// Pages in one Chromium: the TypeScript client, and `examples/browser/chat.html` as it is but for
// its times. Its one argument is JSON; a line of standard input, `PAGE PAYLOAD`, is a message that
// the user of a chat types.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const { executable, module, client, chat, url, pages, options, times } = JSON.parse(process.argv[2]);

/** The chat with other times; whether it still has those is checked. */
async function chatWith(times) {
  let text = await readFile(chat, "utf8");
  for (const [name, value] of Object.entries(times)) {
    const changed = text.replace(new RegExp(`\\b${name} = [\\d_]+`), `${name} = ${value}`);
    if (changed === text) throw new Error(`chat.html has no ${name}`);
    text = changed;
  }
  return text;
}

const files = {
  "/socket-page.html": ["text/html", "<!doctype html><title>A reader</title>"],
  "/chat.html": ["text/html", await chatWith(times)],
  "/holdwire.js": ["text/javascript", await readFile(module, "utf8")],
  "/client.mjs": ["text/javascript", await readFile(client, "utf8")],
};
const server = createServer((request, response) => {
  const [type, body] = files[new URL(request.url, "http://site").pathname] ?? [];
  if (!body) return response.writeHead(404).end();
  response.setHeader("content-type", `${type}; charset=utf-8`);
  response.end(body);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const base = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: executable,
  chromiumSandbox: false,
  args: ["--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync"],
});

/** Runs in a chat before its own script: tells what is shown, when it is shown. */
function watch(channel) {
  let isFirst = true;
  window.WebSocket = class extends WebSocket {
    constructor(address) {
      super(address);
      // Where the first connection begins is not shown. It is told before the page hears of it.
      const begins = ({ data }) => {
        const { epoch, offset } = JSON.parse(data);
        window.tell({ channel, subscribed: { epoch, offset } });
      };
      this.addEventListener("message", (event) => isFirst && ((isFirst = false), begins(event)));
    }
  };
  const place = () => {
    // A name of the page's own script: where it has come to.
    const [, epoch, offset] = /^(.*):(\d+)$/.exec(position);
    return { epoch, offset: Number(offset) };
  };
  const shown = (line) => {
    const gap = /^(\d+) to (\d+) are missing: (\w+)$/.exec(line);
    if (gap) {
      const [from, to, reason] = [Number(gap[1]), Number(gap[2]), gap[3]];
      return window.tell({ channel, gap: { reason, from, to, ...place() } });
    }
    const [, offset, data] = /^(\d+) (.*)$/s.exec(line);
    window.tell({ channel, publication: { ...place(), offset: Number(offset), data: JSON.parse(data) } });
  };
  addEventListener("DOMContentLoaded", () => {
    const each = (element, heard) =>
      new MutationObserver((changes) => {
        for (const { addedNodes } of changes) for (const node of addedNodes) heard(node.textContent);
        // It shows all that ever came: thousands of lines, which make a page slow.
        while (element.childNodes.length > 100) element.firstChild.remove();
      }).observe(element, { childList: true });
    each(document.getElementById("log"), shown);
    each(document.getElementById("state"), (state) => state === "open" || window.tell({ lost: true }));
  });
}

const opened = new Map();
for (const [name, { kind, channels }] of Object.entries(pages)) {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => console.log(`page error: ${error}`));
  await page.exposeFunction("tell", (what) => console.log(JSON.stringify({ who: name, ...what })));
  if (kind === "chat") {
    await page.addInitScript(watch, channels[0]);
    await page.goto(`${base}/chat.html#${new URL(`/ws/${channels[0]}`, url)}`);
  } else {
    await page.goto(`${base}/socket-page.html`);
    await page.evaluate(
      async (settings) => {
        const [{ Client }, { read }] = await Promise.all([import("/holdwire.js"), import("/client.mjs")]);
        read(Client, settings, window.tell);
      },
      { url, channels, options },
    );
  }
  opened.set(name, page);
}
for await (const line of createInterface(process.stdin)) {
  const at = line.indexOf(" ");
  const who = line.slice(0, at);
  await opened.get(who).evaluate((text) => {
    document.getElementById("text").value = text;
    document.getElementById("form").requestSubmit();
  }, line.slice(at + 1));
  console.log(JSON.stringify({ who, typed: true }));
}
await browser.close();
