"""`fwhelpers replay --report`: one HTML page of a capture, for plugin authors and bug reports.

`recording` replays the capture and keeps what happened, `page` writes it, `anonymise` and `addresses`
replace the addresses in the capture and in the page.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fwhelpers.cli.common import warn
from fwhelpers.cli.errors import CliError
from fwhelpers.cli.report.addresses import AddressMap
from fwhelpers.cli.report.anonymise import Result, Spy, anonymise
from fwhelpers.cli.report.page import render
from fwhelpers.cli.report.recording import MAX_BYTES, Recorder, Recording
from fwhelpers.testing import pcap

KEPT = (
    "Addresses were replaced, those of network cards, too. User names, passwords, file names and host"
    " names were not: read the capture before you publish it."
)


def replay_and_report(arguments: argparse.Namespace, *options: Any) -> Iterator[dict[str, Any]]:
    """Write the report; yield the announcements as `replay_file` does. Raises ValueError, CliError."""
    _check_names(arguments.file, arguments.report, anonymised=arguments.anonymise)
    recorder = Recorder(*options)
    for frame in pcap.read(arguments.file):
        recorder.frame(frame)
    recording = recorder.recording(arguments.file.name)
    notes: tuple[str, ...] = ()
    if arguments.anonymise:
        result, addresses = write_capture(
            arguments.file, arguments.report, Spy(*options), Spy(*options)
        )
        replace_addresses(recording, result, addresses)
        notes = tuple(_notes(result, target_of(arguments.report)))
        for note in notes:
            warn(note)
    arguments.report.write_text(render(recording, notes), "utf-8")
    yield from recorder.results()


def _check_names(capture: Path, report: Path, *, anonymised: bool) -> None:
    """Raise CliError if the report or the capture beside it would replace another file."""
    hint = "give the report another name"
    if report.exists() and report.samefile(capture):
        raise CliError(f"{report} is the capture itself", hint)
    target = target_of(report)
    if anonymised and target == report:
        raise CliError(f"{report} would be the report and the new capture", hint)
    if anonymised and target.exists():
        if target.samefile(capture):
            raise CliError(f"{target} is the capture itself", hint)
        raise CliError(
            f"{target} exists, and the new capture would replace it", f"remove it, or {hint}"
        )


def target_of(report: Path) -> Path:
    """Return the capture that is written beside a report."""
    return report.with_suffix(".pcap")


def write_capture(source: Path, report: Path, spy: Spy, check: Spy) -> tuple[Result, AddressMap]:
    """Write the capture with other addresses beside the report."""
    target = target_of(report)
    addresses = AddressMap(secrets.token_bytes(32))
    return anonymise(source, target, addresses, spy, check), addresses


def _notes(result: Result, target: Path) -> Iterator[str]:
    yield f"{KEPT} The capture {target.name} has the same addresses and frame numbers as this page."
    if result.omitted:
        yield f"{result.omitted} frames without a complete TCP or UDP packet were left out."
    if result.kept:
        yield (
            f"{result.kept} addresses were not replaced everywhere, as they are spread over several"
            " messages: do not publish this capture."
        )
    if result.masked:
        yield f"{result.masked} addresses were overwritten with zeros, as no other one fits there."


def replace_addresses(recording: Recording, result: Result, addresses: AddressMap) -> None:
    """Replace addresses and frame numbers in a recording by those of the written capture."""
    recording.name = addresses.text(recording.name)
    for session in recording.sessions:
        session.title = addresses.text(session.title)
        session.client = addresses.text(session.client)
        session.server = addresses.text(session.server)
        session.messages = [
            message._replace(
                frame=result.numbers[message.frame],
                data=result.payloads[message.frame][:MAX_BYTES],
            )
            for message in session.messages
            if message.frame in result.numbers
        ]
        session.rows = [
            row._replace(
                frame=result.numbers.get(row.frame, 0),
                others=tuple(result.numbers.get(number, 0) for number in row.others),
                text=addresses.text(row.text),
            )
            for row in session.rows
        ]
