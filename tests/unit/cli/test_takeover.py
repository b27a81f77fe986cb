"""`fwhelpers takeover`, over a kernel that is a list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from errno import EBUSY, ENOENT
from pathlib import Path

import pytest

from fwhelpers.cli import takeover
from fwhelpers.cli.main import main
from fwhelpers.daemon import takeover_record
from fwhelpers.engine.expectation_key import Connection, identity_of
from fwhelpers.engine.guard import Refusal
from fwhelpers.engine.replicated import Replicated
from fwhelpers.engine.takeover import Finding
from fwhelpers.kernel import conntrack, expect
from fwhelpers.kernel.conntrack import Conntrack, Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.nfnl import NetlinkError

C, S, OUTER = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2)), bytes((10, 0, 2, 1))
ORIG = Tuple(C, S, 17, 40000, 7)
ENTRY = Conntrack(ORIG, Tuple(S, OUTER, 17, 7, 40000), helper="foo")


def committed(port: int, helper: str = "foo") -> Expectation:
    expected = Tuple(S, OUTER, 17, 0, port)
    return Expectation(ORIG, expected, mask_for(expected), timeout=60, helper=helper)


class Kernel:
    """Answers what `takeover` asks, and records the rest."""

    def __init__(self, expectations: list[Expectation], errno: int = 0) -> None:
        self.expectations = {expect.encode_get(e): e for e in expectations}
        self.sent: list[bytes] = []
        self.errno = errno  #: of creations
        self.ended: set[bytes] = set()  #: deletions that come too late
        self.has_master = True

    def dump(self, message: bytes, name: str = "") -> Iterator[bytes]:
        assert message == expect.encode_dump()
        yield from self.expectations

    def request(self, message: bytes, name: str = "") -> list[bytes]:
        assert message == conntrack.encode_get(ORIG)
        if not self.has_master:
            raise NetlinkError(2, name)
        return [b"entry"]

    def request_all(self, messages: list[bytes]) -> list[int]:
        self.sent += messages
        return [self._answer(message) for message in messages]

    def _answer(self, message: bytes) -> int:
        if message in self.ended:
            return ENOENT
        is_creation = message[4:6] == expect.encode_create(committed(1))[4:6]
        return self.errno if is_creation else 0

    def close(self) -> None:
        pass


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    fake = Kernel([committed(5000), committed(5001), committed(22), committed(5002, "other")])
    monkeypatch.setattr(takeover, "NetlinkSocket", lambda: fake)
    monkeypatch.setattr(takeover.expect, "parse_expectation", lambda p: fake.expectations[p])
    monkeypatch.setattr(takeover.conntrack, "parse_conntrack", lambda payload: ENTRY)
    monkeypatch.setattr(takeover, "announced", frozenset)
    monkeypatch.setattr(takeover, "replicated", lambda config: [])
    return fake


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The directory of the record."""
    monkeypatch.setattr(takeover_record, "STATE", tmp_path)
    return tmp_path


pytestmark = pytest.mark.usefixtures("installed")


def run(config_dir: Path, *options: str) -> int:
    return main(["takeover", "--config", str(config_dir), *options])


def test_it_repairs_and_deletes(
    kernel: Kernel, config_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config_dir) == 0
    line = "takeover: 2 repaired, 0 kept, 1 refused (G6: port 22 is below 1024), 0 lost\n"
    assert capsys.readouterr().out == line
    # a deletion for each of ours, foreign ones are left alone, and two creations
    deleted = [expect.encode_delete(committed(port)) for port in (5000, 5001, 22)]
    assert [m for m in kernel.sent if m in deleted] == deleted
    assert len(kernel.sent) == 5


