"""The daemon under everything that may happen to it. Traffic must never suffer from us."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from lab import PROGRAMS
from lab.clients import download, mount, umount
from lab.process import Process, run, wait_until
from lab.servers import start_ftp, start_nfs
from lab.topology import FIREWALL, Lab

PEERS = str(PROGRAMS / "peers.py")
FTP = "[helpers.ftp]\n"
BOTH = "[helpers.rpc]\n[helpers.ftp]\n"
ONE_WORKER = "[daemon]\nworkers = 1\n"


def peer(lab: Lab, ns: str, *arguments: str) -> Process:
    return lab.popen(ns, sys.executable, PEERS, *arguments, name=arguments[0])


def status(lab: Lab) -> dict[str, Any]:
    return dict(json.loads(lab.fwhelpers("counters", "--json").stdout))


def workers(lab: Lab) -> list[int]:
    return [worker["pid"] for worker in status(lab)["workers"]]


def queues(lab: Lab) -> list[str]:
    return lab.run("g", "cat", "/proc/net/netfilter/nfnetlink_queue").stdout.splitlines()


def tables(lab: Lab) -> str:
    return lab.run("g", "nft", "list", "tables").stdout


def greets(lab: Lab) -> bool:
    """Does a new control connection work at all?"""
    code = "import socket; s = socket.create_connection(('10.0.2.2', 21), 10); print(s.recv(99))"
    return "220" in lab.run("c", sys.executable, "-c", code, check=False).stdout


def test_start_and_stop_leave_what_they_should(lab: Lab) -> None:
    start_ftp(lab)
    daemon = lab.start_fwhelpers(BOTH)
    assert len(queues(lab)) == len(workers(lab)) == os.cpu_count()
    assert "table inet fwhelpers\n" in tables(lab)
    children = workers(lab)
    assert daemon.stop() == 0
    assert queues(lab) == []
    assert set(tables(lab).split()) == {"table", "inet", "firewall", "nat", "fwhelpers_pin"}
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert greets(lab)
    removed = lab.fwhelpers("unregister").stdout.removeprefix("removed: ").strip().split(", ")
    assert {"fw-ftp", "rpc"} <= set(removed)
    assert "fwhelpers" not in tables(lab)


def test_unregister_refuses_while_others_refer_to_a_helper(lab: Lab) -> None:
    lab.fwhelpers("register")
    lab.nft('table inet theirs {\nct helper x {\ntype "rpc" protocol tcp;\n}\n}\n')
    refused = lab.fwhelpers("unregister", check=False)
    assert refused.returncode == 1
    assert "theirs" in refused.stderr
    assert "fwhelpers_pin" in tables(lab)
    lab.nft("delete table inet theirs")
    assert lab.fwhelpers("unregister").returncode == 0


def test_a_flushed_ruleset_costs_no_registration(lab: Lab) -> None:
    daemon = lab.start_fwhelpers(FTP)
    lab.run("g", "nft", "flush", "ruleset")
    daemon.wait_line("restored table fwhelpers_pin, which was removed")
    assert set(tables(lab).split()) == {"table", "inet", "fwhelpers", "fwhelpers_pin"}
    refused = lab.fwhelpers("unregister", check=False)
    assert refused.returncode == 1
    assert "the service is running" in refused.stderr
    assert "fwhelpers_pin" in tables(lab)
    assert daemon.stop() == 0
    assert "rpc" in lab.fwhelpers("unregister").stdout


def test_killed_daemon_blocks_nothing(lab: Lab) -> None:
    start_ftp(lab)
    daemon = lab.start_fwhelpers(FTP)
    assert download(lab, "EPSV", 4).returncode == 0
    talk = peer(lab, "c", "ftp_client", "10.0.2.2", "USER ftp;@/run/lab/go;NOOP")
    talk.wait_line("^< 230")
    daemon.kill()
    wait_until(lambda: "table inet fwhelpers\n" not in tables(lab), "the owned table is gone")
    assert greets(lab)
    lab.namespaces["c"].path("/run/lab/go").touch()
    talk.wait_line("^< 200")
    talk.wait_line("^end")
    wait_until(lambda: queues(lab) == [], "the workers have gone")
    again = lab.start_fwhelpers(FTP)
    assert download(lab, "PASV", 4).returncode == 0
    assert again.returncode is None


def test_killed_worker_between_pasv_and_227_loses_nothing(lab: Lab) -> None:
    server = peer(lab, "s", "slow_ftp", "/run/lab/go", "40001")
    server.wait_line("listening")
    lab.start_fwhelpers(ONE_WORKER + FTP)
    client = peer(lab, "c", "ftp_client", "10.0.2.2", "USER ftp;pasv")
    server.wait_line("got PASV")
    (pid,) = workers(lab)
    os.kill(pid, signal.SIGKILL)
    lab.namespaces["s"].path("/run/lab/go").touch()
    client.wait_line("^data connected")
    wait_until(lambda: workers(lab)[0] not in (pid, None), "another worker")
    assert status(lab)["workers"][0]["restarts"] == 1


def test_hung_worker_is_replaced(lab: Lab) -> None:
    start_ftp(lab)
    lab.start_fwhelpers(ONE_WORKER + FTP)
    (pid,) = workers(lab)
    os.kill(pid, signal.SIGSTOP)
    result = download(lab, "EPSV", 4, timeout=50)
    assert result.returncode == 0, result.stderr
    assert workers(lab) != [pid]


def test_reload_goes_over_by_difference(lab: Lab) -> None:
    start_ftp(lab)
    start_nfs(lab)
    daemon = lab.start_fwhelpers(FTP)
    before = queues(lab)
    assert mount(lab, "tcp", timeout=20).returncode != 0
    talk = peer(lab, "c", "ftp_client", "10.0.2.2", "USER ftp;@/run/lab/go;pasv")
    talk.wait_line("^< 230")
    lab.config(BOTH)
    daemon.signal(signal.SIGHUP)
    daemon.wait_line("reloaded: rpc, ftp|reloaded: ftp, rpc")
    lab.namespaces["c"].path("/run/lab/go").touch()
    talk.wait_line("^data connected")
    assert mount(lab, "tcp").returncode == 0
    umount(lab)
    assert [q.split()[:2] for q in queues(lab)] == [q.split()[:2] for q in before]
    lab.config("[helpers.ftp]\nprots = [21]\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_line("reload failed, .*helpers.ftp.prots: unknown key .*did you mean ports")
    assert download(lab, "PASV", 4).returncode == 0


def test_flush_ruleset_does_not_take_our_table(lab: Lab) -> None:
    start_ftp(lab)
    lab.start_fwhelpers(FTP)
    lab.run("g", "nft", "flush", "ruleset")
    assert "table inet fwhelpers\n" in tables(lab)
    wait_until(lambda: "table inet fwhelpers_pin\n" in tables(lab), "the pins are back")
    lab.nft(FIREWALL)
    assert download(lab, "EPSV", 4).returncode == 0


def flood(lab: Lab, count: int, size: int, total: int) -> str:
    arguments = ("10.0.2.2", "111", str(count), str(size), str(total))
    return str(lab.run("c", sys.executable, PEERS, "flood", *arguments, timeout=150).stdout)


def test_big_datagrams_and_overflow_leave_nothing_stuck(lab: Lab) -> None:
    sink = peer(lab, "s", "sink", "10.0.2.2", "111")
    sink.wait_line("listening")
    lab.start_fwhelpers(ONE_WORKER + "[helpers.rpc]\n")
    assert "arrived 60\n" in flood(lab, 60, 6000, total=60)
    (pid,) = workers(lab)
    os.kill(pid, signal.SIGSTOP)  # more than the queue holds: the rest must pass, uninspected
    assert "arrived 5060\n" in flood(lab, 5000, 10, total=5060)
    assert int(queues(lab)[0].split()[2]) == 0


def test_flow_older_than_the_daemon_is_left_alone(lab: Lab) -> None:
    start_ftp(lab)
    talk = peer(lab, "c", "ftp_client", "10.0.2.2", "USER ftp;@/run/lab/go;pasv;NOOP")
    talk.wait_line("^< 230")
    lab.start_fwhelpers(FTP)
    lab.namespaces["c"].path("/run/lab/go").touch()
    talk.wait_line("^data failed")
    talk.wait_line("^end")
    assert download(lab, "EPSV", 4).returncode == 0


def test_kernel_helper_and_foreign_helper_of_the_same_name(lab: Lab) -> None:
    start_ftp(lab)
    lab.fwhelpers("unregister", check=False)
    run(["modprobe", "nf_conntrack_ftp"])
    code = (
        "from fwhelpers.kernel import cthelper as c; from fwhelpers.kernel.socket import NetlinkSocket;"
        "import sys; h = c.CtHelper('rpc', 2, 17, priv_len=16, policies=(c.CtPolicy('theirs', 1, 9),));"
        "NetlinkSocket().request(c.encode_new(h) if sys.argv[1] == 'add' else c.encode_delete(h))"
    )
    lab.run("g", sys.executable, "-c", code, "add")
    try:
        daemon = lab.start_fwhelpers(BOTH)
        daemon.wait_line("rpc: not registered: .*another helper of the name rpc")
        assert download(lab, "PASV", 4).returncode == 0
        daemon.stop()
    finally:
        lab.run("g", sys.executable, "-c", code, "delete")
        lab.fwhelpers("unregister", check=False)
        run(["rmmod", "nf_conntrack_ftp"], check=False)


def refuses(lab: Lab, *argv: str) -> str:
    """The one line that the service says when it can't start; nothing may be left behind."""
    result = lab.run("g", *argv, check=False)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert queues(lab) == []
    assert "table inet fwhelpers\n" not in tables(lab)
    return str(result.stderr)


