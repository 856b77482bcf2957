// Chromium with tabs that really are hidden and frozen: the driver of the other checks keeps every
// page in the foreground, so here the browser is spoken to directly.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { settings } from "../report.mjs";

// A hidden page's timers run once a minute; here that begins after 2 s instead of 5 min.
const THROTTLED = [
  "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/2/grace_period_seconds_loaded/2",
  "--intensive-wake-up-throttling-policy=force-enable",
];

/** A browser with one window; `prepare` runs in each page before the page's own scripts. */
export async function tabs(prepare) {
  const profile = await mkdtemp(join(tmpdir(), "holdwire-tabs-"));
  const child = spawn(
    settings.chromium,
    [
      "--headless=new",
      "--disable-gpu",
      "--no-first-run",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      ...(settings.sandbox ? [] : ["--no-sandbox"]),
      ...THROTTLED,
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const close = async () => {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  const speaking = new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`Chromium ended with ${code}`)));
    createInterface(child.stderr).on("line", (line) => {
      const found = /DevTools listening on (ws:\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
  });
  const wire = new WebSocket(await speaking, { perMessageDeflate: false });
  await once(wire, "open");

  let last = 0;
  const waiting = new Map();
  wire.on("message", (data) => {
    const { id, result, error } = JSON.parse(data);
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(error.message));
    else resolve?.(result);
  });
  const ask = (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      waiting.set((last += 1), { resolve, reject });
      wire.send(JSON.stringify({ id: last, method, params, sessionId }));
    });

  async function tab(url) {
    const { targetId } = await ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
    const say = (method, params) => ask(method, params, sessionId);
    const evaluate = async (expression) => {
      const options = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await say("Runtime.evaluate", options);
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? "threw");
      return result.value;
    };
    const until = async (expression) => {
      const deadline = performance.now() + 10_000;
      while (!(await evaluate(expression))) {
        if (performance.now() > deadline) throw new Error(`never true: ${expression}`);
        await new Promise((done) => setTimeout(done, 50));
      }
    };
    await say("Page.enable");
    await say("Page.addScriptToEvaluateOnNewDocument", { source: prepare });
    await say("Page.navigate", { url });
    await until('document.title === "ready"');
    return {
      evaluate,
      until,
      start: (...values) => evaluate(`window.start(...${JSON.stringify(values)})`),
      show: async () => {
        await ask("Target.activateTarget", { targetId });
        await until('document.visibilityState === "visible"');
      },
      /** Another tab comes to the front. */
      hide: async () => {
        const other = await ask("Target.createTarget", { url: "about:blank" });
        await ask("Target.activateTarget", other);
        await until('document.visibilityState === "hidden"');
      },
      freeze: () => say("Page.setWebLifecycleState", { state: "frozen" }),
      thaw: () => say("Page.setWebLifecycleState", { state: "active" }),
    };
  }
  return { tab, close };
}
