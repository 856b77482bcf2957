// npm `ws` and Node's own WebSocket as idle clients of our server.

import { on, once } from "node:events";
import { WebSocket as NodeWebSocket } from "undici";
import WebSocket from "ws";
import { check, done, settings } from "../report.mjs";

const sleep = (milliseconds) => new Promise((later) => setTimeout(later, milliseconds));

/** Idle for a while, then an echo. */
async function stays(socket, during = () => sleep(settings.idle)) {
  const end = new Promise((_, reject) => {
    socket.addEventListener("close", ({ code }) => reject(new Error(`closed with ${code}`)));
  });
  end.catch(() => {});
  await Promise.race([new Promise((resolve) => socket.addEventListener("open", resolve)), end]);
  await Promise.race([during(), end]);
  const echo = new Promise((resolve) => {
    socket.addEventListener("message", ({ data }) => data === "still here" && resolve());
  });
  socket.send("still here");
  await Promise.race([echo, end]);
  socket.close();
}

await Promise.all([
  check("npm ws client, idle: answers our pings", () => stays(new WebSocket(settings.beating))),
  check("node's WebSocket, idle: answers our pings", () =>
    stays(new NodeWebSocket(settings.beating)),
  ),
  check("npm ws client: its own keepalive, which ends what missed a pong", async () => {
    const socket = new WebSocket(settings.passive);
    await stays(socket, async () => {
      for (let pings = 0; pings < 10; pings += 1) {
        const pong = once(socket, "pong", { signal: AbortSignal.timeout(settings.idle) });
        socket.ping();
        await pong;
        await sleep(settings.idle / 10);
      }
    });
  }),
  check("npm ws client: a text heartbeat every 100 ms", async () => {
    const socket = new WebSocket(settings.passive);
    await stays(socket, async () => {
      for (let beats = 0; beats < 20; beats += 1) {
        const answer = on(socket, "message", { signal: AbortSignal.timeout(settings.idle) });
        socket.send("HeartBeat");
        for await (const [data] of answer) if (String(data) === "HeartBeat") break;
        await sleep(100);
      }
    });
  }),
]);
done();
