// npm `centrifuge` in Node: orders on standard input, what there is to tell on standard output. The
// argument is `json` or `protobuf`.

import { createInterface } from "node:readline";
import WebSocket from "ws";
import { agent } from "./agent.mjs";

const { Centrifuge } = await import(process.argv[2] === "protobuf" ? "centrifuge/build/protobuf" : "centrifuge");
const take = agent(Centrifuge, { websocket: WebSocket }, (what) => process.stdout.write(`${JSON.stringify(what)}\n`));
for await (const line of createInterface(process.stdin)) take(JSON.parse(line));
process.exit(0);
