"""The service under a real systemd: its order, its rights, and that neither restart nor crash is seen by traffic."""

from __future__ import annotations

import signal
import sys

from lab.clients import download
from lab.process import wait_until
from lab.servers import start_ftp, start_nfs
from lab.service import (
    UNIT,
    boot,
    configure,
    main_pid,
    queues,
    reload,
    tables,
    wait_logged,
    workers,
)
from lab.system import System
from lab.topology import Lab
from lab.traffic import finish, loops, progress

CONFIG = "[daemon]\nworkers = 2\n[helpers.ftp]\n[helpers.rpc]\n"


def test_restart_under_traffic_loses_no_connection(lab: Lab, system: System) -> None:
    start_ftp(lab)
    start_nfs(lab)
    boot(system, CONFIG)
    system.start(UNIT)
    running = loops(lab)
    progress(running)
    before = {queue[0]: queue[1] for queue in queues(lab)}
    pids = []
    for _ in range(2):
        pids.append(main_pid(system))
        system.systemctl("restart", UNIT)
        progress(running)
    assert len({*pids, main_pid(system)}) == 3
    assert {queue[0]: queue[1] for queue in queues(lab)} == before, "the same sockets hold them"
    results = finish(lab, running)
    assert [failed for _, failed in results] == [0, 0], results
    assert all(done for done, _ in results)
    assert "rules and queues are kept for the restart" in system.journal(UNIT)
    status = system.systemctl("status", UNIT, check=False).stdout
    assert "ftp, rpc; 2 workers" in status


def test_a_reload_is_complete_and_a_stop_is_an_end(lab: Lab, system: System) -> None:
    """A reload has enabled what the file names.

    After a stop nothing of ours stays but registration, and what was queued has passed.
    """
    start_ftp(lab)
    boot(system, CONFIG.replace("[helpers.ftp]\n", ""))
    system.start(UNIT)
    configure(system, CONFIG)
    reload(system, "ftp, rpc")
    assert download(lab, "EPSV", 4).returncode == 0
    system.systemctl("stop", UNIT)
    wait_until(lambda: "table inet fwhelpers\n" not in tables(lab), "the table is gone")
    wait_until(lambda: queues(lab) == [], "the queues are gone")
    assert "kept for the restart" not in system.journal(UNIT)
    assert "table inet fwhelpers_pin" in tables(lab)
    code = "import socket; print(socket.create_connection(('10.0.2.2', 21), 30).recv(99))"
    assert "220" in lab.run("c", sys.executable, "-c", code).stdout


def capabilities(system: System, pid: int) -> dict[str, str]:
    """What the kernel says of a process's rights."""
    lines = system.run("cat", f"/proc/{pid}/status").stdout.splitlines()
    positions = dict(line.split(":\t", 1) for line in lines)
    names = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    return {
        **{name: positions[name].lstrip("0") for name in names},
        "uid": positions["Uid"].split()[0],
        "no_new_privs": positions["NoNewPrivs"],
        "seccomp": positions["Seccomp_filters"],
    }


def test_rights_of_manager_and_workers(lab: Lab, system: System) -> None:
    start_ftp(lab)
    boot(system, CONFIG)
    system.start(UNIT)
    uid = system.run("id", "-u", "fwhelpers").stdout.strip()
    assert uid != "0"
    only = {"CapPrm": "1000", "CapEff": "1000", "CapBnd": "1000"}
    manager = capabilities(system, main_pid(system))
    assert manager | only | {"uid": uid, "no_new_privs": "1"} == manager
    positions = workers(system)
    assert len(positions) == 2
    for pid in positions:
        worker = capabilities(system, pid)
        nothing = {"CapInh": "", "CapAmb": ""}
        assert worker | only | nothing | {"uid": uid, "no_new_privs": "1"} == worker
        assert int(worker["seccomp"]) == int(manager["seccomp"]) + 1
    assert "sandbox incomplete" not in system.journal(UNIT)
    assert download(lab, "EPSV", 4).returncode == 0
    fields = system.journal(UNIT, "FWHELPERS_EVENT=expected", "--output=json")
    assert '"FWHELPERS_HELPER":"ftp"' in fields
    assert '"FWHELPERS_EXPECTATION":"tcp 10.0.1.2 → 10.0.2.2:' in fields.replace("\\u2192", "→")


def test_crash_hang_and_wrong_configuration(lab: Lab, system: System) -> None:
    start_ftp(lab)
    boot(system, CONFIG)
    # emulated, five starts take longer than half a minute
    tight = "[Unit]\nStartLimitIntervalSec=900\n[Service]\nWatchdogSec=20\n"
    system.write(f"/etc/systemd/system/{UNIT}.d/tight.conf", tight)
    system.systemctl("daemon-reload")
    system.start(UNIT)
    first = main_pid(system)
    system.systemctl("kill", "--kill-who=main", "--signal=SIGKILL", UNIT)
    wait_until(lambda: main_pid(system) not in (0, first), "another manager", 120)
    wait_until(lambda: system.state(UNIT) == "active", "it is ready", 120)
    assert download(lab, "EPSV", 4).returncode == 0

    second = main_pid(system)
    system.systemctl("kill", "--kill-who=main", f"--signal={signal.SIGSTOP.value}", UNIT)
    wait_until(lambda: main_pid(system) not in (0, second), "the watchdog's kill", 180)
    wait_until(lambda: system.state(UNIT) == "active", "it is ready", 120)
    assert "watchdog" in system.journal(UNIT).lower()
    assert download(lab, "PASV", 4).returncode == 0

    configure(system, "[helpers.ftpp]\n")
    system.systemctl("restart", UNIT, check=False)
    wait_until(lambda: system.state(UNIT) == "failed", "it has given up", 240)
    wait_logged(system, "did you mean ftp?")
    wait_until(lambda: queues(lab) == [], "no packet waits")
    assert "table inet fwhelpers\n" not in tables(lab)


def test_helpers_are_there_before_the_firewall(lab: Lab, system: System) -> None:
    system.write(
        "/etc/nftables.conf", 'table inet mine {\nct helper r {\ntype "rpc" protocol tcp;\n}\n}\n'
    )
    boot(system, CONFIG, "fwhelpers-register.service", "nftables.service")
    assert system.state("nftables.service") == "active", system.journal("nftables.service")
    assert "table inet mine" in tables(lab)
