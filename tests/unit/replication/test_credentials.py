"""Certificates and keys in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateways_pair import Gateway

from fwhelpers.replication.credentials import CredentialError, Credentials, faults

Pair = tuple[Gateway, Gateway]


def test_the_documented_files(pair: Pair) -> None:
    config = pair[0].config(pair[1])
    assert Credentials(config)
    assert list(faults(config)) == []


def test_two_certificates_of_the_other_gateway_during_a_change(pair: Pair) -> None:
    first, second = pair
    config = first.config(second)
    both = (first.folder / "own.crt").read_text() + (second.folder / "own.crt").read_text()
    config.peer_certificate.write_text("# old and new\n" + both)
    assert len(Credentials(config)._pinned) == 2


@pytest.mark.parametrize("name", ["own.crt", "own.key", "peer.crt"])
@pytest.mark.parametrize("content", [b"", b"\0\xff", b"-----BEGIN CERTIFICATE-----\n!\n", None])
def test_files_that_can_not_be_used(pair: Pair, name: str, content: bytes | None) -> None:
    config = pair[0].config(pair[1])
    path = pair[0].folder / name
    path.write_bytes(content) if content is not None else path.unlink()
    (fault,) = faults(config)
    assert str(path) in fault
    assert fault.isprintable()


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601])
def test_a_key_for_all_users(pair: Pair, mode: int) -> None:
    config = pair[0].config(pair[1])
    config.key.chmod(mode)
    with pytest.raises(CredentialError, match="other users may read it: chmod o="):
        Credentials(config)


def test_a_key_with_a_password_is_no_question(pair: Pair, tmp_path: Path) -> None:
    import subprocess

    config = pair[0].config(pair[1])
    argv = ["openssl", "ec", "-in", config.key, "-out", tmp_path / "k", "-aes256"]
    subprocess.run([*argv, "-passout", "pass:secret"], check=True, capture_output=True)
    config.key.write_bytes((tmp_path / "k").read_bytes())
    assert "without password" in "".join(faults(config))
