// Builds `dist/`: one readable module, and the types beside it.
//
//     npm run build

import { rm } from "node:fs/promises";
import { build } from "esbuild";

import { here, run, typescript } from "./tools.mjs";

/** How the module is bundled; the console's copy and the size test use the same. */
export function bundle(options = {}) {
  return build({
    absWorkingDir: here(""),
    entryPoints: ["src/socket.ts"],
    bundle: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    write: false,
    banner: { js: "// holdwire/socket: a WebSocket that comes back. Built from client/src; do not edit." },
    ...options,
  });
}

if (import.meta.filename === process.argv[1] || import.meta.url === `file://${process.argv[1]}`) {
  await rm(here("dist"), { recursive: true, force: true });
  await bundle({ write: true, outfile: "dist/socket.js" });
  await bundle({ write: true, outfile: "../crates/server/console/socket.js" });
  await run(process.execPath, [typescript, "-p", "tsconfig.types.json"]);
}
