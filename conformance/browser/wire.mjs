// A wire between pages and the server that a test can cut, without a Close frame, or hold: it stays
// open and nothing moves.

import { createServer, connect } from "node:net";

/**
 * Listens on loopback and hands bytes to `port`: `{ port, cut(), hold(), mend(), end() }`. What is
 * held or cut stays so; new connections come through when it is mended.
 */
export async function layWire(port) {
  const sockets = new Set();
  let isCut = false;
  const wire = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise((resolve) => wire.listen(0, "127.0.0.1", resolve));
  const drop = () => sockets.forEach((socket) => socket.destroy());
  return {
    port: wire.address().port,
    cut() {
      isCut = true;
      drop();
    },
    hold() {
      isCut = true;
      for (const socket of sockets) socket.unpipe();
    },
    mend() {
      isCut = false;
    },
    end() {
      drop();
      return new Promise((resolve) => wire.close(resolve));
    },
  };
}
