"""Every method that `cent` has and we have, against sessions of both protocols."""

import asyncio
import time

import cent
import world
from harness import expect_equal
from world import DOORS, KEY, Own, Sdk, fresh

ALL = []


def method(function):
    """Has a function be one of these."""
    ALL.append(function)
    return function


class Sync:
    """`cent.Client`."""

    name = "Client"

    def __init__(self, url, key=KEY):
        self.client = cent.Client(url, key)

    def __getattr__(self, name):
        call = getattr(self.client, name)
        return lambda *asked: asyncio.to_thread(call, *asked)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.client._session.close()


class Async(cent.AsyncClient):
    """`cent.AsyncClient`."""

    name = "AsyncClient"

    def __init__(self, url, key=KEY):
        super().__init__(url, key)


BACKENDS = (Sync, Async)


async def refused(code, call):
    """Fails unless a call is refused with this code."""
    try:
        result = await call
    except cent.CentApiResponseError as error:
        expect_equal(error.code, code, "the code of the error")
        return
    raise AssertionError(f"not refused: {result!r}")


def data(result):
    """What was published."""
    return [publication.data for publication in result.publications]


@method
async def publish_reaches_every_subscriber(backend, served):
    channel = fresh()
    async with Own.of(served, "ann", channel) as own, Sdk.of(served, "bob", channel) as sdk:
        for offset, sent in enumerate([{"n": 1}, "text", 2.5, False, [None]], 1):
            placed = await backend.publish(cent.PublishRequest(channel=channel, data=sent))
            expect_equal(placed.offset, offset, "offset")
            for session in (own, sdk):
                await session.is_told("publication", channel=channel, offset=offset, data=sent)


@method
async def publication_that_is_repeated_is_there_once(backend, served):
    channel = fresh()
    asked = cent.PublishRequest(channel=channel, data=1, idempotency_key="k")
    async with Own.of(served, None, channel) as own:
        first, again = await backend.publish(asked), await backend.publish(asked)
        expect_equal((again.offset, again.epoch), (first.offset, first.epoch), "the place")
        await backend.publish(cent.PublishRequest(channel=channel, data=2))
        for offset in (1, 2):
            await own.is_told("publication", offset=offset, data=offset)
    await refused(107, backend.publish(cent.PublishRequest(channel=channel, data=3, idempotency_key="k")))


@method
async def broadcast_says_what_became_of_each(backend, served):
    channels = [fresh(), "nowhere:a", fresh("bare")]
    async with Own.of(served, "ann", channels[0], channels[2]) as own:
        asked = cent.BroadcastRequest(channels=channels, data={"all": True}, idempotency_key="once")
        first, again = await backend.broadcast(asked), await backend.broadcast(asked)
        for result in (first, again):
            good, bad, bare = result.responses
            expect_equal((good.result.offset, bad.error.code, bare.result.offset), (1, 102, 1), "responses")
        for channel in (channels[0], channels[2]):
            await own.is_told("publication", channel=channel, data={"all": True}, offset=1)
        own.is_told_no_more()


@method
async def batch_is_followed_in_order(backend, served):
    for parallel in (None, False, True):
        channel = fresh()
        requests = [
            cent.PublishRequest(channel=channel, data=1),
            cent.PublishRequest(channel=channel, data=2),
            cent.HistoryRequest(channel=channel, limit=-1),
            cent.PresenceStatsRequest(channel=channel),
            cent.InfoRequest(),
        ]
        result = await backend.batch(cent.BatchRequest(requests=requests, parallel=parallel))
        one, two, history, stats, info = result.replies
        expect_equal((one.offset, two.offset, data(history)), (1, 2, [1, 2]), "replies")
        expect_equal((stats.num_clients, len(info.nodes)), (0, 1), "replies")


@method
async def history_is_told_from_where_it_is_asked_for(backend, served):
    channel = fresh()
    for n in range(1, 11):
        epoch = (await backend.publish(cent.PublishRequest(channel=channel, data=n))).epoch
    at = lambda offset: cent.StreamPosition(offset=offset, epoch=epoch)  # noqa: E731
    for asked, wanted in [
        ({}, []),
        ({"limit": 0}, []),
        ({"limit": 4}, [1, 2, 3, 4]),
        ({"limit": -1}, list(range(1, 11))),
        ({"limit": 4, "reverse": True}, [10, 9, 8, 7]),
        ({"limit": -1, "reverse": True}, list(range(10, 0, -1))),
        ({"limit": -1, "since": at(7)}, [8, 9, 10]),
        ({"limit": 2, "since": at(4)}, [5, 6]),
        ({"limit": -1, "since": at(4), "reverse": True}, [3, 2, 1]),
        ({"limit": -1, "since": at(10)}, []),
    ]:
        result = await backend.history(cent.HistoryRequest(channel=channel, **asked))
        expect_equal((data(result), result.offset, result.epoch), (wanted, 10, epoch), f"{asked}")


