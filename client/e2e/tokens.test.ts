// Tokens: `Client`, and the pages of the guides, against our server.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WebSocket } from "ws";

import { Client, type ClientOptions } from "../src/client.js";

const program = process.env.HOLDWIRE_BIN;
const withProgram = { skip: program ? false : "HOLDWIRE_BIN names no program" };
const guide = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../docs/guide/${name}.md`, import.meta.url)), "utf8");
const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map((match) => match[1] as string);

const QUICK: ClientOptions = { WebSocket, backoff: { first: 20, cap: 100 }, minUptime: 1 };

const scratch = mkdtempSync(join(tmpdir(), "holdwire-tokens-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The file of the guide, as it is. */
const config = join(scratch, "holdwire.toml");
writeFileSync(config, blocks(guide("token"), "toml")[0] as string);

/** The same, with channels for whoever has a token for them. */
const guarded = join(scratch, "guarded.toml");
const NAMESPACE = '[namespaces.private]\naccess = "token"\nhistory = 100\npublish = true\n';
writeFileSync(guarded, `${readFileSync(config, "utf8")}\n${NAMESPACE}`);

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `never true: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A server with the keys of the guide, and its port. */
async function serve(...more: string[]): Promise<{ child: ChildProcess; port: number }> {
  return serveWith(config, ...more);
}

async function serveWith(file: string, ...more: string[]): Promise<{ child: ChildProcess; port: number }> {
  const args = ["serve", "--listen", "127.0.0.1:0", "--config", file, ...more];
  const child = spawn(program as string, args, { stdio: ["ignore", "pipe", "pipe"] });
  const found = new Promise<number>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream as NodeJS.ReadableStream }).on("line", (line) => {
        const match = /127\.0\.0\.1:(\d+)/.exec(line);
        if (match) resolve(Number(match[1]));
      });
    }
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { child, port: await found };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

function token(...flags: string[]): string {
  const made = spawnSync(program as string, ["token", "make", "--config", config, ...flags]);
  assert.equal(made.status, 0, made.stderr.toString());
  return made.stdout.toString().trim();
}

/** A token that the guide's server takes for its own. */
function signed(claims: object): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const message = `${encode({ alg: "HS256", kid: "2026" })}.${encode(claims)}`;
  return `${message}.${createHmac("sha256", secret()).update(message).digest("base64url")}`;
}

/** The secret of the guide. */
function secret(): string {
  return /secret = "(.*)"/.exec(readFileSync(config, "utf8"))?.[1] as string;
}

/** The program of the guide that makes tokens. */
function programOfTheGuide(): string {
  const path = join(scratch, "token.mjs");
  writeFileSync(path, blocks(guide("token"), "js")[0] as string);
  return path;
}

test("a client with a token function stays connected beyond its first token", withProgram, async () => {
  const { child, port } = await serve("--token-leeway", "1s");
  let asked = 0;
  let downs = 0;
  const client = new Client(`ws://127.0.0.1:${port}/connection`, {
    ...QUICK,
    token: async () => token("--user", "ann", "--info", '{"age":7}', "--expires", asked++ ? "1h" : "2s"),
  });
  client.ondown = () => downs++;
  client.subscribe("chat:lobby");
  await until(() => asked === 2);
  const { position } = await client.publish("chat:lobby", "hello");
  const [member] = await client.presence("chat:lobby");

  assert.deepEqual([position.offset, downs], [1, 0]);
  assert.deepEqual([member?.user, member?.info], ["ann", { age: 7 }]);
  client.close();
  await kill(child);
});

test("a client whose token is not accepted stops, after one more if it has a function", withProgram, async () => {
  const { child, port } = await serve();
  const url = `ws://127.0.0.1:${port}/connection`;
  let asked = 0;
  const forged = token("--user", "ann").replace(/\.[^.]*\./, ".eyJzdWIiOiJib2IifQ.");
  for (const [given, expected] of [
    [forged, 0],
    [async () => (asked++, forged), 2],
    [undefined, 2],
  ] as const) {
    // A line that is open for a moment is no line that was up.
    const { minUptime: _, ...quick } = QUICK;
    const client = new Client(url, { ...quick, ...(given && { token: given }) });
    const [closed] = await Promise.race([
      once(client as never, "close") as Promise<any[]>,
      new Promise<never>((_, reject) => setTimeout(() => reject(new Error(client.state)), 10_000).unref()),
    ]);
    assert.equal(closed.code, 4401, closed.reason);
    assert.equal(asked, expected);
  }
  await kill(child);
});

