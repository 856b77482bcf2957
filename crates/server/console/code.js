// The same conversation as ten lines of JavaScript, for the clipboard: with and without coming back.

const MAX_TEXT = 120; // UTF-16 units
const MAX_BYTES = 16;

/** With our `Socket`, which comes back; `message` is a string or the first bytes of a binary one. */
export function returningProgram(url, protocols, message) {
  return [
    `import { Socket } from "holdwire/socket";`,
    ``,
    `const url = ${JSON.stringify(url)};`,
    `const socket = new Socket(url${offer(protocols)});`,
    `socket.onopen = () => console.log("up");`,
    `socket.ondown = ({ cause, delay }) =>`,
    `  console.log("down", cause, delay);`,
    `socket.onmessage = ({ data }) =>`,
    `  console.log("received", data);`,
    `socket.send(${literal(message)});`,
  ].join("\n");
}

/** With the browser's own `WebSocket`. */
export function plainProgram(url, protocols, message) {
  return [
    `const url = ${JSON.stringify(url)};`,
    `const ws = new WebSocket(url${offer(protocols)});`,
    `ws.binaryType = "arraybuffer";`,
    `ws.onopen = () => {`,
    `  ws.send(${literal(message)});`,
    `};`,
    `ws.onmessage = ({ data }) =>`,
    `  console.log("received", data);`,
    `ws.onclose = ({ code, reason }) =>`,
    `  console.log("closed", code, reason);`,
  ].join("\n");
}

function offer(protocols) {
  const names = protocols.map((name) => JSON.stringify(name)).join(", ");
  return protocols.length > 1 ? `, [${names}]` : names && `, ${names}`;
}

function literal(message) {
  if (typeof message === "string") {
    return JSON.stringify(message.length > MAX_TEXT ? `${message.slice(0, MAX_TEXT)}…` : message);
  }
  const bytes = Array.from(message.subarray(0, MAX_BYTES), (byte) => `0x${byte.toString(16).padStart(2, "0")}`);
  const cut = message.length > MAX_BYTES ? ", /* … */" : "";
  return `new Uint8Array([${bytes.join(", ")}${cut}])`;
}

/** Writes the program into `target` with its strings, keywords and numbers marked. */
export function showProgram(target, text) {
  const tokens = text.matchAll(/("(?:[^"\\]|\\.)*")|\b(const|new|import|from)\b|\b(0x[0-9a-f]{2})\b|([^"\w]+|\w+)/g);
  target.replaceChildren(
    ...Array.from(tokens, ([token, string, keyword, number]) => {
      const name = string ? "string" : keyword ? "keyword" : number ? "number" : "";
      if (!name) return token;
      const span = document.createElement("span");
      span.className = name;
      span.textContent = token;
      return span;
    }),
  );
}

/** Copies text; the clipboard API needs a secure page, so plain http on a LAN takes the old way. */
export async function copyText(text, shownIn) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(shownIn);
    document.execCommand("copy");
  }
}
