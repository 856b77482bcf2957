// The program under test, started, stopped, frozen and asked.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import { settings } from "../report.mjs";
import { sleep } from "./stage.mjs";

/** A port that nobody uses now. */
async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

/** Runs `holdwire serve` on a port of its own; it can be killed and started again there. */
export async function serving(...options) {
  const address = `127.0.0.1:${await freePort()}`;
  let child;
  const start = async () => {
    child = spawn(settings.binary, ["serve", "--listen", address, ...options], { stdio: "ignore" });
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const ready = await fetch(`http://${address}/health/ready`).catch(() => null);
      if (ready?.ok) return;
      await sleep(50);
    }
    throw new Error("holdwire serve did not start");
  };
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  const metric = async (name) => {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    const found = [...text.matchAll(new RegExp(`^holdwire_${name}(?:\\{.*\\})? (\\d+)$`, "gm"))];
    return found.reduce((sum, [, value]) => sum + Number(value), 0);
  };
  await start();
  return {
    url: `ws://${address}/`,
    start,
    kill,
    close: kill,
    /** Asks it to go down, and waits until it has. */
    end: async () => {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
    freeze: () => child.kill("SIGSTOP"),
    thaw: () => child.kill("SIGCONT"),
    /** Connections that live, as the server counts them. */
    live: () => metric("connections"),
    opened: () => metric("handshakes_total"),
  };
}

/** Waits until `value()` is `wanted`, and fails unless it stays so for a while. */
export async function settles(value, wanted, what, seconds = 10, steady = 1000) {
  const deadline = performance.now() + seconds * 1000;
  let last;
  let since;
  for (;;) {
    const now = performance.now();
    last = await value();
    since = last === wanted ? (since ?? now) : undefined;
    if (since !== undefined && now - since >= steady) return;
    if (now > deadline) throw new Error(`${what}: ${last}, not ${wanted}, after ${seconds} s`);
    await sleep(100);
  }
}
