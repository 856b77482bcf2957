// Bun, whose server is uWebSockets, with its own publish. Who offers permessage-deflate gets it without
// context takeover: a shared compressor keeps no window between messages.
import { BROADCAST_PATH, listenAddress } from "./listen.mjs";

const { host: hostname, port } = listenAddress();

const rooms = Bun.serve({
  hostname,
  port,
  fetch(request, server) {
    const { pathname } = new URL(request.url);
    const isBroadcast = pathname === BROADCAST_PATH;
    const room = pathname.startsWith("/ws/") ? pathname : undefined;
    if (!server.upgrade(request, { data: { isBroadcast, room } })) {
      return new Response("a WebSocket is wanted\n", { status: 426 });
    }
  },
  websocket: {
    perMessageDeflate: { compress: "shared", decompress: "shared" },
    open(socket) {
      if (socket.data.isBroadcast) {
        socket.subscribe(BROADCAST_PATH);
      } else if (socket.data.room) {
        socket.subscribe(socket.data.room);
      }
    },
    // The last argument compresses where that was negotiated.
    message(socket, message) {
      if (socket.data.isBroadcast) {
        socket.publish(BROADCAST_PATH, message, true);
      } else if (socket.data.room) {
        // In a room the sender hears it, too.
        rooms.publish(socket.data.room, message);
      } else {
        socket.send(message, true);
      }
    },
  },
});