def test_what_was_used_meanwhile_does_not_come_back(
    kernel: Kernel, config_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.ended = {expect.encode_delete(committed(5000))}
    assert run(config_dir) == 1
    assert "1 repaired" in (out := capsys.readouterr().out)
    assert "1 lost (it ended before its repair)" in out
    assert len(kernel.sent) == 4  # three deletions, one creation


def test_what_was_announced_here_stays(
    kernel: Kernel, config_dir: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """On a gateway that was active already: answers from a range, media of third parties."""
    own = committed(22)
    monkeypatch.setattr(takeover, "announced", lambda: frozenset({identity_of(own)}))
    assert run(config_dir) == 0
    assert "2 repaired, 1 kept, 0 refused" in capsys.readouterr().out
    assert expect.encode_delete(own) not in kernel.sent


def test_the_service_is_not_asked_in_vain(
    kernel: Kernel, config_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.expectations = {expect.encode_get(committed(5000)): committed(5000)}
    monkeypatch.setattr(takeover, "announced", lambda: pytest.fail("asked"))
    assert run(config_dir) == 0


def test_the_result_is_recorded(kernel: Kernel, config_dir: Path) -> None:
    kernel.errno = EBUSY
    run(config_dir)
    run(config_dir)
    record = takeover_record.read()
    (last, _) = record.takeovers
    assert record.total == 2
    assert last.totals() == {"repaired": 0, "kept": 0, "refused": 1, "lost": 2}
    assert last.refused == {"G6: port 22 is below 1024": 1}


def test_without_a_directory_it_repairs_all_the_same(
    kernel: Kernel, config_dir: Path, state: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(takeover_record, "STATE", state / "absent")
    assert run(config_dir) == 0
    assert "not recorded" in (printed := capsys.readouterr()).err
    assert "2 repaired" in printed.out


def test_json(kernel: Kernel, config_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config_dir, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "repaired": 2, "kept": 0, "refused": {"G6: port 22 is below 1024": 1}, "lost": {},
    }  # fmt: skip


def test_what_the_kernel_refuses_is_lost(
    kernel: Kernel, config_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.errno = EBUSY
    assert run(config_dir) == 1
    assert "0 repaired" in (out := capsys.readouterr().out)
    assert "2 lost (Device or resource busy (2 times))" in out


def test_without_its_master_it_is_deleted(
    kernel: Kernel, config_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.has_master = False
    assert run(config_dir) == 0
    assert "3 refused (G10: its control connection does not exist (3 times))" in (
        capsys.readouterr().out
    )


def test_a_kept_one_is_not_touched(
    kernel: Kernel, config_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.expectations = {expect.encode_get(committed(5000)): committed(5000)}
    monkeypatch.setattr(takeover, "examine", lambda listed, *_: [Finding(e) for e in listed])
    from fwhelpers.cli.common import read

    result = takeover.repair(kernel, read(config_dir))  # type: ignore[arg-type]
    assert (result.counts(), kernel.sent) == ("0 repaired, 1 kept, 0 refused, 0 lost", [])


def test_masters_are_asked_once_each(kernel: Kernel) -> None:
    listed = [committed(5000), committed(5001)]
    masters = takeover._masters(kernel, listed)  # type: ignore[arg-type]
    assert masters == {Connection(0, ORIG): ENTRY}


def test_a_refused_one_is_deleted(kernel: Kernel) -> None:
    finding = Finding(committed(22), refusal=Refusal("G6", "no"))
    assert takeover._carry_out(kernel, finding) == ""  # type: ignore[arg-type]
    assert kernel.sent == [expect.encode_delete(committed(22))]


def whole(port: int, visible: int = 0) -> Expectation:
    """What the other gateway has, translated as its control connection."""
    nat = Tuple(C, bytes(4), 17, port, 0)
    return replace(committed(visible or port), nat=nat, nat_dir=1, fn="nat-follow-master")


def test_a_committed_one_is_completed_from_its_record(
    kernel: Kernel, config_dir: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(takeover, "replicated", lambda config: [Replicated(whole(5000), 20.0)])
    assert run(config_dir) == 0
    assert capsys.readouterr().out.startswith("takeover: 2 repaired, 0 kept, 1 refused (G6: ")
    at = kernel.sent.index(expect.encode_delete(committed(5000)))
    completed = replace(whole(5000), helper="")
    renewal = expect.encode_renew(completed, 20)
    assert kernel.sent[at + 1 : at + 3] == [expect.encode_create(completed), renewal]


def test_one_that_was_not_committed_is_created(
    kernel: Kernel, config_dir: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The record of another one leads to a port that is refused: there is nothing to delete."""
    kernel.expectations = {}
    records = [Replicated(whole(6000), 30.0), Replicated(whole(23, 6001), 30.0)]
    monkeypatch.setattr(takeover, "replicated", lambda config: records)
    assert run(config_dir) == 0
    out = "takeover: 1 repaired, 0 kept, 1 refused (G6: port 23 is below 1024), 0 lost\n"
    assert capsys.readouterr().out == out
    created = replace(whole(6000), helper="")
    # without the refused one's deletion, which would hit another one's
    sent = [expect.encode_create(created), expect.encode_renew(created, 30)]
    assert kernel.sent == sent


def test_a_hostile_gateway_does_not_fill_the_log(
    kernel: Kernel, config_dir: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    kernel.expectations = {}
    named = [replace(whole(6000 + n), helper=f"name{n}") for n in range(1000)]
    records = [Replicated(expected, 30.0) for expected in named]
    monkeypatch.setattr(takeover, "replicated", lambda config: records)
    assert run(config_dir) == 0
    out = capsys.readouterr().out
    assert "0 repaired, 0 kept, 1000 refused (" in out
    assert "other (985 times)" in out
    assert len(out) < 2000


def test_a_kept_one_gets_the_lifetime_of_its_record(
    kernel: Kernel, config_dir: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    kernel.expectations = {b"one": whole(5000)}
    monkeypatch.setattr(takeover, "replicated", lambda config: [Replicated(whole(5000), 20.0)])
    assert run(config_dir) == 0
    assert "0 repaired, 1 kept, 0 refused" in capsys.readouterr().out
    assert kernel.sent == [expect.encode_renew(whole(5000), 20)]
