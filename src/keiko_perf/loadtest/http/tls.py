"""
TLS: the context that a plan asks for, and words for what can go wrong with it.
"""

from __future__ import annotations

import ssl

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.target import Tls

# OpenSSL's numbers, X509_V_ERR_…; its own words are for its own people.
_CERTIFICATE = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate comes from an authority that is not trusted",
    20: "its certificate comes from an authority that is not trusted",
    21: "its certificate comes from an authority that is not trusted",
    23: "its certificate was revoked",
    26: "its certificate is not meant for servers",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
}
_REASONS = {
    "WRONG_VERSION_NUMBER": "the target does not speak TLS",
    "HTTP_REQUEST": "the target does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "no TLS version that both sides speak",
    "TLSV1_ALERT_PROTOCOL_VERSION": "no TLS version that both sides speak",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the target asks for a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the target does not trust the client certificate's authority",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the target refuses the client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the target says that the client certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the target says that the client certificate was revoked",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the target refuses the handshake",
    "TLSV1_UNRECOGNIZED_NAME": "the target knows no service of that name",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "the target knows no service of that name",
}
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def context(tls: Tls) -> ssl.SSLContext:
    """
    What connections are secured with.

    Raises:
        UsageError: a file cannot be read, or is not what it should be.
    """
    made = ssl.create_default_context()
    made.minimum_version = _VERSIONS[tls.minimum]
    if tls.ca_file:
        made = _trusting(tls, made)
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        try:
            # Without a password OpenSSL would ask for it on the terminal, in the middle of a run.
            made.load_cert_chain(tls.cert_file, tls.key_file or None, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"the client certificate {tls.cert_file} cannot be used: {_why(error)}",
                cure="Give PEM files of a certificate and of its own key, which has no password",
            ) from error
    return made


def words(error: ssl.SSLError) -> str:
    """What *error* means, in a few words that do not vary."""
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _CERTIFICATE.get(error.verify_code)
        return known or f"its certificate is refused: {error.verify_message}"
    reason = getattr(error, "reason", None) or ""  # not there if Python itself raised it
    return _REASONS.get(reason) or reason.lower().replace("_", " ") or "the handshake failed"


def _trusting(tls: Tls, made: ssl.SSLContext) -> ssl.SSLContext:
    """A context that trusts the plan's own authorities, and no others."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    own.minimum_version = made.minimum_version
    try:
        own.load_verify_locations(tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the authorities in {tls.ca_file} cannot be used: {_why(error)}",
            cure="Give a file of certificates as PEM",
        ) from error
    return own


def _no_password() -> str:
    raise ssl.SSLError("its key has a password")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return words(error) if getattr(error, "reason", None) else str(error.args[0])
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
