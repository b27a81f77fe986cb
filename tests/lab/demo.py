"""`./dev demo`: NFSv3 and FTP through a default-drop firewall, without and with fwhelpers.

Each line with a tick is the result of a check. Exit status 0 means that all checks passed.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lab import PROGRAMS, clients, servers
from lab.process import LabError, Process, wait_until
from lab.topology import FIREWALL, FWHELPERS, Lab

CONFIG = """\
[helpers.rpc]
[helpers.ftp]
"""
#: seconds after which a client's command fails while the firewall drops its packets
GIVE_UP = 12
_HELPERS = str(PROGRAMS / "list_cthelpers.py")


class Story:
    """The printed report and the failed checks."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.checked = 0
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def chapter(self, title: str) -> None:
        print(f"\n=== {title}  [{self.elapsed:.0f} s]", flush=True)

    def say(self, text: str) -> None:
        print(f"    {text}", flush=True)

    def check(self, true: object, text: str, why: str = "") -> None:
        """Print a check and its result."""
        self.checked += 1
        print(f"  {'✓' if true else '✗'} {text}", flush=True)
        if not true:
            self.failures.append(text)
            for line in why.strip().splitlines()[-12:]:
                self.say(f"  {line}")


class Demo:
    """The demonstration in four steps."""

    def __init__(self, lab: Lab, story: Story) -> None:
        self.lab = lab
        self.story = story
        self.kernel: Process
        self.monitor: Process

    def run(self) -> None:
        self.prepare()
        before = self.state()
        self.without()
        self.start()
        self.nfs()
        self.ftp()
        self.look()
        self.stop()
        self.unregister(before)

    def prepare(self) -> None:
        self.story.say("client 10.0.1.2 ── gateway ── server 10.0.2.2, and the same with IPv6")
        self.story.say("the gateway's firewall:")
        rules = FIREWALL.split("type filter", 1)[1].split("counter name", 1)[0]
        for line in ("type filter" + rules).strip().splitlines():
            self.story.say("    " + line.strip())
        servers.start_nfs(self.lab)
        servers.start_ftp(self.lab)
        self.story.say("the server runs rpcbind, mountd, the kernel's NFS server, and vsftpd")

    def state(self) -> dict[str, str]:
        """Return the kernel state that fwhelpers changes."""
        lab = self.lab
        return {
            "tables": lab.run("g", "nft", "list", "tables").stdout,
            "queues": self.queues(),
            "helpers": lab.run("g", sys.executable, _HELPERS).stdout,
        }

    def queues(self) -> str:
        """Return the bound queues, or an empty string without the module."""
        return self.lab.run("g", "cat", "/proc/net/netfilter/nfnetlink_queue", check=False).stdout

    # 1

    def without(self) -> None:
        self.story.chapter("1. Without a helper")
        lab, dropped = self.lab, self.lab.dropped()
        cases = {
            "NFSv3 mount (mountproto=udp)": ("c", clients.mount_command(lab, "udp")),
            "NFSv3 mount (mountproto=tcp)": ("c2", clients.mount_command(lab, "tcp")),
        }
        for way, family in clients.FTP_CASES:
            command = clients.curl_command(lab, way, family, "hello", timeout=GIVE_UP - 2)
            cases[f"FTP download ({way}, IPv{family})"] = ("c", command)
        commands = [lab.namespaces[ns].enter(*command) for ns, command in cases.values()]
        for case, done in zip(cases, clients.together(*commands, timeout=GIVE_UP), strict=True):
            self.story.check(done.returncode != 0, f"{case} fails", done.stdout)
        dropped = lab.dropped() - dropped
        self.story.check(
            dropped, f"the firewall dropped {dropped} packets of unexpected connections"
        )

    # 2 and 3

    def start(self) -> None:
        self.story.chapter("2. With fwhelpers on the gateway")
        self.daemon = self.lab.start_fwhelpers(CONFIG)
        self.story.check(self.daemon.returncode is None, "fwhelpers run: ready")
        self.kernel = self.lab.popen("g", "conntrack", "-E", "expect", name="conntrack")
        self.monitor = self.lab.popen("g", *FWHELPERS, "monitor", name="monitor")
        self.lab.namespaces["g"].wait_listening_for_events(self.monitor)
        self.monitor.on_line = self._show
        self.story.say("from here on, each expectation as `fwhelpers monitor` shows it")

    def _show(self, line: str) -> None:
        if "[NEW]" in line:
            self.story.say(f"  {line.strip()}")

    def nfs(self) -> None:
        lab = self.lab
        nfs, mountd = servers.ports(lab, "nfs"), servers.ports(lab, "mountd")
        for proto in ("udp", "tcp"):
            done = clients.mount(lab, proto)
            self.story.check(done.returncode == 0, f"NFSv3 mount (mountproto={proto})", done.stderr)
            if done.returncode == 0:
                self._use_mount(proto)
            self._expected("NFS", "tcp", nfs["tcp"])
            self._expected("mountd", proto, mountd[proto])

    def _use_mount(self, proto: str) -> None:
        text = f"written by the client over {proto}\n"
        try:
            content = clients.read(self.lab)
            clients.write(self.lab, f"{proto}.txt", text)
        except LabError as error:
            self.story.check(False, "read and write a file", str(error))
            return
        finally:
            clients.umount(self.lab)
        arrived = clients.served(self.lab, f"{servers.EXPORT}/{proto}.txt")
        self.story.check(
            content == "written by the server\n" and arrived == text, "read and wrote a file"
        )

    def _expected(self, name: str, l4: str, port: int) -> None:
        """Check that the kernel and `fwhelpers monitor` report an expectation."""
        number = {"tcp": 6, "udp": 17}[l4]
        pattern = (
            rf"^\s*\[NEW\] \d+ proto={number} src=10\.0\.1\.2 dst=10\.0\.2\.2 sport=0 dport={port} "
            rf".* master-src=10\.0\.1\.2 .* dport=111 PERMANENT class=0 helper=rpc$"
        )
        reported = self._reported(self.kernel, pattern) and self._reported(self.monitor, pattern)
        self.story.check(reported, f"the kernel expected the client at {name}'s {l4} port {port}")

    def _reported(self, process: Process, pattern: str) -> bool:
        with suppress(LabError):
            process.wait_line(pattern, 30.0)
            return True
        return False

    def ftp(self) -> None:
        for way, family in clients.FTP_CASES:
            before = len(self.kernel.lines)
            down = clients.download(self.lab, way, family)
            name, text = f"pub/{way}{family}", f"sent by {way} over IPv{family}"
            up = clients.upload(self.lab, way, family, name, text)
            arrived = up.returncode == 0 and clients.served(self.lab, f"/srv/ftp/{name}") == text
            used = self._used(way, down.stderr) and self._used(way, up.stderr)
            good = down.stdout == "served by ftp\n" and arrived and used
            self.story.check(
                good, f"FTP download and upload ({way}, IPv{family})", down.stderr + up.stderr
            )
            new = [line for line in self.kernel.lines[before:] if "[NEW]" in line]
            self.story.check(len(new) >= 2, "an expectation for each", "\n".join(new))

    def _used(self, way: str, output: str) -> bool:
        """Return whether curl used this way and did not fall back to another."""
        reply = {"PASV": "< 227 ", "EPSV": "< 229 ", "PORT": "< 200 PORT", "EPRT": "< 200 EPRT"}[
            way
        ]
        return f"> {way}" in output and reply in output

    # 4

    def look(self) -> None:
        self.story.chapter("3. What the gateway saw")
        self._same_lines()
        self.related = self._related()
        self.story.say("connections that were let through because they had been announced:")
        for line in self.related[:6]:
            self.story.say("  " + line)
        self.story.say(f"  … {len(self.related)} in all")
        expected = len([line for line in self.kernel.lines if "[NEW]" in line])
        self.story.check(
            len(self.related) >= 12,
            f"{expected} expectations, {len(self.related)} related connections",
        )
        wait_until(lambda: self._counted("expected") >= expected, "the counters are published")
        for line in self.lab.fwhelpers("counters").stdout.splitlines():
            self.story.say("  " + line)
        self.story.check(
            self._counted("expected") == expected, f"the counters know of {expected} expectations"
        )
        self.story.check(not self._counted("failed"), "and of no failure")

    def _same_lines(self) -> None:
        self.monitor.on_line = None
        with suppress(LabError):
            wait_until(lambda: self._new(self.monitor) == self._new(self.kernel), "same lines", 30)
        ours, theirs = self._new(self.monitor), self._new(self.kernel)
        difference = "\n".join(sorted(ours ^ theirs))
        same = ours == theirs and ours
        self.story.check(
            same, "`fwhelpers monitor` and `conntrack -E expect` show the same lines", difference
        )

    def _new(self, process: Process) -> set[str]:
        return {line.strip() for line in process.lines if "[NEW]" in line}

    def _related(self) -> list[str]:
        connections: list[str] = []
        for family in ("ipv4", "ipv6"):
            listed = self.lab.run(
                "g", "conntrack", "-L", "-f", family, "-u", "EXPECTED", check=False
            )
            connections += [re.sub(r"\s+", " ", line) for line in listed.stdout.splitlines()]
        return connections

    def _status(self) -> dict[str, dict[str, dict[str, int]]]:
        return dict(json.loads(self.lab.fwhelpers("counters", "--json").stdout))

    def _counted(self, name: str) -> int:
        return sum(counts.get(name, 0) for counts in self._status()["helpers"].values())

    def stop(self) -> None:
        self.story.chapter("4. Stopping")
        lab = self.lab
        workers: Sequence[int] = [worker["pid"] for worker in self._status()["workers"]]  # type: ignore
        self.monitor.stop()
        self.kernel.stop()
        status = self.daemon.stop()
        self.story.check(status == 0, "fwhelpers stopped when asked to", self.daemon.tail())
        tables = lab.run("g", "nft", "list", "tables").stdout
        self.story.check("inet fwhelpers\n" not in tables, "its steering table is gone", tables)
        self.story.check(not self.queues(), "no queue is left", self.queues())
        alive = [pid for pid in workers if Path(f"/proc/{pid}").exists()]
        self.story.check(not alive, f"no process is left of {len(workers)} workers", str(alive))

    def unregister(self, before: dict[str, str]) -> None:
        done = self.lab.fwhelpers("unregister", check=False)
        self.story.check(
            done.returncode == 0, f"fwhelpers unregister: {done.stdout.strip()}", done.stderr
        )
        after = self.state()
        difference = f"before: {before}\nafter: {after}"
        self.story.check(after == before, "the kernel is as it was before", difference)


