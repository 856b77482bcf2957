// What the scripts share.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A path in this package. */
export function here(path) {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

/** The compiler. */
export const typescript = here("node_modules/typescript-7/bin/tsc");

/** Runs a program to its end; throws when it fails. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: here(""), stdio: "inherit", ...options });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ${args.join(" ")}: ${signal ?? `exit code ${code}`}`));
    });
  });
}
