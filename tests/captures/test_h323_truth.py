"""Captures of H.323 with media of other hosts (`guard.address = "announced"`)."""

from __future__ import annotations

from functools import cache
from socket import inet_aton
from typing import Any

import pytest
from captures.test_truth import CAPTURES, TRUE, predicts
from fwhelpers_plugins.h323 import fwhelpers_helpers

from fwhelpers.engine.guard import Limits
from fwhelpers.testing.replay import replay_file

pytestmark = pytest.mark.skipif(
    not (CAPTURES / "truth.jsonl").is_file(), reason=f"no captures in {CAPTURES}"
)

(H323,) = fwhelpers_helpers()
FILES = sorted(f"h323/{file.name}" for file in (CAPTURES / "h323").glob("*.pcap*"))


@cache
def replayed(file: str, address: str) -> list[dict[str, Any]]:
    return list(
        replay_file(CAPTURES / file, {"h323": H323}, limits={"h323": Limits(address=address)})
    )


@pytest.mark.parametrize("file", [file for file in TRUE if file.startswith("h323/")])
@pytest.mark.parametrize("address", ["peer", "announced"])
def test_every_strong_flow_is_predicted(file: str, address: str) -> None:
    missing = [t for t in TRUE[file] if not any(map(predicts(t), replayed(file, address)))]
    assert missing == []


@pytest.mark.parametrize("file", FILES)
def test_every_message_is_understood(file: str) -> None:
    """What is refused names another host; nothing is refused because it can't be decoded."""
    refused = [item["refused"] for item in replayed(file, "peer") if item["refused"]]
    assert [reason for reason in refused if reason.startswith(("G11", "G12"))] == []


@pytest.mark.parametrize("file", FILES)
def test_media_of_named_hosts_opens_when_announced(file: str) -> None:
    other_hosts = [
        item for item in replayed(file, "peer") if (item["refused"] or "").startswith("G5")
    ]
    opened = [i["expected"] for i in replayed(file, "announced") if i["refused"] is None]
    ends = {(item["dst"], item["dport"]) for item in opened}
    for item in other_hosts:
        assert (item["expected"]["dst"], item["expected"]["dport"]) in ends


@pytest.mark.parametrize("file", FILES)
def test_no_host_that_no_message_named(file: str) -> None:
    data = (CAPTURES / file).read_bytes()
    for item in replayed(file, "announced"):
        if item["refused"] is None:
            expected = item["expected"]
            endpoint = inet_aton(expected["dst"]) + expected["dport"].to_bytes(2, "big")
            assert endpoint in data
            ends = {item["master"]["src"], item["master"]["dst"]}
            assert expected["src"] in ends or inet_aton(expected["src"]) in data
