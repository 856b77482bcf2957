// What both servers share: where to listen, and the path that broadcasts.

// On this path every message goes to all other connections of the path, on others back.
export const BROADCAST_PATH = "/broadcast";

// The host and the port of `--listen ADDRESS:PORT`.
export function listenAddress() {
  const given = process.argv[process.argv.indexOf("--listen") + 1];
  const [, host, port] = /^(.+):(\d+)$/.exec(given ?? "") ?? [];
  if (host === undefined) {
    throw new Error("say where to listen: --listen 127.0.0.1:PORT");
  }
  return { host, port: Number(port) };
}
