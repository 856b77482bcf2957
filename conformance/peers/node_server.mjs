// npm `ws` as a server with the paths that python_servers.py describes. Its first line on standard
// output is its port, every further line a verdict.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { WebSocketServer } from "ws";
import { settings } from "../report.mjs";

const battery = JSON.parse(readFileSync(new URL("../battery.json", import.meta.url)));
const SUBPROTOCOL = "superchat";
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Has the battery echoed, then asks for a pong. */
async function drive(socket) {
  const messages = [
    ...Object.values(battery.texts),
    ...battery.binary_sizes.map((size) => randomBytes(size)),
    ...Array.from({ length: battery.ordered }, (_, n) => `message ${n}`),
  ];
  let next = 0;
  const all = new Promise((resolve, reject) => {
    socket.on("close", (code) => reject(new Error(`closed with ${code} at message ${next}`)));
    socket.on("message", (data, binary) => {
      const expected = messages[next];
      const same = Buffer.from(expected).equals(data) && binary === (typeof expected !== "string");
      if (!same) reject(new Error(`message ${next} came back different`));
      next += 1;
      if (next === messages.length) resolve();
    });
  });
  for (const message of messages) socket.send(message);
  await all;
  const pong = once(socket, "pong", { signal: AbortSignal.timeout(5000) });
  socket.ping("still there?");
  const [payload] = await pong;
  if (payload.toString() !== "still there?") throw new Error("the pong has another payload");
  return "echoed and ponged";
}

const server = settings.key
  ? createSecureServer({ key: readFileSync(settings.key), cert: readFileSync(settings.chain) })
  : createServer();
const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
});

server.on("upgrade", (request, stream, head) => {
  if (request.url === "/refused") {
    stream.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\nConnection: close\r\n\r\nnot you\n");
    return;
  }
  sockets.handleUpgrade(request, stream, head, (socket) => {
    socket.on("error", () => {});
    if (request.url === "/bye") return socket.close(3005, "bye now");
    if (request.url === "/drive") {
      return drive(socket)
        .catch((error) => String(error))
        .then((verdict) => {
          say(verdict);
          socket.close(1000, "driven");
        });
    }
    if (request.url === "/info") {
      const deflate = /permessage-deflate/.test(socket.extensions) ? "yes" : "no";
      const check = request.headers["x-check"] ?? "-";
      const subprotocol = socket.protocol || "-";
      socket.send(`deflate=${deflate} subprotocol=${subprotocol} x-check=${check}`);
    }
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    socket.on("close", (code) => say(`closed with ${code}`));
  });
});
server.listen(0, "127.0.0.1", () => say(server.address().port));
