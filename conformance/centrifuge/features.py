"""What an SDK can do at the door, feature by feature; each function's first line says what is so."""

import asyncio
import base64
import contextlib
import json

import harness
import websockets
from harness import expect_equal

from line import line
from sdk import PATH, SECONDS, Failed, token

SOME = [{"n": n, "text": 'a "quote", a \\ and ü\u2028'} for n in range(3)]
# The leeway of the suite's server, in seconds.
LEEWAY = 4
ALL = []


def feature(function):
    """Has a function be one of the features."""
    ALL.append(function)
    return function


def sentence(function):
    """What a feature says."""
    return function.__doc__.split("\n")[0].rstrip(".")


class Scene:
    """What a feature plays with: the SDK under test, one of the other encoding, a server."""

    numbers = 0

    def __init__(self, agent, other, served):
        self.agent = agent
        self.other = other
        self.served = served
        self.url = served.url(PATH)

    def channel(self, namespace="open"):
        """A channel that nobody has had."""
        Scene.numbers += 1
        return f"{namespace}:c{Scene.numbers}"

    async def joined(self, *, agent=None, url=None, tokens=None, **options):
        """A client that is connected."""
        client = await (agent or self.agent).client(url or self.url, tokens=tokens, **options)
        await client.connect()
        return client

    async def pair(self, namespace="open"):
        """Two clients, the second of the other encoding, and a channel that both have."""
        channel = self.channel(namespace)
        one, two = await self.joined(), await self.joined(agent=self.other)
        await one.subscribe(channel)
        await two.subscribe(channel)
        return one, two, channel

    def plain(self, channel, query="format=json"):
        """The plain door of a channel."""
        return websockets.connect(self.served.url(f"/ws/{channel}?{query}"), max_queue=None, proxy=None)


async def refused(code, asked):
    """Wants an order to fail with this code."""
    try:
        given = await asked
    except Failed as failed:
        expect_equal(failed.code, code, f"the code of {failed}")
    else:
        raise AssertionError(f"wanted error {code}, and it was done: {given}")


async def over(client, event, code, **members):
    """Wants an event with this code."""
    told = await client.event(event, **members)
    expect_equal(told.get("code"), code, f"the code of {event}: {told.get('reason')}")
    return told


@feature
async def anonymous(scene):
    """It connects without a token, has a name, and disconnects."""
    client = await scene.joined()
    assert client.all("connected")[0]["clientId"], "a client id"
    await client.do("disconnect")
    await over(client, "disconnected", 0)


@feature
async def with_token(scene):
    """It connects with a token, and others see whose it is."""
    client = await scene.joined(token=token("ann", info={"name": "Ann"}))
    channel = scene.channel()
    await client.subscribe(channel)
    (who,) = (await client.do("presence", channel=channel))["clients"]
    expect_equal(who["user"], "ann", "user")
    expect_equal(who["connInfo"], {"name": "Ann"}, "info")
    expect_equal(who["client"], client.all("connected")[0]["clientId"], "client")


@feature
async def with_get_token(scene):
    """It asks the application for its token."""
    client = await scene.joined(tokens=lambda: token("ben"))
    channel = scene.channel("users")
    await client.subscribe(channel)
    (who,) = (await client.do("presence", channel=channel))["clients"]
    expect_equal(who["user"], "ben", "user")


@feature
async def refreshed(scene):
    """It refreshes its token over the live connection, again and again."""
    client = await scene.joined(tokens=lambda: token("cat", expires=3))
    since = client.mark()
    await client.event("token", times=3)
    channel = scene.channel("users")
    await client.subscribe(channel)
    client.is_steady(since)


@feature
async def expired_at_once(scene):
    """It is told that its token has expired, asks for another and comes in."""
    tokens = iter([token("dan", expires=-100), token("dan")])
    client = await scene.joined(tokens=lambda: next(tokens))
    expect_equal(len(client.all("token")), 2, "tokens it asked for")


@feature
async def expired_while_away(scene):
    """It comes back with a token that has expired meanwhile, and gets in with another."""
    async with line(scene.served.port) as wire:
        tokens = iter([token("eve", expires=4), *[token("eve") for _ in range(9)]])
        url = f"ws://127.0.0.1:{wire.port}{PATH}"
        client = await scene.joined(url=url, tokens=lambda: next(tokens))
        channel = scene.channel("users")
        await client.subscribe(channel)
        since = client.mark()
        wire.shut()
        await client.event("connecting", since=since)
        await asyncio.sleep(4 + LEEWAY + 1.5)
        wire.is_open = True
        await client.event("subscribed", since=since, channel=channel)
        expect_equal(len(client.all("token")), 2, "tokens it asked for")


