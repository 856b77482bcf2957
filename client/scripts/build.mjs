// Builds `dist/`: one readable module, the types, the licences.
//
//     npm run build
//     npm run build -- --console   also the copy that the server's page loads

import { copyFile, rm } from "node:fs/promises";
import { build } from "esbuild";

import { here, run, typescript } from "./tools.mjs";

const bundle = (outfile) =>
  build({
    absWorkingDir: here(""),
    entryPoints: ["src/socket.ts"],
    bundle: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    banner: { js: "// holdwire/socket: a WebSocket that comes back. Built from client/src; do not edit." },
    outfile,
  });

await rm(here("dist"), { recursive: true, force: true });
await bundle("dist/socket.js");
// With `--console` also the copy that the server's own page loads.
if (process.argv.includes("--console")) await bundle("../crates/server/console/socket.js");
await run(process.execPath, [typescript, "-p", "tsconfig.types.json"]);
for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
  await copyFile(here(`../${licence}`), here(`dist/${licence}`));
}
