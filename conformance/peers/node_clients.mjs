// npm `ws` and Node's own WebSocket (undici) as clients of our server.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { Agent, WebSocket as NodeWebSocket } from "undici";
import WebSocket from "ws";
import { check, done, expectEqual, settings } from "../report.mjs";

const battery = JSON.parse(readFileSync(new URL("../battery.json", import.meta.url)));
const authority = readFileSync(settings.authority);
const MEBIBYTE = 1024 * 1024;

/** npm ws: `deflate` can be turned off, pings and refusals are visible. */
const ws = {
  name: "npm ws",
  deflates: [false, true],
  open(url, { deflate = false, protocols = [], headers = {}, version = 13 } = {}) {
    const socket = new WebSocket(url, protocols, {
      protocolVersion: version,
      perMessageDeflate: deflate ? { threshold: 0 } : false,
      maxPayload: 0,
      ca: authority,
      headers,
    });
    socket.binaryType = "arraybuffer";
    return socket;
  },
};

/** The WebSocket that Node ships: it always offers deflate. */
const node = {
  name: "node's WebSocket",
  deflates: [true],
  open(url, { protocols = [] } = {}) {
    const dispatcher = new Agent({ connect: { ca: authority } });
    const socket = new NodeWebSocket(url, { protocols, dispatcher });
    socket.binaryType = "arraybuffer";
    return socket;
  },
};

/** Resolves at `open`, rejects when the connection fails before it. */
async function opened(socket) {
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", (event) => reject(event.error ?? new Error("not opened")), {
      once: true,
    });
  });
  return socket;
}

const closed = (socket) =>
  new Promise((resolve) => {
    const report = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
    socket.addEventListener("close", report, { once: true });
  });

async function close(socket, code = 1000, reason = "") {
  const end = closed(socket);
  socket.close(code, reason);
  return end;
}

/** Sends all, then compares what comes back in order. */
async function echoes(client, url, messages, options) {
  const socket = client.open(url, options);
  const answers = [];
  const all = new Promise((resolve, reject) => {
    socket.addEventListener("message", ({ data }) => {
      if (answers.push(data) === messages.length) resolve();
    });
    socket.addEventListener("close", ({ code }) => reject(new Error(`closed with ${code}`)));
  });
  all.catch(() => {});
  await opened(socket);
  for (const message of messages) socket.send(message);
  await all;
  messages.forEach((message, index) => {
    const answer = answers[index];
    if (typeof message === "string") return expectEqual(answer, message, "text");
    if (typeof answer === "string") throw new Error("a text came back for a binary message");
    if (!Buffer.from(answer).equals(message)) throw new Error("other bytes came back");
  });
  const end = await close(socket);
  expectEqual([end.code, end.wasClean], [1000, true], "closing handshake");
}

for (const client of [ws, node]) {
  for (const deflate of client.deflates) {
    const title = `${client.name} client${deflate ? " with deflate" : ""}:`;
    const same = (name, ...messages) =>
      check(`${title} ${name}`, () => echoes(client, settings.echo, messages, { deflate }));

    await check(`${title} is negotiated as asked`, async () => {
      const socket = await opened(client.open(settings.echo, { deflate }));
      expectEqual(/permessage-deflate/.test(socket.extensions), deflate, "permessage-deflate");
      await close(socket);
    });
    for (const [name, text] of Object.entries(battery.texts)) await same(name, text);
    for (const size of battery.binary_sizes) await same(`binary of ${size} B`, randomBytes(size));
    await same("compressible binary of 1 MiB", Buffer.alloc(MEBIBYTE, "holdwire"));
    await same("500 in order", ...Array.from({ length: battery.ordered }, (_, n) => `message ${n}`));
    await check(`${title} 20 sockets at once`, () =>
      Promise.all(
        Array.from({ length: battery.sockets }, (_, n) =>
          echoes(client, settings.echo, [`socket ${n}`, `again ${n}`], { deflate }),
        ),
      ),
    );
    await check(`${title} too long: 1009`, async () => {
      const socket = await opened(client.open(settings.echo, { deflate }));
      const end = closed(socket);
      socket.addEventListener("error", () => {});
      socket.send(randomBytes(settings.longest + 1));
      expectEqual((await end).code, 1009, "close code");
    });
  }

  const title = `${client.name} client:`;
  for (const [code, reason] of [[1000, "done"], [3001, "für heute"], [4999, "r".repeat(123)]]) {
    await check(`${title} closes with ${code} and ${reason.length} characters`, async () => {
      const socket = await opened(client.open(settings.echo));
      const end = await close(socket, code, reason);
      expectEqual([end.code, end.wasClean], [code, true], "the server's close");
    });
  }
  await check(`${title} greeting, then echo`, async () => {
    const socket = client.open(settings.root);
    const messages = [];
    const two = new Promise((resolve) => {
      socket.addEventListener("message", ({ data }) => messages.push(data) === 2 && resolve());
    });
    await opened(socket);
    socket.send("Hello WebSockets!");
    await two;
    expectEqual(messages, ["Information from the server", "Hello WebSockets!"], "messages");
    await close(socket);
  });
  for (const [where, url, protocols, expected] of [
    ["/echo takes the first subprotocol", settings.echo, ["b", "a"], "b"],
    ["/ takes the server's preference", settings.root, ["superchat", "chat"], "chat"],
  ]) {
    await check(`${title} ${where}`, async () => {
      const socket = await opened(client.open(url, { protocols }));
      expectEqual(socket.protocol, expected, "subprotocol");
      await close(socket);
    });
  }
  await check(`${title} wss`, () =>
    echoes(client, settings.secured, ["心跳", randomBytes(70000)], { deflate: true }),
  );
  await check(`${title} unknown path is refused`, async () => {
    const socket = client.open(settings.nowhere);
    await opened(socket).then(
      () => Promise.reject(new Error("the handshake was accepted")),
      () => {},
    );
  });
}

// What only npm ws can see.
await check("npm ws client: pings are answered", async () => {
  const socket = await opened(ws.open(settings.echo));
  for (const payload of [Buffer.from("are you there?"), Buffer.alloc(125)]) {
    const pong = once(socket, "pong");
    socket.ping(payload);
    expectEqual((await pong)[0].toString("hex"), payload.toString("hex"), "pong");
  }
  await close(socket);
});
await check("npm ws client: text that is not UTF-8: 1007", async () => {
  const socket = await opened(ws.open(settings.echo));
  const end = closed(socket);
  socket.send(Buffer.from([0xc3, 0x28]), { binary: false });
  expectEqual((await end).code, 1007, "close code");
});
for (const [name, url, options, status] of [
  ["foreign Origin", settings.root, { headers: { origin: "http://evil.example" } }, 403],
  ["unknown path", settings.nowhere, {}, 404],
  ["foreign Host", settings.root, { headers: { host: "evil.example" } }, 421],
  ["version 8", settings.echo, { version: 8 }, 426],
]) {
  await check(`npm ws client: ${name}: ${status}`, async () => {
    const socket = ws.open(url, options);
    socket.on("error", () => {});
    const [, response] = await once(socket, "unexpected-response");
    expectEqual(response.statusCode, status, "status");
    response.destroy();
  });
}
done();
