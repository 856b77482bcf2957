"""Real reverse proxies and a real CONNECT proxy, each with a configuration of its own folder."""

import contextlib
import tempfile
from pathlib import Path

import harness

HINT = "apt-get install the packages of conformance/debian-packages.txt"

NGINX = """\
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}{tls};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $http_connection;
{headers}
    }}
  }}
}}
"""
# The upstream sees 127.0.0.1 as Host, and the visitor's side in the forwarding headers.
FORWARDED = """\
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
"""
# The upstream sees the visitor's Host.
SAME_HOST = "      proxy_set_header Host $host;\n"
# The same with its port, and the visitor's offer of compression is taken out.
NO_OFFER = """\
      proxy_set_header Host $http_host;
      proxy_set_header Sec-WebSocket-Extensions "";
"""
# A silent connection is cut.
IMPATIENT = """\
      proxy_set_header Host $http_host;
      proxy_read_timeout 2s;
"""
# As without a word about WebSocket: what stands last counts.
NO_UPGRADE = """\
      proxy_set_header Host $http_host;
    }
    location = /echo {
      proxy_pass http://127.0.0.1:{upstream};
"""

HAPROXY = """\
global
  maxconn 256
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel {tunnel}
frontend visitors
  bind 127.0.0.1:{port}
  default_backend program
backend program
{backend}
  server one 127.0.0.1:{upstream}
"""

TINYPROXY = """\
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 20
LogLevel Connect
{credentials}
"""


@contextlib.asynccontextmanager
async def started(configuration, port, command, what):
    """Writes the configuration into a fresh folder and runs the program with it."""
    with tempfile.TemporaryDirectory(prefix="holdwire-proxy-") as folder:
        path = Path(folder) / "proxy.conf"
        path.write_text(configuration.replace("{folder}", folder))
        arguments = [part.replace("{conf}", str(path)) for part in command(folder)]
        async with harness.running(*arguments) as process:
            await harness.wait_until(lambda: harness.accepts(port), process, what)
            yield process


@contextlib.asynccontextmanager
async def nginx(upstream, headers, certificate=None):
    """nginx in front of a port; yields its own port."""
    port = harness.free_port()
    tls = ""
    if certificate:
        tls = f" ssl; ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key}"
    headers = headers.replace("{upstream}", str(upstream))
    text = NGINX.format(folder="{folder}", port=port, upstream=upstream, headers=headers, tls=tls)
    program = harness.tool("nginx", hint=HINT)

    def command(folder):
        return [program, "-p", folder, "-c", "{conf}", "-g", "daemon off;"]

    async with started(text, port, command, "nginx"):
        yield port


@contextlib.asynccontextmanager
async def haproxy(upstream, tunnel="1h", backend=""):
    """haproxy in front of a port; yields its own port."""
    port = harness.free_port()
    text = HAPROXY.format(port=port, upstream=upstream, tunnel=tunnel, backend=backend)
    program = harness.tool("haproxy", hint=HINT)
    async with started(text, port, lambda _: [program, "-db", "-f", "{conf}"], "haproxy"):
        yield port


@contextlib.asynccontextmanager
async def tinyproxy(user=None, password=None):
    """A proxy for CONNECT, with basic authentication when a user is given; yields (port, process)."""
    port = harness.free_port()
    text = TINYPROXY.format(
        port=port, credentials=f"BasicAuth {user} {password}" if user else ""
    )
    program = harness.tool("tinyproxy", hint=HINT)
    async with started(text, port, lambda _: [program, "-d", "-c", "{conf}"], "tinyproxy") as process:
        yield port, process
