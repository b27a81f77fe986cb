"""SIP with sipp: callers and callees with audio that is counted where it arrives."""

from __future__ import annotations

import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from lab.process import Process
from lab.topology import CLIENT, SERVER, Lab

PORT = 5060
#: of two seconds with fifty packets each: emulated machines are slow
ENOUGH = 20
CALLER_MEDIA, CALLEE_MEDIA = 6000, 7000  #: first ports of audio
CALLER_PORTS, CALLEE_PORTS = 10000, 20000  #: the same of calls that have ports of their own
SCENARIOS = Path(__file__).parent / "sipp"

_AUDIO = "/run/lab/audio"  #: two seconds of silence, which sipp repeats
_COUNTERS = """
table inet audio {
    counter arrived { }
    chain input {
        type filter hook input priority filter;
        udp dport 6000-7999 counter name arrived
    }
}
"""


def _scenario(lab: Lab, ns: str, name: str) -> str:
    """Return a scenario as a file of the namespace, with the name of the audio in it."""
    folder = lab.namespaces[ns]
    folder.path(_AUDIO).write_bytes(bytes(16000))
    text = (SCENARIOS / f"{name}.xml").read_text().replace("[file_name]", _AUDIO)
    folder.path(f"/run/lab/{name}.xml").write_text(text)
    return f"/run/lab/{name}.xml"


def _silent(lab: Lab, ns: str, name: str, first: int, count: int) -> tuple[str, ...]:
    """Take the audio out of a scenario, and give each call a port of its own. Return options of sipp.

    Messages are sent again after four seconds (T1), and for four minutes: a busy machine answers late.
    """
    folder = lab.namespaces[ns]
    file = folder.path(f"/run/lab/{name}.xml")
    text = re.sub(r"<nop>.*?</nop>", "", file.read_text(), flags=re.DOTALL)
    file.write_text(text.replace("[media_port]", "[field0]").replace('"500"', '"4000"'))
    ports = "".join(f"{first + 4 * number}\n" for number in range(count))
    folder.path(f"/run/lab/{name}.csv").write_text(f"SEQUENTIAL\n{ports}")
    return "-inf", f"/run/lab/{name}.csv"


def _sipp(lab: Lab, ns: str, name: str, address: str, l4: str, port: int, media: int) -> list[str]:
    return [
        "sipp",
        *("-sf", _scenario(lab, ns, name), "-t", "u1" if l4 == "udp" else "t1"),
        *("-i", address, "-p", str(port), "-mi", address, "-mp", str(media)),
        # it takes an INVITE that comes again after its 200 for another message, and would abort the call
        *("-default_behaviors", "all,-abortunexp"),
        *("-nostdin", "-trace_err", "-error_file", f"/run/lab/{name}.errors"),
    ]


def count_audio(lab: Lab) -> None:
    """Begin to count the audio that arrives at either end."""
    for ns in "c", "s":
        lab.nft(_COUNTERS, ns)


def arrived(lab: Lab, ns: str) -> int:
    """Return how many packets of audio have arrived at an end."""
    listed = lab.run(ns, "nft", "list", "counter", "inet", "audio", "arrived").stdout
    return int(listed.split("packets ")[1].split()[0])


def start_callee(
    lab: Lab,
    l4: str = "udp",
    family: int = 4,
    *,
    ns: str = "s",
    port: int = PORT,
    name: str = "callee",
    silent: int = 0,
) -> Process:
    """Start a program that answers calls (or registrations) on an end.

    `silent`: so many calls without audio, each with a port of its own.
    """
    address = (SERVER if ns == "s" else CLIENT)[family]
    command = _sipp(lab, ns, name, address, l4, port, CALLEE_MEDIA)
    if silent:
        command += _silent(lab, ns, name, CALLEE_PORTS, silent)
    process = lab.popen(ns, *command, name=name)
    lab.namespaces[ns].wait_listening(l4, port, family)
    return process


def caller_command(
    lab: Lab,
    l4: str = "udp",
    family: int = 4,
    *,
    name: str = "caller",
    ns: str = "c",
    to: str = "",
    port: int = PORT,
    own_port: int = PORT,
    milliseconds: int = 2000,
    count: int = 1,
) -> list[str]:
    """Return the command that calls (or registers), with so much audio in each call."""
    target = to or lab.target(family)
    host = f"[{target}]" if ":" in target else target
    address = (SERVER if ns == "s" else CLIENT)[family]
    command = _sipp(lab, ns, name, address, l4, own_port, CALLER_MEDIA)
    return [*command, "-m", str(count), "-d", str(milliseconds), f"{host}:{port}"]


def call(lab: Lab, l4: str = "udp", family: int = 4, **options: Any) -> CompletedProcess[str]:
    """Run `caller_command` to its end; the caller checks the status."""
    ns = options.get("ns", "c")
    command = caller_command(lab, l4, family, **options)
    return lab.run(ns, *command, check=False, timeout=90)


def make_calls(
    lab: Lab, count: int, at_once: int, milliseconds: int = 8000
) -> CompletedProcess[str]:
    """Make calls without audio, each with a port of its own; the caller checks the status.

    As many begin in a second as end in it, if the machine is fast enough.
    """
    command = caller_command(lab, count=count, milliseconds=milliseconds)
    command[-1:-1] = _silent(lab, "c", "caller", CALLER_PORTS, count)
    rate = max(1, at_once * 1000 // milliseconds)
    command[-1:-1] = ["-l", str(at_once), "-r", str(rate)]
    return lab.run("c", *command, check=False, timeout=120 + count)


def statistics(output: str) -> dict[str, int]:
    """Return the totals of successful and failed calls on sipp's last screen."""
    rows = re.findall(r"^ +(Successful call|Failed call) +\| +\d+ +\| +(\d+)", output, re.MULTILINE)
    return {name: int(total) for name, total in rows}


def expected(lab: Lab) -> list[str]:
    """Return the live expectations of the gateway."""
    return lab.run("g", "conntrack", "-L", "expect").stdout.splitlines()
