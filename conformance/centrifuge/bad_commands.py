"""Commands that no SDK would send, and what becomes of each: an error, or the connection's end.

Each is sent over a raw WebSocket. After each the server serves somebody else, and at the end its
memory is what it was, but for a bound.
"""

import asyncio
import contextlib
import json

import websockets
from centrifuge.protocol import client_pb2
from harness import expect_equal

from sdk import PATH, SECONDS, token

JSON, PROTOBUF, OWN = "centrifuge-json", "centrifuge-protobuf", "holdwire.v1"
# The most that the server's memory may have grown by when all is over.
MEMORY_BYTES = 96 << 20
DEEP = 10_000
CHANNEL = "open:bad"


def varint(number):
    """A number as Protobuf writes it."""
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def command(number, **members):
    """A command in Protobuf, behind its length."""
    body = client_pb2.Command(id=number, **members).SerializeToString()
    return varint(len(body)) + body


def field(number, body):
    """A member of bytes in Protobuf."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def behind(body):
    """Bytes behind their length."""
    return varint(len(body)) + body


class Case:
    """What is sent after the greeting (or instead of one), and what is wanted."""

    def __init__(self, name, *sent, error=None, close=None, greet=True):
        self.name = name
        self.sent = sent
        self.error = error
        self.close = close
        self.greet = greet


def named(channel):
    """A command for a channel with such a name."""
    return json.dumps({"id": 2, "subscribe": {"channel": channel}})


NESTED = "[" * DEEP + "]" * DEEP
OBJECTS = '{"a":' * DEEP + "1" + "}" * DEEP
NAMES = {
    "a quote": 'open:a"b',
    "a control character": "open:a\u0001b",
    "a line's end": "open:a\nb",
    "a backslash": "open:a\\b",
    "a space": "open:a b",
    "letters beyond ASCII": "open:ü",
    "no letter": "",
    "more than 255 letters": "open:" + "x" * 251,
}


def written(bad, nowhere):
    """Cases of JSON that both doors have; `bad` is the close code for what is no command, `nowhere` the
    error for a position without members.
    """
    return [
        Case("half an object", '{"id":2,"publish":{', close=bad),
        Case("a word", "hello", close=bad),
        Case("an array", '[{"id":2,"ping":{}}]', close=bad),
        Case("a number", "17", close=bad),
        Case("null", "null", close=bad),
        Case("an id that is a text", '{"id":"2","ping":{}}', close=bad),
        Case("an id below zero", '{"id":-2,"ping":{}}', close=bad),
        Case("an id with a fraction", '{"id":2.5,"ping":{}}', close=bad),
        Case("an id beyond all bounds", '{"id":1e300,"ping":{}}', close=bad),
        Case("the id 0", '{"id":0,"ping":{}}', close=bad),
        Case("no id", '{"history":{"channel":"open:a"}}', close=bad),
        Case("a number for a command", '{"id":2,"publish":7}', close=bad),
        Case("a number for a channel", '{"id":2,"subscribe":{"channel":7}}', close=bad),
        Case(
            "an object for an offset",
            '{"id":2,"history":{"channel":"open:a","since":{"epoch":"a.0","offset":{}}}}',
            close=bad,
        ),
        Case(
            "an offset below zero",
            '{"id":2,"subscribe":{"channel":"open:a","recover":true,"epoch":"a.0","offset":-1}}',
            close=bad,
        ),
        Case(
            "two names", '{"id":2,"history":{"channel":"open:a"},"presence":{"channel":"open:a"}}', close=bad
        ),
        Case("a member twice", '{"id":2,"id":3,"history":{"channel":"open:a"}}', close=bad),
        Case("a connect in a connection", '{"id":2,"connect":{}}', error=107),
        Case("something behind a command", '{"id":2,"ping":{}}}', close=bad),
        Case("an unknown command", '{"id":2,"fly":{"channel":"open:a"}}', error=104),
        Case("no command", '{"id":2}', error=104),
        Case("objects in objects, ten thousand", f'{{"id":2,"fly":{OBJECTS}}}', error=104),
        Case(
            "objects in what it would read",
            f'{{"id":2,"history":{{"channel":"open:a","since":{OBJECTS}}}}}',
            error=nowhere,
        ),
        Case("arrays in arrays for a channel", f'{{"id":2,"subscribe":{{"channel":{NESTED}}}}}', close=bad),
        Case("arrays in arrays as data", f'{{"id":2,"publish":{{"channel":"{CHANNEL}","data":{NESTED}}}}}'),
        Case("what is no UTF-8", b"\x81\xff\xfe", close=1007),
        Case(
            "more than a message may have", '{"id":2,"rpc":{"method":"' + "x" * (1 << 20) + '"}}', close=1009
        ),
        *[Case(f"a channel with {what}", named(name), error=107) for what, name in NAMES.items()],
        Case("a channel of nobody", named("nowhere:a"), error=102),
        Case("a token in place of a token", '{"id":2,"refresh":{"token":"x"}}', close="unauthorized"),
    ]


CASES = {
    JSON: [
        *written(3501, 112),
        Case(
            "a command before connect",
            '{"id":2,"publish":{"channel":"open:a","data":1}}',
            close=3501,
            greet=False,
        ),
        Case("nothing at all", close=3502, greet=False),
        Case("a subscription twice", named(CHANNEL) + "\n" + named(CHANNEL).replace("2", "3"), error=105),
        Case("a good command before a bad one", '{"id":2,"history":{"channel":"open:a"}}\nhello', close=3501),
    ],
    PROTOBUF: [
        Case("a text", "hello", close=3501),
        Case("half a varint", b"\x80", close=3501),
        Case("a varint of eleven bytes", b"\xff" * 11, close=3501),
        Case("a varint that ends in zeros", b"\x82" + b"\x80" * 8 + b"\x00\x08\x02", error=104),
        Case("a length of 4 GiB", varint(1 << 32) + b"\x08\x02", close=3501),
        Case("a length of all bits", varint((1 << 64) - 1) + b"\x08\x02", close=3501),
        Case("a length beyond the message", b"\x7f\x08\x02", close=3501),
        Case("a member beyond the command", behind(b"\x08\x02\x2a\x7f"), close=3501),
        Case("a member of 4 GiB", behind(b"\x08\x02\x2a" + varint(1 << 32)), close=3501),
        Case("a kind of member that is none", behind(b"\x0f\x08\x02"), close=3501),
        Case("the member 0", behind(b"\x02\x00"), close=3501),
        Case("a number for a command", behind(b"\x08\x02\x28\x01"), close=3501),
        Case(
            "groups in groups, ten thousand",
            behind(b"\x08\x02" + b"\x7b" * DEEP + b"\x7c" * DEEP),
            close=3501,
        ),
        Case("a channel that is no UTF-8", behind(b"\x08\x02" + field(5, field(1, b"\xff\xfe"))), close=3501),
        Case("the id 0", command(0, history={"channel": "open:a"}), close=3501),
        Case(
            "two names", command(2, history={"channel": "open:a"}, presence={"channel": "open:a"}), close=3501
        ),
        Case("a connect in a connection", command(2, connect={}), error=107),
        Case("no command", command(2), error=104),
        Case("an unknown command", behind(b"\x08\x02" + field(77, b"")), error=104),
        Case("a command before connect", command(2, presence={"channel": "open:a"}), close=3501, greet=False),
        Case(
            "a good command before a bad one", command(2, history={"channel": "open:a"}) + b"\x80", close=3501
        ),
        Case("more than a message may have", command(2, rpc={"method": "x" * (1 << 20)}), close=1009),
        *[
            Case(f"a channel with {what}", command(2, subscribe={"channel": name}), error=107)
            for what, name in NAMES.items()
        ],
        Case("a channel of nobody", command(2, subscribe={"channel": "nowhere:a"}), error=102),
        Case("a token in place of a token", command(2, refresh={"token": "x"}), close="unauthorized"),
    ],
    OWN: [
        *written(4400, 107),
        Case("bytes", b"{}", close=4400),
        Case("two commands", '{"id":2,"ping":{}}\n{"id":3,"ping":{}}', close=4400),
        Case(
            "a command before connect",
            '{"id":2,"publish":{"channel":"open:a","data":1}}',
            error=101,
            greet=False,
        ),
        Case("nothing at all", close=4408, greet=False),
    ],
}
UNAUTHORIZED = {JSON: 3500, PROTOBUF: 3500, OWN: 4401}


def connecting(served, door):
    """A raw connection to a door."""
    path = "/connection" if door == OWN else PATH
    return websockets.connect(
        served.url(path), subprotocols=[door], max_size=None, max_queue=None, proxy=None
    )


def greeting(door, **members):
    """The first command."""
    return command(1, connect=members) if door == PROTOBUF else json.dumps({"id": 1, "connect": members})


def replies(message):
    """The replies of a message."""
    if isinstance(message, str):
        return [json.loads(part) for part in message.split("\n") if part]
    told, at = [], 0
    while at < len(message):
        length, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        reply = client_pb2.Reply.FromString(message[at : at + length])
        at += length
        error = {"error": {"code": reply.error.code}} if reply.HasField("error") else {}
        told.append({"id": reply.id, **error})
    return told


async def answered(socket, number, error=None):
    """Waits for the reply to a command; pings and all else go by."""
    async with asyncio.timeout(SECONDS):
        while True:
            for reply in replies(await socket.recv()):
                if reply.get("id") == number and (error is None or reply.get("error")):
                    return reply


async def sends(case, door, served):
    """Plays one case."""
    async with connecting(served, door) as socket:
        if case.greet:
            await socket.send(greeting(door))
            await answered(socket, 1)
        for message in case.sent:
            with contextlib.suppress(websockets.ConnectionClosed):
                if message == b"\x81\xff\xfe":
                    # A text message that `websockets` itself would not send.
                    async with socket.send_context():
                        socket.protocol.send_text(message[1:])
                else:
                    await socket.send(message)
        try:
            if case.error or not case.close:
                number = 3 if "twice" in case.name else 2
                reply = await answered(socket, number)
                expect_equal(reply.get("error", {}).get("code"), case.error, "the error's code")
                return
            async with asyncio.timeout(SECONDS):
                heard = []
                while True:
                    heard += replies(await socket.recv())
        except websockets.ConnectionClosed as closed:
            got = closed.rcvd and closed.rcvd.code
            wanted = UNAUTHORIZED[door] if case.close == "unauthorized" else case.close
            expect_equal(got, wanted, f"the close code ({closed.rcvd and closed.rcvd.reason})")
        except TimeoutError:
            raise AssertionError(f"the connection stays, and has said {heard}"[:300]) from None


async def is_well(served):
    """Somebody else is served, over both doors."""
    for door in (JSON, PROTOBUF, OWN):
        async with connecting(served, door) as socket:
            await socket.send(greeting(door))
            await answered(socket, 1)
            data = b"1" if door == PROTOBUF else 1
            publish = {"channel": "open:well", "data": data}
            sent = (
                command(2, publish=publish) if door == PROTOBUF else json.dumps({"id": 2, "publish": publish})
            )
            await socket.send(sent)
            expect_equal((await answered(socket, 2)).get("error"), None, "an error")


def bad(door, case):
    """One case as a check."""

    async def play(served):
        await sends(case, door, served)
        await is_well(served)

    wanted = f"error {case.error}" if case.error else f"the end: {case.close}" if case.close else "taken"
    return door, f"{case.name}, {wanted}", play


async def floods(served):
    """For a client that sends twenty thousand commands and reads none of the replies."""
    for door in (JSON, PROTOBUF, OWN):
        async with connecting(served, door) as socket:
            socket.transport.pause_reading()
            await socket.send(greeting(door))

            async def all_of_them(socket=socket, door=door):
                for number in range(2, 20_002):
                    ask = {"channel": "open:flood"}
                    sent = (
                        command(number, history=ask)
                        if door == PROTOBUF
                        else json.dumps({"id": number, "history": ask})
                    )
                    await socket.send(sent)

            # The server takes no more at some time: then it holds the client back.
            with contextlib.suppress(TimeoutError, websockets.ConnectionClosed):
                await asyncio.wait_for(all_of_them(), 4)
            await is_well(served)
            socket.transport.abort()


async def resumes(served):
    """A session's secret works once, and a guessed one never."""
    async with connecting(served, OWN) as first:
        await first.send(greeting(OWN, token=token("ann")))
        secret = json.loads(await first.recv())["connect"]["session"]
        first.transport.abort()
    users = []
    for shown in (secret, secret, secret[:-2] + "zz", "", "x" * 5_000):
        async with connecting(served, OWN) as socket:
            await socket.send(greeting(OWN, session=shown))
            reply = await answered(socket, 1)
            users.append(reply.get("connect", {}).get("resumed", False))
    expect_equal(users, [True, False, False, False, False], "resumed")


