"""A small authority for tests, made with openssl."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """Signs certificates; `ca` is its own, as PEM."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self.ca = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        self._made = 0
        both = ("-keyout", self._key, "-out", self.ca)
        _openssl("req", "-x509", *_EC, "-days", "2", "-subj", f"/CN={name}", *both)

    def sign(self, names: str = "IP:127.0.0.1,DNS:localhost", *, days: int = 2) -> Path:
        """A certificate with its key, both in one file."""
        self._made += 1
        stem = self._folder / f"{self.ca.stem}-{self._made}"
        key, wish, made = (stem.with_suffix(f".{kind}") for kind in ("key", "csr", "crt"))
        extensions = stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={names}")
        _openssl("req", *_EC, "-subj", "/CN=test", "-keyout", key, "-out", wish)
        signer = ("-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days", str(days))
        _openssl("x509", "-req", "-in", wish, *signer, "-extfile", extensions, "-out", made)
        both = stem.with_suffix(".pem")
        both.write_bytes(key.read_bytes() + made.read_bytes())
        return both


def secured(certificate: Path) -> ssl.SSLContext:
    """A server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextmanager
def openssl_server(certificate: Path, *options: str | Path) -> Iterator[str]:
    """OpenSSL's own server, which says in an alert what it dislikes; yields its base URL."""
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-www"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        try:
            for line in server.stdout:
                if line.startswith(b"ACCEPT "):
                    yield f"https://{line.split()[1].decode()}"
                    return
            raise AssertionError("openssl s_server did not start")
        finally:
            server.terminate()


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], capture_output=True, check=True)
