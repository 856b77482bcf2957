// npm `ws` as a server that is killed and started again: it does what returning_server.py says.

import { WebSocketServer } from "ws";
import { settings } from "../report.mjs";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const server = new WebSocketServer({ host: "127.0.0.1", port: settings.port });
server.on("listening", () => say("listening"));
server.on("connection", (socket, request) => {
  socket.on("error", () => {});
  say(`open ${server.clients.size}`);
  const close = new URL(request.url, "ws://localhost").searchParams;
  if (close.has("code")) return socket.close(Number(close.get("code")), close.get("reason") ?? "");
  socket.on("message", (data, binary) => socket.send(data, { binary }));
  socket.on("close", (code) => say(`closed with ${code}`));
});
