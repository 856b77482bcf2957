// The programs of the guides, against the types that users get.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

for (const [name, least] of [["reconnect", 5], ["channels", 5], ["tokens-in-browsers", 1]] as const) {
  test(`the programs of the guide to ${name} have the right types`, async () => {
    const guide = await readFile(here(`../docs/guide/${name}.md`), "utf8");
    const programs = [...guide.matchAll(/^```ts\n(.*?)^```/gms)].map(([, program]) => program);
    assert.ok(programs.length >= least);
    await writeFile(here(`build/${name}.mts`), programs.join("\n"));

    const args = [
      here("node_modules/typescript-7/bin/tsc"),
      ...["--noEmit", "--ignoreConfig", "--strict", "--exactOptionalPropertyTypes"],
      ...["--target", "es2022", "--lib", "es2022,dom", "--module", "nodenext"],
      `build/${name}.mts`,
    ];
    const run = promisify(execFile)(process.execPath, args, { cwd: here("") });
    const { stdout } = await run.catch((error) => error);

    assert.equal(stdout, "");
  });
}