async def tokens_of_others(served):
    """A session of one user is not had with the token of another."""
    async with connecting(served, OWN) as first:
        await first.send(greeting(OWN, token=token("ann")))
        secret = json.loads(await first.recv())["connect"]["session"]
        first.transport.abort()
    async with connecting(served, OWN) as socket:
        await socket.send(greeting(OWN, session=secret, token=token("eve")))
        reply = await answered(socket, 1)
        channel = "users:whose"
        await socket.send(json.dumps({"id": 2, "subscribe": {"channel": channel}}))
        await answered(socket, 2)
        await socket.send(json.dumps({"id": 3, "presence": {"channel": channel}}))
        there = (await answered(socket, 3))["presence"]["presence"]
        (who,) = {one["user"] for one in there.values()}
        # Either it is Ann's session or Eve's new one, never Ann's name by Eve's token.
        expect_equal(who, "ann" if reply["connect"]["resumed"] else "eve", "user")


async def publishers(served):
    """A publisher of another user is not had, and its numbers neither."""
    channel = "users:numbers"

    async def greeted(socket, **members):
        await socket.send(greeting(OWN, **members))
        return (await answered(socket, 1))["connect"]["publisher"]

    async def publish(socket, number, n):
        await socket.send(json.dumps({"id": number, "publish": {"channel": channel, "data": "x", "n": n}}))
        return await answered(socket, number)

    async with connecting(served, OWN) as one, connecting(served, OWN) as two:
        ann = await greeted(one, token=token("ann"))
        given = (await publish(one, 2, 1))["publish"]
        eve = await greeted(two, token=token("eve"), publisher=ann)
        assert eve != ann, "Eve has Ann's publisher"
        foreign = (await publish(two, 2, 1))["publish"]
        assert not foreign.get("dup"), "Ann's number counts for Eve"
        again = (await publish(one, 3, 1))["publish"]
        expect_equal((again["offset"], again.get("dup")), (given["offset"], True), "Ann's own, again")
        expect_equal((await publish(one, 4, 9))["error"]["code"], 150, "a number left out")


