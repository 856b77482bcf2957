// WebSocket servers of the suite's own, out of npm `ws`: each misbehaves in the way it is told,
// and remembers who came when.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { WebSocketServer } from "ws";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A server whose every visitor meets `greet(socket, visit)`; without one it answers `HeartBeat`. */
export async function server(greet = answering) {
  const listener = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  await once(listener, "listening");
  const visits = [];
  const watchers = new Set();
  const changed = () => watchers.forEach((watch) => watch());
  listener.on("connection", (socket, request) => {
    const visit = { at: performance.now(), url: request.url, texts: [], socket, isLive: true };
    visits.push(visit);
    socket.on("error", () => {});
    socket.on("message", (data) => {
      visit.texts.push({ at: performance.now(), text: String(data) });
      changed();
    });
    socket.on("close", (code) => {
      Object.assign(visit, { isLive: false, code, endedAt: performance.now() });
      changed();
    });
    greet(socket, visit, visits.length);
    changed();
  });
  return {
    url: `ws://127.0.0.1:${listener.address().port}/`,
    visits,
    live: () => visits.filter(({ isLive }) => isLive).length,
    /** Waits until `holds(visits)` says yes. */
    async until(holds, what, seconds = 10) {
      const deadline = performance.now() + seconds * 1000;
      while (!holds(visits)) {
        const left = deadline - performance.now();
        if (left <= 0) throw new Error(`${what}: not within ${seconds} s (${visits.length} visits)`);
        let timer;
        let watch;
        await new Promise((resolve) => {
          timer = setTimeout(resolve, Math.min(left, 50));
          watchers.add((watch = resolve));
        });
        clearTimeout(timer);
        watchers.delete(watch);
      }
    },
    /** Ends everybody at once, without a close frame. */
    drop: () => listener.clients.forEach((socket) => socket.terminate()),
    close: () => {
      listener.clients.forEach((socket) => socket.terminate());
      listener.close();
    },
  };
}

/** Answers the heartbeat with its word and anything else with itself. */
export function answering(socket) {
  socket.on("message", (data) => socket.send(String(data)));
}

/** Takes all and says nothing. */
export function mute() {}

/** Ends the connection with a code as soon as it is open. */
export const closing = (code, reason = "") => (socket) => socket.close(code, reason);

/** Takes TCP connections and never answers the opening handshake. */
export const hanging = () => tcp(() => {});

/** Answers the opening handshake and from then on nothing, not even a close frame. */
export const deaf = () =>
  tcp((connection, request) => {
    const key = /sec-websocket-key: *(\S+)/i.exec(request)?.[1];
    const accept = createHash("sha1").update(key + GUID).digest("base64");
    const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket";
    connection.write(`${head}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  });

async function tcp(asked) {
  const arrivals = [];
  const connections = new Set();
  const listener = createServer((connection) => {
    connections.add(connection);
    connection.on("error", () => {});
    connection.on("close", () => connections.delete(connection));
    let head = "";
    connection.on("data", (data) => {
      if (head.endsWith("\r\n\r\n")) return;
      head += data.toString("latin1");
      if (!head.endsWith("\r\n\r\n")) return;
      arrivals.push(performance.now());
      asked(connection, head);
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    url: `ws://127.0.0.1:${listener.address().port}/`,
    arrivals,
    live: () => connections.size,
    close: () => {
      connections.forEach((connection) => connection.destroy());
      listener.close();
    },
  };
}
