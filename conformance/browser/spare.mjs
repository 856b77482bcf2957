// A server of the program on the spare port, for checks that end it.

import { spawn } from "node:child_process";
import { settings } from "../report.mjs";

/** Starts it with these flags; the result ends it at once, as a crash would. */
export async function startSpare(...flags) {
  const address = `127.0.0.1:${settings.spare}`;
  const child = spawn(settings.binary, ["serve", "--listen", address, ...flags], { stdio: "ignore" });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const ready = await fetch(`http://${address}/health/ready`).catch(() => null);
    if (ready?.ok) {
      return () => {
        child.kill("SIGKILL");
        return gone;
      };
    }
    await new Promise((later) => setTimeout(later, 50));
  }
  child.kill("SIGKILL");
  throw new Error("the program did not start");
}