@feature
async def unacceptable(scene):
    """A token that is not accepted ends it for good, with 3500."""
    for bad in (token("fay")[:-4] + "AAAA", "no token", token("fay", aud="somebody else")):
        client = await scene.agent.client(scene.url, token=bad)
        await client.do("connect")
        await over(client, "disconnected", 3500)


@feature
async def subscribes(scene):
    """It subscribes, gets what is published, unsubscribes, and gets no more."""
    one, two, channel = await scene.pair()
    for data in SOME:
        await two.publish(channel, data)
    await one.has(channel, SOME)
    await two.has(channel, SOME)
    expect_equal(one.offsets(channel), [1, 2, 3], "offsets")
    await one.do("unsubscribe", channel=channel)
    await over(one, "unsubscribed", 0, channel=channel)
    await two.publish(channel, "later")
    await two.has(channel, [*SOME, "later"])
    # What was sent to it before comes before this answer.
    with contextlib.suppress(Failed):
        await one.do("presenceStats", channel=channel)
    expect_equal(len(one.data(channel)), 3, "publications")
    since = one.mark()
    # It remembers where it was: the SDKs recover what they missed, or say so.
    again = await one.subscribe(channel)
    if again["wasRecovering"]:
        expect_equal(again["recovered"], True, "recovered")
        await one.has(channel, [*SOME, "later"])
    await two.publish(channel, "again")
    await one.event("publication", since=since, channel=channel, data="again")


@feature
async def publishes(scene):
    """What it publishes comes to both encodings, and what the other publishes comes to it."""
    one, two, channel = await scene.pair()
    values = [{"a": [1, 2.5, None, True]}, "a text", 17, [], {}, False, "", None, '\u0000\u001f"\\/ü😀']
    for data in values:
        await one.publish(channel, data)
    await two.has(channel, values)
    await one.has(channel, values)
    await two.publish(channel, {"back": 1})
    await one.has(channel, [*values, {"back": 1}])


@feature
async def plain_door(scene):
    """The plain door has what it publishes, and it has what is said there."""
    client, channel = await scene.joined(), scene.channel()
    await client.subscribe(channel)
    async with contextlib.AsyncExitStack() as stack:
        plain = await stack.enter_async_context(scene.plain(channel))
        began = await heard(plain, lambda told: "epoch" in told)
        # Raw messages do not tell when they begin.
        query = f"since={began['epoch']}:{began['offset']}"
        raw = await stack.enter_async_context(scene.plain(channel, query))
        await client.publish(channel, {"from": "an SDK"})
        told = await heard(plain, lambda told: "data" in told)
        expect_equal((told["offset"], told["data"]), (1, {"from": "an SDK"}), "at the plain door")
        expect_equal(json.loads(await soon(raw.recv())), {"from": "an SDK"}, "raw")
        await plain.send('{"from":"a page"}')
        await client.event("publication", channel=channel, times=2)
        await raw.send("a text")
        await client.has(channel, [{"from": "an SDK"}, {"from": "a page"}, "a text"])


@feature
async def own_clients(scene):
    """`holdwire sub` has what it publishes, and it has what `holdwire pub` publishes."""
    client, channel = await scene.joined(), scene.channel()
    await client.subscribe(channel)
    url = ["--url", scene.served.url("/connection")]
    async with program("sub", "--json", *url, channel) as sub, program("pub", *url, channel) as pub:

        async def says(member):
            while True:
                told = json.loads(await soon(sub.stdout.readline()))
                if member in told:
                    return told[member]

        await says("subscribed")
        pub.stdin.write(b"one\ntwo\n")
        await pub.stdin.drain()
        await client.has(channel, ["one", "two"])
        await client.publish(channel, {"three": 3})
        said = [await says("publication") for _ in range(3)]
        wanted = [(1, "one"), (2, "two"), (3, {"three": 3})]
        expect_equal([(told["offset"], told["data"]) for told in said], wanted, "what it says")


@feature
async def batches(scene):
    """Commands that come together in one message are all answered, in their order."""
    one, two, channel = await scene.pair()
    values = [{"n": n} for n in range(20)]
    if scene.agent.is_python:
        await asyncio.gather(*[one.publish(channel, data) for data in values])
    else:
        expect_equal(await one.do("batch", channel=channel, values=values), 20, "answers")
    await two.has(channel, values)