@method
async def history_that_is_not_kept_any_more_is_unrecoverable(backend, served):
    channel = fresh("brief")
    for n in range(5):
        epoch = (await backend.publish(cent.PublishRequest(channel=channel, data=n))).epoch
    for since in ({"offset": 1, "epoch": epoch}, {"offset": 4, "epoch": "other"}):
        since = cent.StreamPosition(**since)
        await refused(112, backend.history(cent.HistoryRequest(channel=channel, limit=-1, since=since)))


@method
async def history_that_was_removed_is_gone(backend, served):
    channel = fresh()
    for n in (1, 2):
        await backend.publish(cent.PublishRequest(channel=channel, data=n))
    await backend.history_remove(cent.HistoryRemoveRequest(channel=channel))
    result = await backend.history(cent.HistoryRequest(channel=channel, limit=-1))
    expect_equal((data(result), result.offset), ([], 2), "history")
    placed = await backend.publish(cent.PublishRequest(channel=channel, data=3))
    expect_equal(placed.offset, 3, "the next offset")


@method
async def presence_is_who_is_there(backend, served):
    channel = fresh()
    async with (
        Own.of(served, "ann", channel) as own,
        Sdk.of(served, "ann", channel) as sdk,
        Own.of(served, None, channel) as nameless,
    ):
        found = await backend.presence(cent.PresenceRequest(channel=channel))
        users = {client: (info.client, info.user) for client, info in found.presence.items()}
        named = {own.client: "ann", sdk.client: "ann", nameless.client: ""}
        expect_equal(users, {client: (client, user) for client, user in named.items()}, "presence")
        stats = await backend.presence_stats(cent.PresenceStatsRequest(channel=channel))
        expect_equal((stats.num_clients, stats.num_users), (3, 2), "presence_stats")
    await refused(108, backend.presence(cent.PresenceRequest(channel=fresh("bare"))))
    await refused(108, backend.presence_stats(cent.PresenceStatsRequest(channel=fresh("bare"))))


@method
async def session_gets_a_channel_and_has_it_no_more(backend, served):
    for door in DOORS:
        user, channel = fresh("user"), fresh("room")
        async with door.of(served, user) as session, door.of(served, "other") as other:
            await backend.subscribe(cent.SubscribeRequest(user=user, channel=channel))
            await session.is_told("subscribed", channel=channel)
            await backend.publish(cent.PublishRequest(channel=channel, data=1))
            await session.is_told("publication", channel=channel, data=1, offset=1)
            await backend.unsubscribe(cent.UnsubscribeRequest(user=user, channel=channel))
            await session.is_told("unsubscribed", channel=channel, code=2000)
            await backend.publish(cent.PublishRequest(channel=channel, data=2))
            # What comes after the publication that it is not told.
            since = cent.StreamPosition(offset=1, epoch=await epoch_of(backend, channel))
            asked = cent.SubscribeRequest(user=user, channel=channel, client=session.client, recover_since=since)
            await backend.subscribe(asked)
            await session.is_told("subscribed", channel=channel)
            await session.is_told("publication", channel=channel, data=2, offset=2)
            other.is_told_no_more()


async def epoch_of(backend, channel):
    return (await backend.history(cent.HistoryRequest(channel=channel))).epoch


@method
async def own_subscription_is_ended(backend, served):
    for door in DOORS:
        user, channel = fresh("user"), fresh()
        async with door.of(served, user, channel) as session:
            await backend.unsubscribe(cent.UnsubscribeRequest(user=user, channel=channel, client="another"))
            await backend.unsubscribe(cent.UnsubscribeRequest(user=user, channel=channel, client=session.client))
            await session.is_told("unsubscribed", channel=channel, code=2000)


@method
async def session_is_disconnected_in_the_words_of_a_backend(backend, served):
    words = [None, (3503, "banned"), (3000, "later"), (4400, "own"), (4501, "away"), (3999, "")]
    for door in DOORS:
        for word in words:
            user = fresh("user")
            async with door.of(served, user) as session:
                more = {"disconnect": cent.Disconnect(code=word[0], reason=word[1])} if word else {}
                await backend.disconnect(cent.DisconnectRequest(user=user, **more))
                code, reason = word or (3503, "force disconnect")
                await session.is_told("closed", code=session.ordered(code), reason=reason)


@method
async def session_that_was_disconnected_is_not_resumed(backend, served):
    user = fresh("user")
    async with Own.of(served, user) as first:
        held = first.session
        await backend.disconnect(cent.DisconnectRequest(user=user))
        await first.is_told("closed", code=4403)
    async with Own.of(served, None, session=held) as second:
        expect_equal(second.resumed, False, "resumed")


