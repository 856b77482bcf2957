// Compiles sources and tests into `build/` and runs them.
//
//     npm test                          all; what needs our server says so where HOLDWIRE_BIN is not set
//     npm test -- test/outbox.test.ts   some

import { readdir, rm } from "node:fs/promises";
import { build } from "esbuild";

import { here, run } from "./tools.mjs";

await rm(here("build"), { recursive: true, force: true });
const files = [];
for (const folder of ["src", "test", "e2e"]) {
  for (const name of await readdir(here(folder))) files.push(`${folder}/${name}`);
}
await build({
  absWorkingDir: here(""),
  entryPoints: files,
  format: "esm",
  target: "es2022",
  sourcemap: "inline",
  outdir: "build",
  outbase: ".",
});
const chosen = process.argv.slice(2);
const tests = chosen.length ? chosen : files.filter((file) => file.endsWith(".test.ts"));
const compiled = tests.map((file) => `build/${file.replace(/\.ts$/, ".js")}`);
await run(process.execPath, ["--enable-source-maps", "--test", ...compiled]);
