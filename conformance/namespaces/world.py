"""Machines and the wire between them, made of network namespaces.

The suite runs itself in namespaces of its own: network, mounts and processes. Its network is the
wire, a router; each `Net` is a server and clients that reach each other through it. So a cut is
silence, as when somebody else's cable is pulled: neither end sees a FIN, a RST or an ICMP message.
When the suite ends, however it ends, the kernel takes all of it away.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

INSIDE = "INSIDE_THE_WIRE"
NAMES = Path("/run/netns")
NETWORK_NAMESPACE = 0x40000000  # CLONE_NEWNET
PORT = 3000
MAX_NETS = 200
MAX_CLIENTS = 250


def enter():
    """Runs the script again in namespaces of its own, or says why this machine has none."""
    if os.environ.get(INSIDE):
        build_router()
        return
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2"), ("nft", "nftables")):
        if not shutil.which(program, path=search_path()):
            refuse(f"{program} is not installed: apt-get install {package}")
    own = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        own += ["--user", "--map-root-user"]
    trial = subprocess.run([*own, sys.executable, __file__], capture_output=True, text=True)
    if trial.returncode != 0:
        refuse(trial.stderr.strip().splitlines()[-1] if trial.stderr.strip() else "no reason given")
    os.environ[INSIDE] = "1"
    os.execvp(own[0], [*own, sys.executable, *sys.argv])


def refuse(why):
    """Ends the suite with the reason; to leave it out is the caller's decision, not ours."""
    raise SystemExit(
        f"this machine gives us no network namespaces: {why}\n"
        "they need Linux and root, or user namespaces; leave the stage out with --skip namespaces"
    )


