"""SIP calls of sipp through a gateway that accepts established and related traffic alone.

The audio is counted where it arrives, in both directions: neither end may open a port of the other without the helper.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lab.process import Process, run, wait_until
from lab.sip import (
    ENOUGH,
    arrived,
    call,
    caller_command,
    count_audio,
    expected,
    make_calls,
    start_callee,
    statistics,
)
from lab.topology import CLIENT, Lab

#: calls of one phone, fifty at a time; FWHELPERS_CALLS=1000 in the environment makes a thousand
CALLS = int(os.environ.get("FWHELPERS_CALLS", "100"))
MANY = "[helpers.sip.guard]\nrate = 1000\nmax_per_source = 1024\n"


def _open(lab: Lab, helper: bool) -> Lab:
    for l4 in "udp", "tcp":
        lab.open(l4, 5060)
    count_audio(lab)
    if helper:
        lab.start_fwhelpers("[helpers.sip]\n")
    return lab


@pytest.fixture(scope="module", params=["none", "snat", "both"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(nat=request.param) as lab:
        yield _open(lab, helper=True)


@pytest.mark.parametrize(("l4", "family"), [("udp", 4), ("tcp", 4), ("udp", 6)])
def test_audio_is_heard_at_both_ends(gateway: Lab, l4: str, family: int) -> None:
    before = {ns: arrived(gateway, ns) for ns in ("c", "s")}
    callee = start_callee(gateway, l4, family)
    done = call(gateway, l4, family)
    callee.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert arrived(gateway, "s") - before["s"] > ENOUGH, "the callee hears nothing"
    assert arrived(gateway, "c") - before["c"] > ENOUGH, "the caller hears nothing"
    assert expected(gateway) == [], "the call has ended"


def test_early_audio_of_a_call_that_is_never_answered(gateway: Lab) -> None:
    """183 with a description, PRACK, audio, CANCEL."""
    before = {ns: arrived(gateway, ns) for ns in ("c", "s")}
    callee = start_callee(gateway, name="early-callee")
    done = call(gateway, name="early-caller")
    callee.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    for ns, count in before.items():
        assert arrived(gateway, ns) - count > ENOUGH, f"{ns} hears nothing"
    assert expected(gateway) == [], "the call was cancelled"


def test_a_call_without_helper_is_silent(lab: Lab) -> None:
    _open(lab, helper=False)
    start_callee(lab)
    assert call(lab).returncode == 0
    assert (arrived(lab, "c"), arrived(lab, "s")) == (0, 0)


def test_a_registered_phone_is_called(lab: Lab) -> None:
    """The registrar calls the Contact, which has another port than the registration came from."""
    _open(lab, helper=True)
    start_callee(lab, name="registrar")
    start_callee(lab, ns="c", port=5066)
    lab.popen("c", *caller_command(lab, name="registrant", milliseconds=600_000), name="registrant")
    wait_until(lambda: any("dport=5066" in line for line in expected(lab)), "the Contact's port")
    done = call(lab, ns="s", to=CLIENT[4], port=5066, own_port=5061)
    assert done.returncode == 0, done.stdout + done.stderr
    assert arrived(lab, "c") > ENOUGH, "the phone hears nothing"
    assert arrived(lab, "s") > ENOUGH, "the caller hears nothing"


@pytest.mark.nat("snat")
def test_many_calls_fifty_at_a_time(lab: Lab) -> None:
    for l4 in "udp", "tcp":
        lab.open(l4, 5060)
    # one address may have an eighth of the kernel's expectations, with one worker
    run(["sysctl", "-qw", "net.netfilter.nf_conntrack_expect_max=8192"])
    daemon = lab.start_fwhelpers(f"[daemon]\nworkers = 1\n[helpers.sip]\n{MANY}")
    start_callee(lab, silent=CALLS + 1)
    # behind SNAT the packets of a new socket may leave by different ports (decision 0116)
    assert make_calls(lab, 1, 1, milliseconds=1000).returncode == 0
    before = len(_opened(daemon))
    done = make_calls(lab, CALLS, 50)
    # sipp's status is 0 only if every call was successful, and its statistics say so
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert statistics(done.stdout) == {"Successful call": CALLS, "Failed call": 0}
    assert expected(lab) == [], "all calls have ended"
    # RTP and RTCP of both ends, however often a message was sent again
    wait_until(lambda: len(_opened(daemon)) - before >= 4 * CALLS, "the reports")
    assert len(set(_opened(daemon)[before:])) == len(_opened(daemon)) - before == 4 * CALLS
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def _opened(daemon: Process) -> list[str]:
    return [line for line in daemon.lines if "expecting audio" in line]
