// The browser's WebSocket itself, on an empty page of a loopback origin.

import { readFileSync } from "node:fs";
import { expectEqual, settings } from "../report.mjs";

const battery = JSON.parse(readFileSync(new URL("../battery.json", import.meta.url)));

/** Runs in the page: sends texts and binaries of these sizes and compares what comes back. */
async function echoes({ url, texts = [], sizes = [], protocols = [] }) {
  const socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer";
  const next = (name) =>
    new Promise((resolve, reject) => {
      socket.addEventListener(name, resolve, { once: true });
      socket.addEventListener("close", ({ code }) => reject(new Error(`closed: ${code}`)));
    });
  await next("open");
  for (const text of texts) {
    const answer = next("message");
    socket.send(text);
    if ((await answer).data !== text) throw new Error(`another text than ${text}`);
  }
  for (const size of sizes) {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 65536) {
      crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, size)));
    }
    const answer = next("message");
    socket.send(bytes);
    const { data } = await answer;
    const same = data instanceof ArrayBuffer && data.byteLength === size;
    const back = same && new Uint8Array(data);
    if (!same || back.some((byte, at) => byte !== bytes[at])) throw new Error(`${size} B differ`);
  }
  const end = new Promise((resolve) => socket.addEventListener("close", resolve));
  socket.close(1000);
  const { code, wasClean } = await end;
  const { extensions, protocol } = socket;
  return { code, wasClean, extensions, protocol };
}

/** Runs in the page: `count` texts at once, answered in order. */
async function inOrder({ url, count }) {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
  let next = 0;
  const all = new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => {
      if (data !== `message ${next}`) reject(new Error(`${data} instead of message ${next}`));
      next += 1;
      if (next === count) resolve();
    };
    socket.onclose = ({ code }) => reject(new Error(`closed: ${code}`));
  });
  for (let n = 0; n < count; n += 1) socket.send(`message ${n}`);
  await all;
  socket.close();
  return next;
}

/** Runs in the page: closes with this code, or sends too much, and tells the close event. */
async function ends({ url, code, reason, tooLong }) {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
  const end = new Promise((resolve) => (socket.onclose = resolve));
  if (tooLong) socket.send(new Uint8Array(tooLong));
  else socket.close(code, reason);
  const event = await end;
  return { code: event.code, wasClean: event.wasClean };
}

/** Runs in the page: opens a second socket where only one is allowed, and tells what it sees. */
async function isRefused({ url, protocols }) {
  const first = new WebSocket(url);
  await new Promise((resolve, reject) => Object.assign(first, { onopen: resolve, onerror: reject }));
  const second = new WebSocket(url, protocols);
  const seen = [];
  for (const name of ["open", "message", "error"]) second.addEventListener(name, () => seen.push(name));
  const { code, reason, wasClean } = await new Promise((resolve) => (second.onclose = resolve));
  first.close();
  return { seen, code, wasClean, advice: JSON.parse(reason) };
}

export async function checkSockets(browser, check) {
  const page = await browser.newPage();
  await page.goto(`${settings.fixtures}/blank.html`);
  for (const [scheme, base] of [["ws", settings.plain], ["wss", settings.secure]]) {
    const title = `Chromium, ${scheme}:`;
    const url = `${base}/echo`;
    await check(`${title} deflate is negotiated, the close is clean`, async () => {
      const end = await page.evaluate(echoes, { url, texts: ["Hello WebSockets!"] });
      expectEqual([end.code, end.wasClean], [1000, true], "close");
      expectEqual(/permessage-deflate/.test(end.extensions), true, `deflate (${end.extensions})`);
    });
    for (const [name, text] of Object.entries(battery.texts)) {
      await check(`${title} ${name}`, () => page.evaluate(echoes, { url, texts: [text] }));
    }
    for (const size of battery.binary_sizes) {
      await check(`${title} binary of ${size} B`, () => page.evaluate(echoes, { url, sizes: [size] }));
    }
    await check(`${title} 500 in order`, async () => {
      const { ordered: count } = battery;
      expectEqual(await page.evaluate(inOrder, { url, count }), count, "messages");
    });
    await check(`${title} 20 sockets at once`, () =>
      Promise.all(
        Array.from({ length: battery.sockets }, (_, n) =>
          page.evaluate(echoes, { url, texts: [`socket ${n}`, `again ${n}`], sizes: [n] }),
        ),
      ),
    );
    for (const [code, reason] of [[1000, "done"], [3001, "für heute"], [4999, "r".repeat(123)]]) {
      await check(`${title} closes with ${code} and ${reason.length} characters`, async () => {
        const end = await page.evaluate(ends, { url, code, reason });
        expectEqual([end.code, end.wasClean], [code, true], "close event");
      });
    }
    await check(`${title} too long: 1009`, async () => {
      const end = await page.evaluate(ends, { url, tooLong: settings.longest + 1 });
      expectEqual(end.code, 1009, "close code");
    });
    for (const [where, path, protocols, expected] of [
      ["/echo takes the first subprotocol", "/echo", ["b", "a"], "b"],
      ["/ takes the server's preference", "/", ["superchat", "chat"], "chat"],
    ]) {
      await check(`${title} ${where}`, async () => {
        const end = await page.evaluate(echoes, { url: base + path, protocols });
        expectEqual(end.protocol, expected, "subprotocol");
      });
    }
  }
  for (const url of settings.full) {
    const scheme = new URL(url).protocol.slice(0, -1);
    await check(`Chromium, ${scheme}: a page learns why it is refused`, async () => {
      const end = await page.evaluate(isRefused, { url: `${url}/`, protocols: ["chat"] });
      expectEqual([end.seen, end.code, end.wasClean], [["open"], 1013, true], "what the page saw");
      expectEqual(end.advice.retry_after_ms >= 5000, true, `advice ${JSON.stringify(end.advice)}`);
    });
  }
  await page.close();
}
