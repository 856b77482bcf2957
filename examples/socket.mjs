// A socket that comes back, in a page or in Node from 22: npm install holdwire && node socket.mjs

import { Socket } from "holdwire/socket";

const socket = new Socket("ws://localhost:3000");
socket.onopen = () => console.log("up");
socket.onmessage = ({ data }) => console.log("received:", data);
socket.ondown = ({ cause, delay }) => console.log(`down (${cause}), again in ${delay} ms`);
socket.onclose = ({ code, reason }) => console.log("stopped:", code, reason);
socket.send("Hello WebSockets!"); // kept until there is a connection