async def replays(served):
    """A token is good for two connections, until it expires, and for nobody else's channel."""
    shown = token("ann", channel="private:a")
    for _ in range(2):
        async with connecting(served, JSON) as socket:
            await socket.send(greeting(JSON, token=token("ann")))
            await answered(socket, 1)
            ask = {"channel": "private:a", "token": shown}
            await socket.send(json.dumps({"id": 2, "subscribe": ask}))
            expect_equal((await answered(socket, 2)).get("error"), None, "an error")
    for user, channel in (("eve", "private:a"), ("ann", "private:b")):
        async with connecting(served, JSON) as socket:
            await socket.send(greeting(JSON, token=token(user)))
            await answered(socket, 1)
            await socket.send(json.dumps({"id": 2, "subscribe": {"channel": channel, "token": shown}}))
            expect_equal((await answered(socket, 2))["error"]["code"], 103, f"{user} in {channel}")


def resident(served):
    """Bytes of memory that the server has."""
    with open(f"/proc/{served.process.child.pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")


def all_of_them():
    """All checks, each a door, a sentence and what plays it."""
    whole = (floods, resumes, tokens_of_others, publishers, replays)
    yield from (bad(door, case) for door, cases in CASES.items() for case in cases)
    yield from (("both doors", function.__doc__.split("\n")[0].rstrip("."), function) for function in whole)


async def run(checks, wanted, served):
    """Runs all that are wanted, and looks at the memory."""
    before = resident(served)
    many = asyncio.Semaphore(4)

    async def one(door, sentence, play):
        async with many:
            await checks.run(f"{door}: {sentence}", play, served, seconds=4 * SECONDS)

    await asyncio.gather(*[one(*check) for check in all_of_them() if wanted(check[0], check[1])])

    async def grown():
        more = resident(served) - before
        assert more < MEMORY_BYTES, f"it has {more >> 20} MiB more than before"

    await checks.run("the server's memory has not grown by all this", grown)
