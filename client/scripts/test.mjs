// Compiles sources and tests into `build/` and runs them.
//
//     npm test                          all; what needs our server says so where HOLDWIRE_BIN is not set
//     npm test -- test/outbox.test.ts   some

import { readdir, rm } from "node:fs/promises";
import { build } from "esbuild";

import { here, run } from "./tools.mjs";

await rm(here("build"), { recursive: true, force: true });
const files = (await readdir(here("."), { recursive: true, withFileTypes: true }))
  .filter((file) => file.name.endsWith(".ts") && /\/(src|test|e2e)$/.test(file.parentPath))
  .map((file) => `${file.parentPath}/${file.name}`);
await build({
  absWorkingDir: here(""),
  entryPoints: files,
  format: "esm",
  target: "es2022",
  sourcemap: "inline",
  outdir: "build",
  outbase: ".",
});
const chosen = process.argv.slice(2).map((name) => name.replace(/\.ts$/, ".js"));
const tests = files.filter((file) => /\.test\.ts$/.test(file));
const all = tests.map((file) => file.slice(here("").length).replace(/\.ts$/, ".js"));
await run(process.execPath, [
  "--enable-source-maps",
  "--test",
  ...(chosen.length ? chosen : all).map((file) => `build/${file}`),
]);
