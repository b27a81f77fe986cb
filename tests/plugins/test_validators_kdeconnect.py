"""Announcements of KDE Connect and LocalSend."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fwhelpers_plugins.discovery.validators.kdeconnect import MAX_SIZE, check, check_localsend
from hypothesis import given
from hypothesis import strategies as st
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query


def identity(**body: Any) -> bytes:
    full = {"deviceId": "a1", "deviceName": "phone", "protocolVersion": 7, "tcpPort": 1716} | body
    return json.dumps({"id": 1, "type": "kdeconnect.identity", "body": full}).encode() + b"\n"


def localsend(**changes: Any) -> bytes:
    full = {
        "alias": "Nice Orange",
        "version": "2.1",
        "fingerprint": "f",
        "port": 53317,
        "announce": True,
    }
    return json.dumps(full | changes).encode()


@given(st.one_of(damaged(identity()), damaged(localsend())))
def test_fuzz(data: bytes) -> None:
    outcome(check, data)
    outcome(check_localsend, data)


@pytest.mark.parametrize("port", [1714, 1716, 1764])
def test_identity(port: int) -> None:
    assert check(identity(tcpPort=port), 40000) == Query(None, port, "KDE Connect phone")


def test_packets_without_an_announcement() -> None:
    assert check(b'{"type": "kdeconnect.identity", "body": {"deviceId": "a"}}', 1716) is None
    assert check(b'{"type": "kdeconnect.pair", "body": {"pair": true}}', 1716) is None
    assert check_localsend(localsend(announce=False), 53317) is None
    assert check_localsend(localsend(announce="true"), 53317) is None


@pytest.mark.parametrize(
    "port", [0, 22, 1713, 1765, 65536, -1, "1716", 1716.0, True, None, [1716], 10**400]
)
def test_other_ports(port: object) -> None:
    with pytest.raises(ParseError):
        check(identity(tcpPort=port), 40000)


def test_localsend() -> None:
    assert check_localsend(localsend(), 53317) == Query(None, 53317, "LocalSend Nice Orange")
    for port in (1023, 0, 65536, "53317", True, None):
        with pytest.raises(ParseError):
            check_localsend(localsend(port=port), 53317)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b"{}",
        b"\xff",
        b'{"type": 1, "body": {}}',
        b'{"type": "x", "body": {}}',
        b'{"type": "kdeconnect.identity", "body": []}',
        identity(deviceId=""),
        identity(deviceId=7),
        identity() + b"x",
        identity().replace(b'"id": 1', b'"id": NaN'),
        identity().replace(b'"id"', b'"type"'),
        identity(x="a" * MAX_SIZE),
        identity(x=[[[[[[[[1]]]]]]]]),
        b"[" * MAX_SIZE,
        b'{"a":' * 1600,
        b'"' + b"\\" * 8000,
        b"9" * MAX_SIZE,
    ],
)
def test_neither_protocol(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 40000)
    with pytest.raises(ParseError):
        check_localsend(data, 40000)


def test_brackets_within_strings_do_not_nest() -> None:
    assert check(identity(deviceName='[[[[[[[[[[[["\\'), 40000)


def test_unprintable_text_is_masked() -> None:
    query = check(identity(deviceName="a\n\ud800ü\x1b"), 40000)
    assert query
    assert query.summary.isprintable()
