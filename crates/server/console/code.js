// The same conversation as ten lines of JavaScript, for the clipboard.

const MAX_TEXT = 120; // UTF-16 units
const MAX_BYTES = 16;

/** The program; `message` is a string or the first bytes of a binary message. */
export function program(url, protocols, message) {
  const names = protocols.map((name) => JSON.stringify(name)).join(", ");
  const offer = protocols.length > 1 ? `, [${names}]` : names && `, ${names}`;
  return [
    `const url = ${JSON.stringify(url)};`,
    `const ws = new WebSocket(url${offer});`,
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
  const tokens = text.matchAll(/("(?:[^"\\]|\\.)*")|\b(const|new)\b|\b(0x[0-9a-f]{2})\b|([^"\w]+|\w+)/g);
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
