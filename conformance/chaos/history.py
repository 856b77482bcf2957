"""What is seen of a run: one file of JSON lines, written by one recorder as it hears of things."""

import json
import time


class History:
    """Records, and what the run itself needs to know of them: who has what already."""

    def __init__(self, path):
        self.path = path
        self.file = path.open("w", encoding="utf-8")
        self.began = time.monotonic()
        self.made = {}  # by key: when
        self.places = {}  # by reader and channel: the place it has come to
        self.newest = {}  # by reader and channel: when the newest publication it has was made
        self.last = {}  # by reader and channel: that publication

    def close(self):
        self.file.close()

    def now(self):
        """Milliseconds since the run began."""
        return int((time.monotonic() - self.began) * 1000)

    def tell(self, what, **members):
        """Writes a record."""
        record = {"at": self.now(), "what": what, **members}
        self.file.write(json.dumps(record) + "\n")

    def invoke(self, channel, key):
        """A publication is about to be made: before anybody can see it."""
        self.made[key] = self.now()
        self.tell("invoke", channel=channel, key=key)

    def hear(self, who, line):
        """Takes a line of a reader, in the form of `holdwire sub --json`; `lost` is our own."""
        if not line.startswith("{"):
            if line.endswith("; coming back"):
                self.tell("lost", who=who)
            return
        heard = json.loads(line)
        if "lost" in heard:
            self.tell("lost", who=who)
            return
        channel = heard["channel"]
        if told := heard.get("subscribed"):
            self.tell("subscribed", who=who, channel=channel, **told)
            self.places.setdefault((who, channel), f"{told['epoch']}:{told['offset']}")
        elif told := heard.get("publication"):
            key, place = told["data"].split(" ")[0], {name: told[name] for name in ("epoch", "offset")}
            self.tell("publication", who=who, channel=channel, key=key, **place)
            self.places[who, channel] = f"{told['epoch']}:{told['offset']}"
            self.newest[who, channel] = self.made.get(key, 0)
            self.last[who, channel] = key
        elif told := heard.get("gap"):
            told = {name: told[name] for name in ("reason", "from", "epoch", "offset")}
            self.tell("gap", who=who, channel=channel, **told)
            self.places[who, channel] = f"{told['epoch']}:{told['offset']}"
        elif told := heard.get("ended"):
            raise AssertionError(f"{who} was sent away from {channel}: {told}")
