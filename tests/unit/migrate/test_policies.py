from __future__ import annotations

from migration import HELPERS, convert_text, notes

from fwhelpers.migrate import conntrackd, policies


def of(inside: str, name: str = "ftp") -> conntrackd.Type:
    text = f"Helper {{ Type {name} inet tcp {{ {inside} }} }}"
    (only_type,) = conntrackd.parse("c", text).types
    return only_type


def differing(inside: str, name: str = "ftp") -> list[str]:
    noted = policies.remarks(of(inside, name), HELPERS["ftp"])
    return [remark.text for remark in noted if remark.differs]


def test_what_conntrackd_ships_is_no_news() -> None:
    shipped = "QueueNum 0 QueueLen 10240 Policy ftp { ExpectMax 1 ExpectTimeout 300 }"
    assert differing(shipped) == []
    assert len(list(policies.remarks(of(shipped), HELPERS["ftp"]))) == 4


def test_what_somebody_chose_is_told() -> None:
    assert differing("QueueNum 40 QueueLen 99 Policy ftp { ExpectMax 2 ExpectTimeout 60 }") == [
        "QueueNum 40: our workers use the queues from daemon.queues upwards",
        "QueueLen 99: our queues hold 4096 packets; further ones pass uninspected",
        "ExpectMax 2: our limit for a connection is 1; no key changes it",
        "ExpectTimeout 60: our timeout is 60 seconds; no key changes it",
    ]


def test_a_maximum_above_ours_for_a_client_is_carried_over() -> None:
    inside = "Policy ftp { ExpectMax %d }"
    assert policies.raised([of(inside % 32)]) is None
    for limit, expected in ((33, 33), (255, 255), (2000, 255)):
        number = policies.raised([of(inside % 2), of(inside % limit)])
        assert number
        assert number.value == expected
    assert differing(inside % 33) == []
    assert differing(inside % 2000) == ["ExpectMax 2000: the kernel allows 255"]
    assert differing(inside % 0) == [
        "ExpectMax 0 (that is 255): our limit for a connection is 1; no key changes it"
    ]


def test_they_reach_people() -> None:
    assert "c:2: QueueNum 40: our workers use" in "\n".join(
        notes(convert_text("Type ftp inet tcp { QueueNum 40 }"))
    )
