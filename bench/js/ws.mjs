// npm ws, with the two native helpers that it finds by itself. Who offers permessage-deflate gets it
// without context takeover.
import { WebSocketServer } from "ws";
import { BROADCAST_PATH, listenAddress } from "./listen.mjs";

const room = new Set();
const server = new WebSocketServer({
  ...listenAddress(),
  perMessageDeflate: {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    threshold: 0,
  },
});

server.on("connection", (socket, request) => {
  socket.on("error", () => {});
  if (request.url !== BROADCAST_PATH) {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    return;
  }
  room.add(socket);
  socket.on("close", () => room.delete(socket));
  socket.on("message", (data, isBinary) => {
    for (const other of room) {
      if (other !== socket) {
        other.send(data, { binary: isBinary });
      }
    }
  });
});
