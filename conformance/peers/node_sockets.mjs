// `Socket` in Node, over npm `ws` and over Node's own WebSocket, against servers that are not ours.

import { once } from "node:events";
import { WebSocket as NodeWebSocket } from "undici";
import WebSocket, { WebSocketServer } from "ws";
import { check, done, expectEqual, settings } from "../report.mjs";

const { Socket } = await import(settings.module);
const CLASSES = { "npm ws": WebSocket, "node's WebSocket": NodeWebSocket };
const sleep = (milliseconds) => new Promise((later) => setTimeout(later, milliseconds));

/** npm `ws`: echoes, and drops who says `drop`. */
const listener = new WebSocketServer({ host: "127.0.0.1", port: 0 });
listener.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data) => {
    if (String(data) === "drop") socket.terminate();
    else socket.send(String(data));
  });
});
await once(listener, "listening");
const servers = {
  websockets: settings.websockets,
  aiohttp: settings.aiohttp,
  "npm ws": listener.address().port,
};

/** The next event of a kind for which `holds`. */
const next = (socket, type, holds = () => true) =>
  new Promise((resolve) => {
    const listen = (event) => {
      if (!holds(event)) return;
      socket.removeEventListener(type, listen);
      resolve(event);
    };
    socket.addEventListener(type, listen);
  });

/** Beats, is dropped three times, comes back each time, and closes. */
async function comesBack(url, options) {
  const socket = new Socket(url, [], { backoff: { first: 50, cap: 50 }, ...options });
  const received = [];
  socket.addEventListener("message", ({ data }) => received.push(data));
  await next(socket, "open");
  for (const round of ["first", "second", "third"]) {
    await next(socket, "heartbeat", ({ isAnswer }) => isAnswer);
    expectEqual(socket.roundTrip !== null, true, "a round-trip time");
    const down = next(socket, "down");
    socket.send("drop");
    await down;
    const echo = next(socket, "message", ({ data }) => data === round);
    const receipt = await socket.send(round).done;
    expectEqual(receipt.state, "written", "what became of a message sent while down");
    await echo;
  }
  expectEqual(received, ["first", "second", "third"], "messages");
  expectEqual(socket.counters.opened, 4, "connections");
  socket.close();
  await next(socket, "close");
  await sleep(200);
  expectEqual([socket.state, socket.counters.opened], ["stopped", 4], "at the end");
}

/** The classic times and pause, against a server that answers the word by echoing it. */
const STYLES = {
  "": { heartbeat: { interval: 200, timeout: 400 } },
  ", with the classic word and pause": {
    heartbeat: { word: "HeartBeat", interval: 200, timeout: 200 },
    backoff: { fixed: 300 },
  },
};

for (const [server, port] of Object.entries(servers)) {
  for (const [name, Class] of Object.entries(CLASSES)) {
    for (const [style, options] of Object.entries(STYLES)) {
      await check(`Socket over ${name} against ${server}${style}: dropped, comes back, loses nothing`, () =>
        comesBack(`ws://127.0.0.1:${port}/`, { ...options, WebSocket: Class }),
      );
    }
  }
}
done();