@feature
async def binary(scene):
    """Bytes come as they are in Protobuf, and as base64 with a tag in JSON."""
    one, two, channel = await scene.pair()
    binaries = [c for c in (one, two) if c.agent.is_protobuf]
    said = base64.b64encode(bytes([0, 255, 254, 10, 0, 128])).decode()
    await binaries[0].do("publish", channel=channel, bytes=said)
    for client in (one, two):
        told = await client.event("publication", channel=channel)
        if client.agent.is_protobuf:
            expect_equal(told["data"], {"bytes": said}, "data")
        else:
            expect_equal(told["data"], said, "data")
            expect_equal(told["tags"], {"encoding": "base64"}, "tags")


@feature
async def presence(scene):
    """Presence says who is there, and presence_stats how many."""
    channel = scene.channel()
    one = await scene.joined(token=token("gus", info={"a": 1}))
    two = await scene.joined(token=token("gus"), agent=scene.other)
    three = await scene.joined(token=token("hal"))
    for client in (one, two, three):
        await client.subscribe(channel)
    there = (await one.do("presence", channel=channel))["clients"]
    expect_equal(sorted(who["user"] for who in there), ["gus", "gus", "hal"], "users")
    stats = await one.do("presenceStats", channel=channel)
    expect_equal((stats["numClients"], stats["numUsers"]), (3, 2), "clients and users")
    await refused(103, one.do("presence", channel=await silent(scene, one)))


async def silent(scene, client):
    """A channel whose namespace shows nobody."""
    channel = scene.channel("silent")
    await client.subscribe(channel)
    return channel


@feature
async def joins_and_leaves(scene):
    """It is told who joins and who leaves, when it wants to know."""
    channel = scene.channel()
    one = await scene.joined()
    await one.subscribe(channel, joinLeave=True)
    two = await scene.joined(token=token("ida", info={"i": 1}), agent=scene.other)
    await two.subscribe(channel)

    def is_ida(told):
        return told["info"]["user"] == "ida"

    told = await one.event("join", channel=channel, where=is_ida)
    expect_equal(told["info"]["connInfo"], {"i": 1}, "info")
    expect_equal(told["info"]["client"], two.all("connected")[0]["clientId"], "client")
    await two.do("unsubscribe", channel=channel)
    await one.event("leave", channel=channel, where=is_ida)
    await two.subscribe(channel)
    await one.event("join", channel=channel, times=2, where=is_ida)
    await two.do("disconnect")
    await one.event("leave", channel=channel, times=2, where=is_ida)


@feature
async def history(scene):
    """History is read forwards and backwards, from a position, and only so many."""
    one, two, channel = await scene.pair()
    for n in range(1, 6):
        await two.publish(channel, {"n": n})

    async def read(**options):
        page = await one.do("history", channel=channel, options=options)
        return page, [publication["offset"] for publication in page["publications"]]

    nothing, none = await read(limit=0)
    expect_equal((none, nothing["offset"]), ([], 5), "no publications and the newest offset")
    assert nothing["epoch"], "an epoch"
    since = {"epoch": nothing["epoch"]}
    page, offsets = await read(limit=-1)
    expect_equal(offsets, [1, 2, 3, 4, 5], "all")
    expect_equal([p["data"] for p in page["publications"]], [{"n": n} for n in range(1, 6)], "data")
    expect_equal((await read(limit=2))[1], [1, 2], "limit")
    expect_equal((await read(limit=2, reverse=True))[1], [5, 4], "backwards")
    expect_equal((await read(limit=-1, since={**since, "offset": 3}))[1], [4, 5], "since")
    expect_equal((await read(limit=1, since={**since, "offset": 3}))[1], [4], "since, one")
    backwards = await read(limit=2, reverse=True, since={**since, "offset": 4})
    expect_equal(backwards[1], [3, 2], "backwards since")


@feature
async def lost_history(scene):
    """History from a position that is not kept is error 112."""
    client, channel = await scene.joined(), scene.channel("brief")
    await client.subscribe(channel)
    for n in range(12):
        await client.publish(channel, n)
    epoch = (await client.do("history", channel=channel, options={"limit": 0}))["epoch"]
    for since in ({"epoch": epoch, "offset": 2}, {"epoch": "another", "offset": 11}):
        options = {"limit": -1, "since": since}
        await refused(112, client.do("history", channel=channel, options=options))


