"""`check`: conntrackd.conf and keepalived's notify scripts. The shipped examples have no fault."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fwhelpers.cli import check_gateways
from fwhelpers.cli.check_gateways import synchronisation
from fwhelpers.firewalld.diagnostics import Diagnostic

EXAMPLES = Path(__file__).parents[3] / "docs/examples/gateways"
SHIPPED = {path.name: path.read_text() for path in EXAMPLES.iterdir()}


def problems(folder: Path, conntrackd: str, notify: str, keepalived: str = "") -> list[str]:
    (folder / "conntrackd.conf").write_text(conntrackd)
    (folder / "notify").write_text(notify)
    text = keepalived or SHIPPED["keepalived.conf"]
    text = text.replace("/etc/keepalived/fwhelpers-notify", str(folder / "notify"))
    (folder / "keepalived.conf").write_text(text)
    rows = synchronisation(folder / "conntrackd.conf", folder / "keepalived.conf")
    return [row.problem if isinstance(row, Diagnostic) else row for row in rows]


def test_the_examples(tmp_path: Path) -> None:
    assert problems(tmp_path, SHIPPED["conntrackd.conf"], SHIPPED["notify"]) == [
        "conntrackd carries expectations"
    ]


def test_helpers_by_name(tmp_path: Path) -> None:
    conf = SHIPPED["conntrackd.conf"].replace("ExpectationSync On", "ExpectationSync {\n ftp\n}")
    assert problems(tmp_path, conf, SHIPPED["notify"]) == ["conntrackd carries expectations"]


@pytest.mark.parametrize("line", ["", "ExpectationSync Off", "# ExpectationSync On"])
def test_expectations_are_not_synchronised(line: str, tmp_path: Path) -> None:
    conf = SHIPPED["conntrackd.conf"].replace("ExpectationSync On", line)
    assert problems(tmp_path, conf, SHIPPED["notify"]) == ["expectations are not synchronised"]


def test_a_table_that_is_committed_in_one_step(tmp_path: Path) -> None:
    conf = SHIPPED["conntrackd.conf"].replace("HashSize 32768", "HashSize 8192")
    (problem,) = problems(tmp_path, conf, SHIPPED["notify"])
    assert problem == "with HashSize 8192 a commit never ends, and used expectations come back"


def test_with_replication_conntrackd_need_not_carry_expectations(tmp_path: Path) -> None:
    conf = SHIPPED["conntrackd.conf"].replace("ExpectationSync On", "")
    notify = SHIPPED["notify"].replace("$conntrackd -c expect", ":")
    assert len(problems(tmp_path, conf, notify)) == 2
    files = tmp_path / "conntrackd.conf", tmp_path / "keepalived.conf"
    assert list(synchronisation(*files, replicated=True)) == ["conntrackd carries connections"]


def test_masters_that_end(tmp_path: Path) -> None:
    conf = tmp_path / "conntrackd.conf"
    conf.write_text(SHIPPED["conntrackd.conf"])
    missing = tmp_path / "keepalived.conf"
    assert list(synchronisation(conf, missing)) == ["conntrackd carries expectations"]
    (problem,) = synchronisation(conf, missing, keep_masters=False)
    assert isinstance(problem, Diagnostic)
    assert problem.problem.startswith("connections whose control connection has ended")


@pytest.mark.parametrize("line", ["", "$conntrackd -f external", "# $conntrackd -f"])
def test_a_standby_keeps_used_expectations(line: str, tmp_path: Path) -> None:
    before, _, backup = SHIPPED["notify"].partition("BACKUP)")
    notify = before + "BACKUP)" + backup.replace("    $conntrackd -f\n", f"    {line}\n")
    (problem,) = problems(tmp_path, SHIPPED["conntrackd.conf"], notify)
    assert problem == "used expectations come back after a change of roles"


def test_a_lock_file_of_a_killed_conntrackd(tmp_path: Path) -> None:
    lock, control = tmp_path / "lock", tmp_path / "control"
    conf = SHIPPED["conntrackd.conf"].replace("/var/lock/conntrack.lock", str(lock))
    conf = conf.replace("/var/run/conntrackd.ctl", str(control))
    fine = ["conntrackd carries expectations"]
    assert problems(tmp_path, conf, SHIPPED["notify"]) == fine
    lock.touch()
    stale = ["conntrackd does not run, and can't start while this exists"]
    assert problems(tmp_path, conf, SHIPPED["notify"]) == stale
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(control))
        assert problems(tmp_path, conf, SHIPPED["notify"]) == stale
        server.listen()
        assert problems(tmp_path, conf, SHIPPED["notify"]) == fine


def test_the_drop_in_removes_the_lock_of_the_example() -> None:
    lock = check_gateways.value_of(check_gateways.words_of(SHIPPED["conntrackd.conf"]), "LockFile")
    assert f"rm -f {lock}\n" in SHIPPED["conntrackd.service.conf"]


def test_no_external_cache(tmp_path: Path) -> None:
    conf = SHIPPED["conntrackd.conf"].replace("FTFW {", "FTFW { DisableExternalCache yes")
    (problem,) = problems(tmp_path, conf, SHIPPED["notify"])
    assert "never reach the other gateway" in problem


@pytest.mark.parametrize(
    "program", ["conntrackd", "/usr/sbin/conntrackd -C /etc/x.conf", '"$CONNTRACKD_BIN" -C $CONF']
)
def test_only_connections_are_committed(program: str, tmp_path: Path) -> None:
    script = f"#!/bin/sh\n# conntrackd -c expect\n{program} -c\n{program} -f\nfwhelpers takeover\n"
    assert problems(tmp_path, SHIPPED["conntrackd.conf"], script) == [
        "conntrackd -c does not commit expectations"
    ]


def test_nothing_is_repaired(tmp_path: Path) -> None:
    script = "conntrackd -c\nconntrackd -c expect\n"
    assert problems(tmp_path, SHIPPED["conntrackd.conf"], script) == [
        "conntrackd commits expectations without their translation"
    ]


@pytest.mark.parametrize("line", ['notify_master "{0} -x"', "notify_master {0} root", "notify {0}"])
def test_each_form_of_notify(line: str, tmp_path: Path) -> None:
    text = line.format("/etc/keepalived/fwhelpers-notify")
    found_problems = problems(tmp_path, SHIPPED["conntrackd.conf"], "conntrackd -c\n", text)
    assert len(found_problems) == 2


def test_the_path_of_a_configuration_commits_nothing(tmp_path: Path) -> None:
    script = "conntrackd -C /etc/x.conf -n\n"
    assert problems(tmp_path, SHIPPED["conntrackd.conf"], script) == [
        "conntrackd carries expectations"
    ]


def test_instances_that_move_apart(tmp_path: Path) -> None:
    text = SHIPPED["keepalived.conf"].replace("        outer\n", "", 1)
    (problem,) = problems(tmp_path, SHIPPED["conntrackd.conf"], SHIPPED["notify"], text)
    assert problem == "inner and outer may be active on different gateways"
    text = text.replace("state BACKUP", "state MASTER", 1)
    (problem,) = problems(tmp_path, SHIPPED["conntrackd.conf"], SHIPPED["notify"], text)
    assert problem == "inner and outer have different states, so both gateways are active"


def test_another_program_makes_it_active(tmp_path: Path) -> None:
    ok = ["conntrackd carries expectations"]
    assert problems(tmp_path, SHIPPED["conntrackd.conf"], "exit 0\n") == ok
    assert problems(tmp_path, SHIPPED["conntrackd.conf"], "", 'notify "unbalanced') == ok


@pytest.mark.parametrize("conf", ["", "Helper { Setup yes }", "# Sync"])
def test_a_conntrackd_that_does_not_synchronise(conf: str, tmp_path: Path) -> None:
    assert problems(tmp_path, conf, "conntrackd -c\n") == []


def test_no_files(tmp_path: Path) -> None:
    assert list(synchronisation(tmp_path / "none", tmp_path / "none")) == []
