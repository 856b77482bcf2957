"""The request that every introduction to WebSocket shows, sent byte for byte."""

import asyncio

from harness import expect_equal

REQUEST = (
    b"GET / HTTP/1.1\r\n"
    b"Host: localhost:8080\r\n"
    b"Origin: http://127.0.0.1:3000\r\n"
    b"Connection: Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Protocol: chat, superchat\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: w4v7O6xFTi36lq3RNcgctw==\r\n"
    b"\r\n"
)
ACCEPT = "Oy4NRAQ13jhfONC7bP8dTKb4PTU="
GREETING = b"Information from the server"


async def check(port):
    """The answer has the accept value and the subprotocol; the greeting is the first frame."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        status, *lines = head.strip().split("\r\n")
        expect_equal(status.split(" ")[:2], ["HTTP/1.1", "101"], "status")
        fields = {name.lower(): value.strip() for name, value in (l.split(":", 1) for l in lines)}
        expect_equal(fields.get("upgrade", "").lower(), "websocket", "Upgrade")
        expect_equal(fields.get("connection", "").lower(), "upgrade", "Connection")
        expect_equal(fields.get("sec-websocket-accept"), ACCEPT, "Sec-WebSocket-Accept")
        expect_equal(fields.get("sec-websocket-protocol"), "chat", "Sec-WebSocket-Protocol")
        expect_equal("sec-websocket-extensions" in fields, False, "an extension nobody offered")
        frame = await reader.readexactly(2 + len(GREETING))
        expect_equal(frame, bytes([0x81, len(GREETING)]) + GREETING, "first frame")
    finally:
        writer.close()