test("a token that has expired is asked for anew on the same connection", withProgram, async () => {
  const { child, port } = await serve();
  const old = signed({ sub: "ann", exp: 1 });
  let asked = 0;
  let downs = 0;
  const client = new Client(`ws://127.0.0.1:${port}/connection`, {
    ...QUICK,
    token: async () => (asked++ ? token("--user", "ann") : old),
  });
  client.ondown = () => downs++;
  client.subscribe("chat:lobby");
  await until(() => client.isConnected);

  assert.deepEqual([asked, downs], [2, 0]);
  client.close();
  await kill(child);
});

test("the guide's program makes tokens that the guide's server accepts", withProgram, async () => {
  const { tokenFor } = await import(pathToFileURL(programOfTheGuide()).href);

  const args = ["token", "check", tokenFor("ann", secret()), "--config", config];
  const check = spawnSync(program as string, args);

  assert.match(check.stdout.toString(), /accepted: a connection of "ann"/);
});

test("the guide's page comes back with a fresh token and its position", withProgram, async () => {
  const { child, port } = await serve("--token-leeway", "1s");
  const [asking, opening] = blocks(guide("tokens-in-browsers"), "js") as [string, string];
  const said: unknown[] = [];
  let asked = 0;
  let isOver = false;
  const fetch = async () => {
    // A page comes back for ever.
    if (isOver) return new Promise(() => {});
    return new Response(token("--user", "ann", "--expires", asked++ ? "1h" : "1s"));
  };
  const page = `${asking}\n${opening.replace("wss://live.example.com", `ws://127.0.0.1:${port}`)}\nopen();`;
  new Function("fetch", "WebSocket", "console", page)(fetch, WebSocket, { log: (what: unknown) => said.push(what) });
  const client = new Client(`ws://127.0.0.1:${port}/connection`, { ...QUICK, token: token("--user", "bob") });

  await client.publish("chat:lobby", "one");
  await until(() => asked > 1);
  await client.publish("chat:lobby", "two");
  await until(() => said.includes("two"));

  assert.deepEqual(said.filter((what) => what === "two"), ["two"]);
  isOver = true;
  client.close();
  await kill(child);
});

test("a subscription with a token function goes on beyond its first token", withProgram, async () => {
  const { child, port } = await serveWith(guarded, "--token-leeway", "1s");
  let asked = 0;
  const events: string[] = [];
  const client = new Client(`ws://127.0.0.1:${port}/connection`, {
    ...QUICK,
    token: token("--user", "ann"),
  });
  const room = client.subscribe("private:board", {
    token: async ({ channel }) =>
      token("--user", "ann", "--channel", channel, "--expires", asked++ ? "1h" : "2s"),
  });
  for (const name of ["subscribed", "ended"] as const) {
    room.addEventListener(name, () => void events.push(name));
  }
  await until(() => asked === 2);
  await client.publish("private:board", "hello");
  await until(() => room.position?.offset === 1);
  // Longer than the first token and the leeway together: it has not lapsed.
  await new Promise((resolve) => setTimeout(resolve, 3_500));

  assert.deepEqual([asked, events], [2, ["subscribed"]]);
  client.close();
  await kill(child);
});

test("a subscription whose fixed token is too old or for another channel ends", withProgram, async () => {
  const { child, port } = await serveWith(guarded);
  const client = new Client(`ws://127.0.0.1:${port}/connection`, {
    ...QUICK,
    token: token("--user", "ann"),
  });
  const codes: number[] = [];
  const subscribe = (given: NonNullable<Parameters<Client["subscribe"]>[1]>["token"]) => {
    const room = client.subscribe("private:board", given === undefined ? {} : { token: given });
    room.onended = ({ code }) => void codes.push(code);
  };
  const old = signed({ sub: "ann", channel: "private:board", exp: 1_000_000_000 });
  const ends = [old, () => old, token("--user", "ann", "--channel", "private:other")];
  for (const [index, given] of ends.entries()) {
    subscribe(given);
    await until(() => codes.length === index + 1);
  }

  assert.deepEqual(codes, [2109, 2109, 2103]);
  client.close();
  await kill(child);
});