@feature
async def rpc(scene):
    """A method that nobody has is error 104."""
    client = await scene.joined()
    await refused(104, client.do("rpc", method="nothing", data={"a": 1}))


@feature
async def sends(scene):
    """A message without an answer has no taker here: 3508, for good."""
    if scene.agent.is_python:  # has no such method
        return
    client = await scene.joined()
    since = client.mark()
    with contextlib.suppress(Failed):
        await client.do("send", data={"a": 1})
    await over(client, "disconnected", 3508, since=since)


@feature
async def pings(scene):
    """Pings of the server keep an idle connection."""
    client = await scene.joined(maxServerPingDelay=15_000)
    other = await scene.joined(agent=scene.other, maxServerPingDelay=15_000)
    since = client.mark(), other.mark()
    # The heartbeat is one second: the time for its answer and more passes.
    await asyncio.sleep(8)
    await client.subscribe(scene.channel())
    client.is_steady(since[0])
    other.is_steady(since[1])


@feature
async def subscription_tokens(scene):
    """A subscription has a token of its own, which is refreshed."""
    channel = scene.channel("private")
    client = await scene.joined(token=token("lea"))

    def tokens():
        return token("lea", expires=3, channel=channel)

    await client.subscribe(channel, tokens=tokens)
    since = client.mark()
    await client.event("token", channel=channel, times=3)
    other = await scene.joined(agent=scene.other, token=token("lea"))
    await other.subscribe(channel, token=token("lea", channel=channel))
    await other.publish(channel, {"n": 1})
    await client.has(channel, [{"n": 1}])
    expect_equal(client.all("unsubscribed", since) + client.all("subscribing", since), [], "ends")
    client.is_steady(since)


@feature
async def foreign_subscription_token(scene):
    """A token for another channel ends that subscription with 103."""
    channel = scene.channel("private")
    client = await scene.joined(token=token("mia"))
    bad = token("mia", channel=channel + "x")
    await client.do("subscribe", channel=channel, options={"token": bad})
    await over(client, "unsubscribed", 103, channel=channel)


@feature
async def expired_subscription_token(scene):
    """A subscription whose token has expired asks for another one and goes on."""
    channel = scene.channel("private")
    client = await scene.joined(token=token("nat"))
    tokens = iter([token("nat", expires=-100, channel=channel), token("nat", channel=channel)])
    await client.subscribe(channel, tokens=lambda: next(tokens))
    expect_equal(len(client.all("token", channel=channel)), 2, "tokens it asked for")


@feature
async def forbidden(scene):
    """A channel that is not for it ends that subscription with 103, and no other."""
    client, good = await scene.joined(token=token("oda")), scene.channel()
    await client.subscribe(good)
    channel = scene.channel("private")
    since = client.mark()
    await client.do("subscribe", channel=channel, options={})
    await over(client, "unsubscribed", 103, channel=channel)
    await client.publish(good, "still")
    await client.has(good, ["still"])
    await refused(103, client.publish(scene.channel("silent"), 1))
    client.is_steady(since)


@feature
async def unknown(scene):
    """A channel whose namespace is not there ends that subscription with 102."""
    client = await scene.joined()
    channel = scene.channel("nowhere")
    await client.do("subscribe", channel=channel, options={})
    await over(client, "unsubscribed", 102, channel=channel)
    await refused(102, client.publish(channel, 1))


@feature
async def too_many(scene):
    """A hundred and twenty-eight channels are had, and one more is error 106."""
    client = await scene.joined()
    channels = [scene.channel() for _ in range(128)]
    await asyncio.gather(*[client.subscribe(channel) for channel in channels])
    more = scene.channel()
    await client.do("subscribe", channel=more, options={})
    await over(client, "unsubscribed", 106, channel=more)


async def soon(what):
    """Waits, and not for ever."""
    try:
        return await asyncio.wait_for(what, SECONDS)
    except TimeoutError:
        raise AssertionError(f"nothing for {SECONDS} s from {what}") from None


async def heard(plain, is_it):
    """The first message at the plain door of which this is so."""
    while True:
        told = json.loads(await soon(plain.recv()))
        if is_it(told):
            return told


@contextlib.asynccontextmanager
async def program(*command):
    """A command of the program, with pipes."""
    child = await asyncio.create_subprocess_exec(
        harness.binary(),
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=harness.clean_environment(),
    )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
