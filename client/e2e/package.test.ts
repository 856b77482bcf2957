// The package as users get it: its size, its files, its types, in Node and in a page.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { transform } from "esbuild";
import { chromium } from "playwright-core";
import { WebSocketServer } from "ws";

const run = promisify(execFile);
const here = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The promises of the README, in kB of 1,024 bytes. */
const LIMITS = { "holdwire/socket": ["socket.js", 4 * 1_024], holdwire: ["client.js", 10 * 1_024] } as const;

let scratch = "";

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "holdwire-client-"));
  const args = ["pack", "--json", "--pack-destination", scratch];
  const { stdout } = await run("npm", args, { cwd: here("") });
  const [{ filename, files }] = JSON.parse(stdout);
  const paths = files.map(({ path }: { path: string }) => path);
  assert.ok(paths.includes("dist/client.js") && paths.includes("dist/types/client.d.ts"));
  assert.ok(paths.includes("dist/socket.js") && paths.includes("dist/types/socket.d.ts"));
  assert.ok(paths.includes("README.md") && paths.includes("dist/LICENSE-MIT"));
  assert.deepEqual(paths.filter((path: string) => /^(src|test|e2e|node_modules)/.test(path)), []);
  await writeFile(join(scratch, "package.json"), '{"private":true,"type":"module"}');
  const install = ["install", "--offline", "--no-audit", "--no-fund", join(scratch, filename)];
  await run("npm", install, { cwd: scratch });
});

after(() => rm(scratch, { recursive: true, force: true }));

for (const [entry, [file, limit]] of Object.entries(LIMITS)) {
  test(`the entry ${entry} is smaller than ${limit / 1_024} kB`, async (context) => {
    const source = await readFile(here(`dist/${file}`), "utf8");
    const { code } = await transform(source, { minify: true, format: "esm", target: "es2022" });
    const { length } = gzipSync(code, { level: 9 });
    console.log(`${entry}: ${code.length} bytes minified, ${length} gzipped of ${limit}`);
    context.diagnostic(`${length} bytes`);

    assert.ok(length < limit, `${length} bytes`);
  });
}

test("the console of the server has this very module", async () => {
  const [built, kept] = await Promise.all([
    readFile(here("dist/socket.js")),
    readFile(here("../crates/server/console/socket.js")),
  ]);

  assert.ok(built.equals(kept), "run: npm run build -- --console");
});

