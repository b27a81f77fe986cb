"""The kernel scenarios: ordinary pytest tests, run where the kernel can do it.

If the running kernel can, and we are root, they run right here. If not, a VM is booted once, an inner pytest runs
all of the selected ones in it, and each result is reported out here as if the test had run here (see bridge.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from lab import image, packages, unpacked
from lab.bridge import Bridge, write_report
from lab.scheduler import Claims, group
from lab.system import System
from lab.topology import Lab

HERE = Path(__file__).parent
#: tests that need nothing but a processor; the ones before them build the packages that machines install
BESIDE = (HERE.parent / "plugins", HERE.parent / "unit")
INSIDE = bool(os.environ.get("FWHELPERS_INSIDE"))
_bridge = pytest.StashKey[Bridge]()
_lab = pytest.StashKey[Lab]()
_claims = Claims.inside()


def _is_ours(item: pytest.Item) -> bool:
    return HERE in item.path.parents


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "nat(kind): the gateway translates: snat, dnat or both")
    config.stash[_bridge] = Bridge(config)


def pytest_collection_finish(session: pytest.Session) -> None:
    if INSIDE or session.config.option.collectonly:
        return
    ours = [i for i in session.items if _is_ours(i)]
    session.config.stash[_bridge].expect(ours)
    if os.geteuid() == 0 and any("system" in getattr(i, "fixturenames", ()) for i in ours):
        image.make_layer(image.packages())
    if any("debs" in getattr(i, "fixturenames", ()) for i in ours):
        packages.build()
    for fixture, package in unpacked.PACKAGES.items():
        if any(fixture in getattr(i, "fixturenames", ()) for i in ours):
            unpacked.fetch(package)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In an order of this machine's own."""
    if _claims is not None:
        items[:] = _claims.order(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Let the VM do it, and pass on what it reports; in the VM, leave to the others what is theirs."""
    if _claims is not None:
        if _claims.claim(group(item)):
            _run_alone(item, nextitem)
        return True
    bridge = item.config.stash[_bridge]
    if not INSIDE and any(folder in item.path.parents for folder in BESIDE):
        bridge.start()
    if INSIDE or not _is_ours(item) or not bridge.needed:
        return None
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in bridge.reports(item):
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _run_alone(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """As pytest does; but what comes next may be another machine's, so nothing of this group is kept for it."""
    goes_on = nextitem is not None and group(nextitem) == group(item)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runtestprotocol(item, nextitem=nextitem if goes_on else None)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if INSIDE:
        write_report(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[_bridge].close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the lab's logs and the gateway's state to a failure."""
    report = yield
    lab = item.stash.get(_lab, None)
    if report.failed and call.when == "call" and lab is not None:
        report.sections += [(f"lab: {title}", text) for title, text in lab.report().items()]
    return report


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A fresh lab; mark the test with `nat(kind)` for one that translates addresses."""
    mark = request.node.get_closest_marker("nat")
    name = re.sub(r"\W+", "-", request.node.name)
    with Lab(mark.args[0] if mark else "none", Path("/tmp/fwhelpers-lab") / name) as new_lab:
        request.node.stash[_lab] = new_lab
        yield new_lab


@pytest.fixture
def system(lab: Lab) -> System:
    """A Debian system under systemd as the lab's gateway, our packages installed; the test boots it."""
    return System(lab, image.find_layer())
