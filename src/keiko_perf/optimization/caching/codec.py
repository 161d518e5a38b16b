"""
Codecs: values as bytes, for a cache outside of the process.

`JsonCodec` can be read by anyone and harms nobody; what JSON does not know (tuples, dates) comes
back as what it does know, or is refused. `SignedPickle` carries nearly any object. To unpickle is
to run what is in it, so it is signed with a secret that the cache's server does not have,
together with its key, and what is not signed by it is never unpickled.
"""

from __future__ import annotations

import hmac
import json
import pickle
from typing import Any, Protocol

from keiko_perf.errors import UsageError

_DIGEST_BYTES = 32


class Codec(Protocol):
    """Values to bytes and back; *key* is the one that they are kept by."""

    def dumps(self, value: Any, key: str) -> bytes: ...

    def loads(self, kept: bytes, key: str) -> Any:
        """
        The value.

        Raises:
            ValueError: these bytes are none of this codec's.
        """
        ...


class JsonCodec:
    """JSON, compact, in UTF-8."""

    def dumps(self, value: Any, key: str) -> bytes:
        """
        Raises:
            UsageError: JSON has no way to say that.
        """
        try:
            return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"the value cannot be carried by JSON: {error}",
                cure="Keep what it can (dicts, lists, strings, numbers), or give SignedPickle",
            ) from None

    def loads(self, kept: bytes, key: str) -> Any:
        return json.loads(kept)


class SignedPickle:
    """
    Python's pickle, signed by HMAC-SHA-256.

    Args:
        secret: 16 bytes or more that only those who may write into the cache know.

    Raises:
        UsageError: the secret is too short to be one.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise UsageError(
                "a secret of less than 16 bytes can be guessed",
                cure="Make one with secrets.token_bytes(32), and give it to all processes",
            )
        self._secret = secret

    def dumps(self, value: Any, key: str) -> bytes:
        """
        Raises:
            UsageError: the value cannot be pickled.
        """
        try:
            pickled = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise UsageError(
                f"the value cannot be pickled: {error}", cure="Keep what is in it instead"
            ) from None
        return self._signature(pickled, key) + pickled

    def loads(self, kept: bytes, key: str) -> Any:
        signature, pickled = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
        if not hmac.compare_digest(signature, self._signature(pickled, key)):
            raise ValueError("not signed by this secret for this key")
        try:
            return pickle.loads(pickled)  # noqa: S301  # signed, so it is ours
        except Exception as error:  # a class that has changed since may raise anything
            raise ValueError(f"cannot be unpickled any more: {type(error).__name__}") from error

    def _signature(self, pickled: bytes, key: str) -> bytes:
        name = key.encode()
        return hmac.digest(self._secret, len(name).to_bytes(8, "big") + name + pickled, "sha256")
