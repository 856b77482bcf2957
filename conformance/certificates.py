"""A private certificate authority for one run: nothing on the machine trusts it."""

import base64
import contextlib
import hashlib
import ssl
import tempfile
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Certificate:
    """A certificate for localhost with its key and authority as PEM files in a folder."""

    def __init__(self, folder, *names):
        authority = trustme.CA()
        leaf = authority.issue_cert("localhost", "127.0.0.1", "::1", *names)
        self.authority = Path(folder) / "authority.pem"
        self.chain = Path(folder) / "chain.pem"
        self.key = Path(folder) / "key.pem"
        authority.cert_pem.write_to_path(self.authority)
        leaf.private_key_pem.write_to_path(self.key)
        self.chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))

    def server_options(self):
        """The flags of `holdwire serve`."""
        return ["--tls-cert", str(self.chain), "--tls-key", str(self.key)]

    def client_context(self):
        """Trusts this authority only."""
        return ssl.create_default_context(cafile=str(self.authority))

    def server_context(self):
        """For a Python server with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context

    def spki(self):
        """Base64 of the SHA-256 of the public key: how a browser is told to accept it."""
        public = x509.load_pem_x509_certificate(self.chain.read_bytes()).public_key()
        encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(encoded).digest()).decode()


@contextlib.contextmanager
def certificate(*names):
    """A fresh certificate, gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="holdwire-tls-") as folder:
        yield Certificate(folder, *names)
