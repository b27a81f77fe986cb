"""Probes of WS-Discovery."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.discovery.validators.wsd import MAX_DEPTH, MAX_SIZE, MAX_TAGS, check
from hypothesis import given
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query

OLD = b"http://schemas.xmlsoap.org/ws/2005/04/discovery/"
NEW = b"http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/"


def soap(
    action: bytes, head: bytes = b'<?xml version="1.0" encoding="utf-8"?>', body: bytes = b""
) -> bytes:
    return (
        head
        + b"<soap:Envelope xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a='b'><soap:Header>"
        b"<a:To>urn:x</a:To><a:Action>"
        + action
        + b"</a:Action><a:MessageID>urn:uuid:1</a:MessageID></soap:Header>"
        b"<soap:Body><Probe/>" + body + b"</soap:Body></soap:Envelope>"
    )


PROBE = soap(OLD + b"Probe")


@given(damaged(PROBE))
def test_fuzz(data: bytes) -> None:
    outcome(check, data)


@pytest.mark.parametrize(
    "namespace", [OLD, NEW, b"http://schemas.xmlsoap.org/ws/2004/10/discovery/"]
)
@pytest.mark.parametrize("name", ["Probe", "Resolve"])
def test_requests(namespace: bytes, name: str) -> None:
    expected = Query(None, None, f"WS-Discovery {name}")
    assert check(soap(namespace + name.encode()), 40000) == expected


@pytest.mark.parametrize("name", [b"Hello", b"Bye", b"ProbeMatches", b"ResolveMatches"])
def test_messages_without_answers(name: bytes) -> None:
    assert check(soap(NEW + name), 3702) is None


@pytest.mark.parametrize(
    "data",
    [
        soap(b"\n  " + OLD + b"Probe\n"),
        soap(OLD + b"Probe", b""),
        soap(OLD + b"Probe", b"\xef\xbb\xbf"),
        PROBE + b"\r\n\0",
        soap(OLD + b"Probe", body=b"<!-- a - b --><x y = 'z' />text"),
        PROBE.replace(b"soap:", b""),
        PROBE.replace(b"soap:", b"e:").replace(b":soap=", b":e="),
        b"\r\n " + PROBE,
        soap(OLD + b"Probe", b"\xef\xbb\xbf \n<?xml version='1.0'?>\n"),
        PROBE.replace(b'" xmlns:a', b'"xmlns:a'),
        soap(OLD + b"Probe", body=b"<x a='1'b=\"2\"c='3'/>"),
    ],
)
def test_accepted_spellings(data: bytes) -> None:
    assert check(data, 40000) == Query(None, None, "WS-Discovery Probe")


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<",
        b"GET / HTTP/1.1",
        soap(OLD + b"Probe", BOMB),
        soap(OLD + b"Probe", body=b"<![CDATA[x]]>"),
        soap(OLD + b"Probe", body=b"<?php x?>"),
        soap(b"urn:Probe"),
        soap(OLD + b"Other"),
        soap(b"&probe;"),
        soap(OLD + b"Probe", body=b"<xa='1'/>"),
        PROBE[:-1],
        PROBE + b"x",
        b"x" + PROBE,
        PROBE + PROBE,
        PROBE.replace(b"Header", b"Head"),
        PROBE.replace(b"</a:Action>", b"</b:Action>"),
        soap(OLD + b"Probe</a:Action><a:Action>" + OLD + b"Probe"),
        soap(OLD + b"Probe", body=b"<x>" * MAX_DEPTH),
        soap(OLD + b"Probe", body=b"<x/>" * MAX_TAGS),
        soap(OLD + b"Probe", body=b" " * MAX_SIZE),
    ],
)
def test_not_wsd(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 40000)


@pytest.mark.parametrize(
    "part",
    [
        b"<",
        b"<!--",
        b"<!--" + b"-" * 50,
        b"<a ",
        b"<a b=",
        b"<a b='",
        b"<a" + b" " * 60,
        b" ",
        b"</",
        b"a='b' ",
    ],
)
def test_repeated_parts_are_refused(part: bytes) -> None:
    many = part * (MAX_SIZE // len(part))
    for data in (many, b"<Envelope>" + many, b"<Envelope " + many, b"<Envelope><!--" + many):
        assert outcome(check, data[:MAX_SIZE]) is ParseError
