// Builds `dist/`: one readable module for each entry, the types, the licences.
//
//     npm run build
//     npm run build -- --console   also the copy that the server's page loads

import { copyFile, rm } from "node:fs/promises";
import { build } from "esbuild";

import { here, run, typescript } from "./tools.mjs";

const bundle = (entry, about, outfile) =>
  build({
    absWorkingDir: here(""),
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    banner: { js: `// ${about} Built from client/src; do not edit.` },
    outfile,
  });
const socket = (outfile) =>
  bundle("src/socket.ts", "holdwire/socket: a WebSocket that comes back.", outfile);

await rm(here("dist"), { recursive: true, force: true });
await socket("dist/socket.js");
await bundle("src/client.ts", "holdwire: channels that resume.", "dist/client.js");
// With `--console` also the copy that the server's own page loads.
if (process.argv.includes("--console")) await socket("../crates/server/console/socket.js");
await run(process.execPath, [typescript, "-p", "tsconfig.types.json"]);
for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
  await copyFile(here(`../${licence}`), here(`dist/${licence}`));
}