test("it has no dependency at run time", async () => {
  const { dependencies, peerDependencies } = JSON.parse(await readFile(here("package.json"), "utf8"));
  assert.equal(dependencies ?? peerDependencies, undefined);
  for (const [file] of Object.values(LIMITS)) {
    const source = await readFile(here(`dist/${file}`), "utf8");
    assert.doesNotMatch(source, /^\s*import\b|\bimport\(/m);
  }
});

const USE = `
import { Client, CommandError, type Position, type Published, type Subscription } from "holdwire";
import { Socket, StopError, type DownEvent, type Receipt } from "holdwire/socket";

const socket: Socket = new Socket(
  async ({ attempt, lost }) => {
    if (lost?.code === 4403) throw new StopError("not allowed");
    return \`wss://example.com/ws?attempt=\${attempt}\`;
  },
  ["chat"],
  { heartbeat: { interval: 10_000 }, backoff: { first: 100 }, decisions: { 1000: "stop" } },
);
socket.onopen = () => socket.send("hello");
socket.onmessage = ({ data }) => console.log(data);
socket.addEventListener("down", ({ delay, unknown }: DownEvent) => console.log(delay, unknown.length));
socket.addEventListener("close", ({ code, reason }) => console.log(code, reason));
const receipt: Receipt = socket.send(new Uint8Array(3));
receipt.done.then(({ state, why }) => console.log(state, why));
const like: Pick<WebSocket, "readyState" | "binaryType" | "bufferedAmount" | "url"> = socket;
socket.close(1000, like.url);
// @ts-expect-error: an interval is a number of milliseconds
new Socket("", [], { heartbeat: { interval: "25s" } });
// @ts-expect-error: there is no such event
socket.addEventListener("down", ({ nonsense }) => nonsense);

const client: Client = new Client("wss://example.com/connection", {
  token: async ({ lost }) => \`token after \${lost?.code}\`,
  outbox: { messages: 10 },
  backoff: { first: 100 },
});
const room: Subscription = client.subscribe("chat:lobby", { since: "last", presence: true });
room.onpublication = ({ data, offset, epoch }) => console.log(data, offset + 1, epoch.length);
room.addEventListener("gap", ({ reason, from, to, fork }) => console.log(reason, to - from, fork));
const position: Position | undefined = room.position;
client.publish("chat:lobby", { text: "hello" }).then(
  ({ position, isDuplicate }: Published) => console.log(position.offset, isDuplicate),
  (error) => console.log(error instanceof CommandError && error.known, position?.epoch),
);
// @ts-expect-error: a position has an epoch
client.subscribe("chat:other", { since: 17 });
// @ts-expect-error: there is no such event
room.addEventListener("gap", ({ nonsense }) => nonsense);
`;

for (const [compiler, module, resolution] of [
  ["typescript-7", "esnext", "bundler"],
  ["typescript-7", "nodenext", "nodenext"],
  ["typescript-7", "node16", "node16"],
  ["typescript", "esnext", "bundler"],
  ["typescript", "nodenext", "nodenext"],
  ["typescript", "esnext", "node10"],
] as const) {
  test(`types hold with ${compiler}, strict, moduleResolution ${resolution}`, async () => {
    await writeFile(join(scratch, "use.mts"), USE);
    const args = [
      here(`node_modules/${compiler}/bin/tsc`),
      ...["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022"],
      ...["--lib", "es2022,dom"],
      ...["--module", module, "--moduleResolution", resolution],
      ...(resolution === "node10" ? ["--ignoreDeprecations", "6.0"] : []),
      "use.mts",
    ];
    const { stdout } = await run(process.execPath, args, { cwd: scratch }).catch((error) => error);

    assert.equal(stdout, "");
  });
}

test("Node imports it by its name", async () => {
  const program = `import { Socket } from "holdwire/socket"; import { Client } from "holdwire";
    console.log(Socket.OPEN, typeof Client);`;
  await writeFile(join(scratch, "use.mjs"), program);
  const { stdout } = await run(process.execPath, ["use.mjs"], { cwd: scratch });

  assert.equal(stdout.trim(), "1 function");
});

test("the program that the README shows runs", async () => {
  const server = new WebSocketServer({ port: 0 });
  server.on("connection", (line) => line.on("message", (data) => line.send(String(data))));
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const program = await readFile(here("../examples/socket.mjs"), "utf8");
  await writeFile(join(scratch, "readme.mjs"), program.replace(":3000", `:${port}`));
  const hasClass = Number(process.versions.node.split(".")[0]) > 21;
  const flags = hasClass ? [] : ["--experimental-websocket"];
  const child = spawn(process.execPath, [...flags, "readme.mjs"], { cwd: scratch });
  try {
    let said = "";
    for await (const text of child.stdout) {
      said += text;
      if (said.includes("received:")) break;
    }
    assert.equal(said, "up\nreceived: Hello WebSockets!\n");
  } finally {
    child.kill("SIGKILL");
    server.close();
  }
});

/** The browser on the path. */
const browser = ["chromium", "chromium-browser", "google-chrome"]
  .flatMap((name) => (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name)))
  .find((path) => {
    try {
      accessSync(path);
      return true;
    } catch {
      return false;
    }
  });

const PAGE = `<!doctype html><title>page</title><script type="module">
  import { Socket } from "/socket.js";
  const socket = new Socket("/ws");
  socket.onmessage = ({ data }) => { document.title = data; };
  socket.send("from a page");
</script>`;

const WORKER = `import { Socket } from "/socket.js";
  const socket = new Socket("/ws");
  socket.onmessage = ({ data }) => postMessage(data);
  socket.send("from a worker");`;

test("a page and a worker load it as a module", { skip: !browser && "no Chromium" }, async () => {
  const module = await readFile(join(scratch, "node_modules/holdwire/dist/socket.js"), "utf8");
  const files: Record<string, [string, string]> = {
    "/": ["text/html", PAGE],
    "/socket.js": ["text/javascript", module],
    "/worker.js": ["text/javascript", WORKER],
  };
  const web = createServer(({ url = "" }, response) => {
    const [type, body] = files[url] ?? ["text/plain", ""];
    response.writeHead(body ? 200 : 404, { "content-type": type }).end(body);
  }).listen(0, "127.0.0.1");
  const echo = new WebSocketServer({ server: web, path: "/ws" });
  echo.on("connection", (line) => line.on("message", (data) => line.send(String(data))));
  await once(web, "listening");
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const chrome = await chromium.launch({ executablePath: browser as string, args });
  try {
    const page = await chrome.newPage();
    await page.goto(`http://127.0.0.1:${(web.address() as { port: number }).port}/`);
    await page.waitForFunction(() => document.title === "from a page");
    const answer = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const worker = new Worker("/worker.js", { type: "module" });
          worker.onmessage = ({ data }) => resolve(data);
        }),
    );
    assert.equal(answer, "from a worker");
  } finally {
    await chrome.close();
    for (const line of echo.clients) line.terminate();
    web.close();
  }
});
