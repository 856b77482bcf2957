// The TypeScript client in Node. Its one argument is JSON; as a publisher it is driven by lines of
// standard input, `CHANNEL PAYLOAD`.

import { createInterface } from "node:readline";
import WebSocket from "ws";
import { publisher, read } from "./client.mjs";

const { module, role, options, ...settings } = JSON.parse(process.argv[2]);
const { Client } = await import(module);
const setting = { ...settings, options: { ...options, WebSocket } };
const tell = (what) => console.log(JSON.stringify(what));

if (role === "reader") {
  read(Client, setting, tell);
} else {
  const out = publisher(Client, setting, tell);
  for await (const line of createInterface(process.stdin)) {
    const at = line.indexOf(" ");
    out.publish(line.slice(0, at), line.slice(at + 1));
  }
  await out.end();
  tell({ done: true });
}