def search_path():
    """Where programs are; those of an administrator stand in directories that a user's path lacks."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def run(*command, stdin=None):
    """Runs a command to its end; a failure has its words."""
    ended = subprocess.run(
        list(map(str, command)),
        input=stdin,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": search_path()},
    )
    if ended.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {ended.stderr.strip()}")
    return ended.stdout


def build_router():
    """A place for names, and forwarding between interfaces with a chain for rules."""
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    run("ip", "link", "set", "lo", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    run("nft", "-f", "-", stdin="table inet wire { }")


class Net:
    """A server and its clients, each a machine of its own, with a wire to each client."""

    count = 0

    def __init__(self, clients=1):
        Net.count += 1
        assert Net.count < MAX_NETS and clients < MAX_CLIENTS, "addresses are used up"
        self.number = Net.count
        self.server = f"server{self.number}"
        self.clients = [f"client{self.number}-{at}" for at in range(clients)]
        self.address = f"10.{self.number}.1.1"

    @property
    def client(self):
        """The first client machine: where there is one, the only."""
        return self.clients[0]

    @property
    def client_address(self):
        """The address of the first client machine."""
        return f"10.{self.number}.{self.network(self.client)}.1"

    def network(self, name):
        """The third number of a machine's addresses."""
        return 1 if name == self.server else 2 + self.clients.index(name)

    def machines(self):
        """All of them by name, the server first."""
        return [self.server, *self.clients]

    def up(self):
        """Makes all machines and connects them."""
        for name in self.machines():
            subnet = f"10.{self.number}.{self.network(name)}"
            run("ip", "netns", "add", name)
            run("ip", "link", "add", name, "type", "veth", "peer", "eth0", "netns", name)
            run("ip", "address", "add", f"{subnet}.2/24", "dev", name)
            run("ip", "link", "set", name, "up")
            run(*self.inside(name), "ip", "link", "set", "lo", "up")
            run(*self.inside(name), "ip", "address", "add", f"{subnet}.1/24", "dev", "eth0")
            self.link(name, "up")
        for name in self.clients:
            chain = f"add chain inet wire {self.chain(name)} {{ type filter hook forward priority 0; }}"
            run("nft", "-f", "-", stdin=chain)

    def down(self):
        """Takes all machines away; what still runs in them loses its network."""
        for name in self.machines():
            with contextlib.suppress(RuntimeError):
                run("ip", "link", "delete", name)
            with contextlib.suppress(RuntimeError):
                run("ip", "netns", "delete", name)
        for name in self.clients:
            with contextlib.suppress(RuntimeError):
                run("nft", "delete", "chain", "inet", "wire", self.chain(name))

    @staticmethod
    def chain(client):
        """The name of the rules for one client's wire."""
        return client.replace("-", "_")

    @staticmethod
    def inside(name):
        """What stands before a command that runs on one of the machines."""
        return ["ip", "netns", "exec", name]

    def url(self, path="/", scheme="ws"):
        """Where the clients find the server."""
        return f"{scheme}://{self.address}:{PORT}{path}"

    def cut(self, how, client=None):
        """Cuts a client's wire: `drop` (both ways), `to server`, `to client`, `link`, `syn`, or
        `reset`: whoever sends is told that there is no connection.

        It takes the place of the cut before, with no moment between them.
        """
        client = client or self.client
        if how == "link":
            self.link(client, "down")
            return
        to_server, to_client = f'iifname "{client}"', f'iifname "{self.server}" oifname "{client}"'
        reset = "meta l4proto tcp counter reject with tcp reset"
        self.rules(
            client,
            {
                "drop": [f"{to_server} counter drop", f"{to_client} counter drop"],
                "to server": [f"{to_server} counter drop"],
                "to client": [f"{to_client} counter drop"],
                "syn": [f"{to_server} tcp flags & (syn | ack) == syn counter drop"],
                "reset": [f"{to_server} {reset}", f"{to_client} {reset}"],
            }[how],
        )

    def mend(self, client=None):
        """Takes every cut of a client's wire back."""
        client = client or self.client
        self.rules(client, [])
        self.link(client, "up")

    def rules(self, client, rules):
        """Sets what happens to packets between a client and the server, in one step."""
        chain = f"inet wire {self.chain(client)}"
        add = "".join(f"add rule {chain} {rule}\n" for rule in rules)
        run("nft", "-f", "-", stdin=f"flush chain {chain}\n{add}")

    def dropped(self, client=None):
        """How many packets of a client's wire the rules have dropped until now."""
        table = run("nft", "list", "chain", "inet", "wire", self.chain(client or self.client))
        words = table.split()
        return sum(int(words[at + 1]) for at, word in enumerate(words) if word == "packets")

    def slow(self, bytes_per_second):
        """Lets the wire to the first client carry this much; up to a second of it waits in the wire."""
        rate, waiting = f"{bytes_per_second * 8}bit", bytes_per_second
        shape = ["tbf", "rate", rate, "burst", "4kb", "limit", waiting]
        run("tc", "qdisc", "replace", "dev", self.client, "root", *shape)

    def link(self, name, state):
        """Sets the network card of a machine up (with its way out) or down."""
        run(*self.inside(name), "ip", "link", "set", "eth0", state)
        if state == "up":
            gateway = f"10.{self.number}.{self.network(name)}.2"
            run(*self.inside(name), "ip", "route", "replace", "default", "via", gateway)

    def socket(self, name, receive_buffer=None):
        """A TCP socket that belongs to one of the machines."""

        def make():
            library = ctypes.CDLL(None, use_errno=True)
            with open(NAMES / name, "rb") as namespace:
                if library.setns(namespace.fileno(), NETWORK_NAMESPACE) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made = socket.socket()
            if receive_buffer:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            return made

        # A namespace belongs to a thread: this one is thrown away with it.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(make).result()


@contextlib.asynccontextmanager
async def net(clients=1):
    """A server and its clients until the end of the block."""
    made = Net(clients)
    try:
        await asyncio.to_thread(made.up)
        yield made
    finally:
        await asyncio.to_thread(made.down)


def pair():
    """A server and one client until the end of the block."""
    return net()


if __name__ == "__main__":
    build_router()
    trial = Net()
    trial.up()
    trial.cut("drop")
    trial.down()