def daemon_command(lab: Lab, toml: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "fwhelpers", "run", "--config", lab.config(toml))


def test_no_capability(lab: Lab) -> None:
    drop = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    error = refuses(lab, *drop, *daemon_command(lab, FTP))
    assert re.search(r"^fwhelpers: error: .*(CAP_NET_ADMIN|not permitted)", error, re.M)


def test_bad_config(lab: Lab) -> None:
    error = refuses(lab, *daemon_command(lab, "[helpers.ftp]\nports = [70000]\n[helpers.rcp]\n"))
    assert "helpers.ftp.ports" in error
    assert "did you mean rpc?" in error


def test_taken_queue(lab: Lab) -> None:
    holder = (
        "from fwhelpers.kernel.socket import QueueSocket; q = QueueSocket(); q.bind(1000);"
        "print('held', flush=True); import time; time.sleep(300)"
    )
    lab.popen("g", sys.executable, "-c", holder, name="holder").wait_line("held")
    result = lab.run("g", *daemon_command(lab, FTP), check=False)
    assert result.returncode == 1
    assert "queue 1000" in result.stderr
    assert "table inet fwhelpers\n" not in tables(lab)


def test_second_instance(lab: Lab) -> None:
    first = lab.start_fwhelpers(FTP)
    second = lab.run("g", *daemon_command(lab, FTP), check=False)
    assert second.returncode == 1
    assert "another fwhelpers is running" in second.stderr
    assert first.returncode is None
    assert len(queues(lab)) == os.cpu_count()


def test_missing_module(lab: Lab) -> None:
    lab.fwhelpers("unregister", check=False)
    run(["rmmod", "nfnetlink_cthelper"])
    # the daemon's own modprobe runs in the lab's namespace, the kernel's requests outside of it
    hide = (
        "mkdir -p /run/mp && echo 'install nfnetlink_cthelper /bin/false' > /run/mp/no.conf"
        " && mount --bind /run/mp /etc/modprobe.d"
    )
    lab.run("g", "sh", "-c", hide)
    run(["sh", "-c", hide])
    try:
        error = refuses(lab, *daemon_command(lab, FTP))
        assert "fwhelpers check" in error
        checked = lab.fwhelpers("check", "--config", lab.config(FTP), check=False)
        assert checked.returncode == 1
        assert "modprobe nfnetlink_cthelper" in checked.stdout
    finally:
        run(["umount", "/etc/modprobe.d"])
        run(["modprobe", "nfnetlink_cthelper"])
