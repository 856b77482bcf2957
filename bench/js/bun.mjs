// Bun, whose server is uWebSockets, with its own publish. Who offers permessage-deflate gets it without
// context takeover: a shared compressor keeps no window between messages.
import { BROADCAST_PATH, listenAddress } from "./listen.mjs";

const { host: hostname, port } = listenAddress();

Bun.serve({
  hostname,
  port,
  fetch(request, server) {
    const isBroadcast = new URL(request.url).pathname === BROADCAST_PATH;
    if (!server.upgrade(request, { data: { isBroadcast } })) {
      return new Response("a WebSocket is wanted\n", { status: 426 });
    }
  },
  websocket: {
    perMessageDeflate: { compress: "shared", decompress: "shared" },
    open(socket) {
      if (socket.data.isBroadcast) {
        socket.subscribe(BROADCAST_PATH);
      }
    },
    // The last argument compresses where that was negotiated.
    message(socket, message) {
      if (socket.data.isBroadcast) {
        socket.publish(BROADCAST_PATH, message, true);
      } else {
        socket.send(message, true);
      }
    },
  },
});