def summary(story: Story) -> str:
    """Return the final summary."""
    if story.failures:
        listed = "\n".join(f"  ✗ {failure}" for failure in story.failures)
        return f"{len(story.failures)} of {story.checked} checks FAILED:\n{listed}"
    return f"""\
All {story.checked} checks passed, in {story.elapsed:.0f} s.

The firewall never had a rule for NFS, mountd or FTP's data connections: it accepts the control
ports (111 and 21) and what conntrack calls "related". fwhelpers read what client and server
agreed on over the control connections, and told conntrack which connection to expect. Just
those came through, for as long as they were expected, and it left nothing behind.

Try it on your own machine: fwhelpers check; the README says how to go on."""


def main() -> int:
    """Run the demonstration; return 0 if all checks passed."""
    story = Story()
    story.chapter("0. Building client, gateway and server")
    try:
        with Lab() as lab:
            try:
                Demo(lab, story).run()
            except LabError as error:
                story.check(False, "the demonstration ran to its end", str(error))
            if story.failures:
                for title, text in lab.report().items():
                    print(f"\n--- {title}\n{text}")
    except (LabError, ExceptionGroup) as error:
        story.check(False, "the lab came up and went down", repr(error))
    print(f"\n=== Summary\n\n{summary(story)}", flush=True)
    return 1 if story.failures else 0


if __name__ == "__main__":
    sys.exit(main())
