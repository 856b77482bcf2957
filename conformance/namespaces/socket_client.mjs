// The TypeScript `Socket` in Node, driven by lines: each line of standard input is a message, each
// event a line of standard output. Its one argument is JSON: url, module, and times in milliseconds.

import { createInterface } from "node:readline";
import WebSocket from "ws";

const { url, module, interval, timeout, connectTimeout, cap } = JSON.parse(process.argv[2]);
const { Socket } = await import(module);
const options = { heartbeat: { interval, timeout }, backoff: { cap }, connectTimeout, WebSocket };
const socket = new Socket(url, [], options);

socket.onconnecting = ({ attempt }) => console.log(`attempt ${attempt}`);
socket.onopen = () => console.log("open");
socket.ondown = ({ cause, delay }) => console.log(`down: ${cause}, next attempt in ${delay} ms`);
socket.onclose = ({ code }) => console.log(`stopped: ${code}`);
createInterface(process.stdin).on("line", (line) => socket.send(line));