@method
async def only_whom_an_order_is_for_is_disconnected(backend, served):
    for door in DOORS:
        user = fresh("user")
        async with (
            door.of(served, user) as one,
            door.of(served, user) as two,
            door.of(served, user) as three,
            door.of(served, "other") as other,
        ):
            await backend.disconnect(cent.DisconnectRequest(user=user, client=one.client))
            await one.is_told("closed", code=one.ordered(3503))
            await backend.disconnect(cent.DisconnectRequest(user=user, whitelist=[three.client]))
            await two.is_told("closed", code=two.ordered(3503))
            channel = fresh()
            for who in (user, "other"):
                await backend.subscribe(cent.SubscribeRequest(user=who, channel=channel))
            for session in (three, other):
                await session.is_told("subscribed", channel=channel)


@method
async def session_is_held_or_expires(backend, served):
    for door in DOORS:
        for asked in ({"expired": True}, {"expire_at": 1}):
            user = fresh("user")
            async with door.of(served, user) as session:
                far = cent.RefreshRequest(user=user, expire_at=int(time.time()) + 3600)
                await backend.refresh(far)
                await backend.refresh(cent.RefreshRequest(user=user, **asked))
                await session.is_told("closed", code=session.EXPIRED)


@method
async def channels_are_those_that_somebody_has(backend, served):
    mark = fresh("x").replace(":", "")
    a, b, c = f"chat:{mark}a", f"chat:{mark}b", f"bare:{mark}a"
    async with Own.of(served, "ann", a, b) as _, Sdk.of(served, "bob", a, c) as _:
        for pattern, wanted in [
            (f"chat:{mark}*", {a: 2, b: 1}),
            (f"*{mark}?", {a: 2, b: 1, c: 1}),
            (f"*:{mark}a", {a: 2, c: 1}),
            (f"chat:{mark}", {}),
        ]:
            found = await backend.channels(cent.ChannelsRequest(pattern=pattern))
            counts = {name: info.num_clients for name, info in found.channels.items()}
            expect_equal(counts, wanted, pattern)
        found = await backend.channels(cent.ChannelsRequest())
        expect_equal({a, b, c} <= set(found.channels), True, "all channels")


@method
async def info_counts(backend, served):
    before = (await backend.info(cent.InfoRequest())).nodes[0]
    async with Own.of(served, fresh("user"), fresh()) as _, Sdk.of(served, fresh("user"), fresh()) as _:
        node = (await backend.info(cent.InfoRequest())).nodes[0]
        expect_equal((node.uid, node.name), (before.uid, "holdwire"), "node")
        more = {name: getattr(node, name) for name in ("num_clients", "num_users", "num_subs", "num_channels")}
        at_least = {"num_clients": 2, "num_users": 2, "num_subs": 2, "num_channels": 2}
        short = {name: more[name] for name in more if more[name] < at_least[name]}
        expect_equal(short, {}, "counted too few")


@method
async def wrong_key_is_told_so(backend, served):
    async with type(backend)(served.page("/api"), "no key of ours") as stranger:
        try:
            await stranger.info(cent.InfoRequest())
        except cent.CentUnauthorizedError:
            pass
        else:
            raise AssertionError("let in")
    async with type(backend)(served.page("/api"), world.OTHER_KEY) as other:
        await other.info(cent.InfoRequest())


@method
async def what_is_wrong_is_told_by_its_code(backend, served):
    for asked in (
        backend.publish(cent.PublishRequest(channel="nowhere:a", data=1)),
        backend.history(cent.HistoryRequest(channel="nowhere:a")),
        backend.history_remove(cent.HistoryRemoveRequest(channel="nowhere:a")),
        backend.presence(cent.PresenceRequest(channel="nowhere:a")),
        backend.subscribe(cent.SubscribeRequest(user="ann", channel="nowhere:a")),
        backend.unsubscribe(cent.UnsubscribeRequest(user="ann", channel="nowhere:a")),
    ):
        await refused(102, asked)
    publish = {"channel": fresh(), "data": 1}
    for more in ({"skip_history": True}, {"tags": {"a": "b"}}, {"delta": True}):
        await refused(108, backend.publish(cent.PublishRequest(**publish, **more)))
    await refused(107, backend.publish(cent.PublishRequest(channel="no channel", data=1)))
    words = cent.Disconnect(code=1000, reason="")
    await refused(107, backend.disconnect(cent.DisconnectRequest(user="ann", disconnect=words)))
    for unknown in (
        backend.publish(cent.PublishRequest(**publish, other=1)),
        backend.subscribe(cent.SubscribeRequest(user="ann", channel=fresh(), info={"a": 1})),
        backend.connections(cent.ConnectionsRequest(user="ann", expression="")),
    ):
        try:
            await unknown
        except cent.CentTransportError as error:
            expect_equal(error.status_code in (400, 404), True, f"status {error.status_code}")
        else:
            raise AssertionError("what is not known was taken")


async def check(checks, served):
    """Each of these through both clients."""
    for kind in BACKENDS:
        async with kind(served.page("/api")) as backend:
            for function in ALL:
                name = f"cent {kind.name}: {function.__name__.replace('_', ' ')}"
                await checks.run(name, function, backend, served, seconds=60)
