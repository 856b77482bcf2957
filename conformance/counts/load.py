"""Clients by hand: blocking sockets and prepared bytes, so that every event is one write."""

import resource
import socket
import struct

# Connections come from many addresses, so that no limit for one address is met.
SOURCES = 100
PATIENCE = 10

REQUEST = (
    "GET /echo HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: w4v7O6xFTi36lq3RNcgctw==\r\n\r\n"
)


def raise_open_files():
    """Lets this process and its children open as many files as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Load:
    """Open connections to `/echo`; the end of the block closes them."""

    def __init__(self, port, connections):
        self.sockets = []
        try:
            for number in range(connections):
                self.sockets.append(opened(port, number))
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes all connections at once, without a closing handshake."""
        for one in self.sockets:
            one.close()

    def echo(self, payload, in_flight):
        """Sends so many messages on each connection in one write, and waits for the answers."""
        masked = binary(payload, 0x80) + bytes(4 + payload)
        answer = (binary(payload, 0) + bytes(payload)) * in_flight
        for one in self.sockets:
            one.sendall(masked * in_flight)
        for one in self.sockets:
            if received(one, len(answer)) != answer:
                raise AssertionError("the answer is not the echo")


def opened(port, number):
    """A connection with its opening handshake done."""
    one = socket.create_connection(
        ("127.0.0.1", port), timeout=PATIENCE, source_address=(f"127.0.0.{2 + number % SOURCES}", 0)
    )
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.sendall(REQUEST.format(port=port).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += received(one, 1)
    if not head.startswith(b"HTTP/1.1 101 "):
        raise AssertionError(f"the opening handshake was refused: {head!r}")
    return one


def received(one, count):
    """Exactly so many bytes."""
    taken = bytearray()
    while len(taken) < count:
        part = one.recv(count - len(taken))
        if not part:
            raise ConnectionError("the server ended the connection")
        taken += part
    return bytes(taken)


def binary(payload, masked):
    """The first bytes of a whole binary message, up to its length."""
    if payload < 126:
        return bytes([0x82, masked | payload])
    return struct.pack(">BBH", 0x82, masked | 126, payload)
