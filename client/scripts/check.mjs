// Everything that must hold of this package: types, tests, size, what is packed, the documentation.
//
//     npm run check
//
// HOLDWIRE_BIN names the server for the tests that need ours.

import { here, run, typescript } from "./tools.mjs";

const node = (...args) => run(process.execPath, args);

await node(typescript, "-p", "tsconfig.json");
await node(here("scripts/build.mjs"));
await node(here("scripts/test.mjs"));
await node(here("node_modules/typedoc/bin/typedoc"), "--emit", "none");
