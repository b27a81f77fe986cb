"""The TLS contexts of the two ends: TLS 1.3, a certificate on both, and no authority but the other end's own file."""

from __future__ import annotations

import re
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from fwhelpers.config.model import ReplicationConfig

_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\s.+?\s-----END CERTIFICATE-----", re.DOTALL | re.ASCII
)


class CredentialError(Exception):
    """A file that can't be used; one line."""


class Credentials:
    """Own certificate and key, and the certificates that the other gateway may have."""

    def __init__(self, config: ReplicationConfig) -> None:
        """Raises CredentialError."""
        _check_key(config.key)
        _read(config.certificate)
        pem = _read(config.peer_certificate)
        try:
            self._pinned = frozenset(
                ssl.PEM_cert_to_DER_cert(match.group()) for match in _PEM.finditer(pem)
            )
        except ValueError:  # not base64
            self._pinned = frozenset()
        if not self._pinned:
            raise CredentialError(f"{config.peer_certificate}: no certificate in PEM format")
        self.server = _context(ssl.PROTOCOL_TLS_SERVER, config)
        self.server.num_tickets = 0  # each connection shows its certificate
        self.client = _context(ssl.PROTOCOL_TLS_CLIENT, config)

    def check(self, connection: ssl.SSLObject) -> None:
        """Raise ssl.SSLError unless the other end has exactly one of the certificates.

        OpenSSL accepts certificates that they have signed as well.
        """
        if connection.getpeercert(binary_form=True) not in self._pinned:
            raise ssl.SSLError("its certificate is not the one in peer_certificate")


def faults(config: ReplicationConfig) -> Iterator[str]:
    """Yield why the files can't be used, at most one line."""
    try:
        Credentials(config)
    except CredentialError as error:
        yield str(error)


def _context(protocol: int, config: ReplicationConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the certificate itself is known, whatever its names
    context.verify_mode = ssl.CERT_REQUIRED
    # a certificate that another one has signed is an anchor like a self-signed one
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    try:
        # a key with a password would be asked for on a terminal
        context.load_cert_chain(config.certificate, config.key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        problem = "not a pair of certificate and key without password"
        raise CredentialError(f"{config.certificate}, {config.key}: {problem}: {error}") from None
    try:
        context.load_verify_locations(config.peer_certificate)
    except (ssl.SSLError, OSError) as error:
        raise CredentialError(f"{config.peer_certificate}: {error}") from None
    return context


def _check_key(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        path.open("rb").close()
    except OSError as error:
        raise CredentialError(f"{path}: {error.strerror}") from None
    if mode & stat.S_IRWXO:
        raise CredentialError(f"{path}: other users may read it: chmod o= {path}")


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError as error:
        raise CredentialError(f"{path}: {error.strerror}") from None
