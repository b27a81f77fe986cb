"""Parameters of the kernel's helpers, from modprobe's configuration or a script.

options nf_conntrack_sip ports=5060,5062 sip_direct_media=0
modprobe nf_conntrack_ftp ports=21,2121

`ports` has an equal in each of our helpers, `sip_timeout` and `default_rrq_ttl` have one. Parameters that would admit
more hosts become notes, as our configuration must name those hosts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fwhelpers.api import Helper, Setting
from fwhelpers.migrate.helper_keys import Entry
from fwhelpers.migrate.notes import MigrationNote, Origin, shown
from fwhelpers.migrate.shell_words import commands

_PREFIXES = ("nf_conntrack_", "ip_conntrack_")
_COMMANDS = ("options", "modprobe", "insmod")
_MOST_PORTS = 8  # of the modules

#: parameters in seconds, and our settings
_SECONDS = {"sip_timeout": "keep", "default_rrq_ttl": "registration"}
#: values that have no equal, and what to do about them
_ADVICE = {
    ("sip_direct_media", "0"): (
        'set guard.address to "announced", or to "any-src" as the kernel does, and `destinations`'
    ),
    ("sip_direct_signalling", "0"): "only the registrar may call a phone; accept others by a rule",
    ("gkrouted_only", "0"): (
        'set guard.address to "any-src" and `destinations`, so that not only the gatekeeper calls'
    ),
    **{
        ("callforward_filter", value): "calls are forwarded to their sender only"
        for value in ("0", "n", "N")
    },
}
#: values that need nothing: the defaults, and a condition that our engine does not need
_NOTHING = {
    ("sip_direct_media", "1"),
    ("sip_direct_signalling", "1"),
    ("sip_external_media", "0"),
    ("sip_external_media", "1"),
    ("gkrouted_only", "1"),
    *(("callforward_filter", value) for value in ("1", "y", "Y")),
}


@dataclass(frozen=True, slots=True)
class ModuleOptions:
    """The parameters of one module, on one line."""

    helper: str
    parameters: tuple[tuple[str, str], ...]
    origin: Origin

    def __str__(self) -> str:
        return shown(" ".join([self.helper, *(f"{key}={value}" for key, value in self.parameters)]))


def read(file: str, text: str) -> Iterator[ModuleOptions]:
    """Yield the modules of helpers that have parameters."""
    for command in commands(text):
        words = [word for word in command.words if not word.startswith("-")]
        if len(words) < 3 or words[0].rpartition("/")[2] not in _COMMANDS:
            continue
        name = words[1].rpartition("/")[2].partition(".")[0].replace("-", "_")
        pairs = [word.partition("=") for word in words[2:] if "=" in word]
        parameters = tuple((key, value) for key, _, value in pairs)
        for prefix in _PREFIXES:
            if name.startswith(prefix) and parameters:
                yield ModuleOptions(
                    name.removeprefix(prefix), parameters, Origin(file, command.line)
                )


def convert(
    options: ModuleOptions, helpers: Mapping[str, Helper]
) -> tuple[list[Entry], list[MigrationNote]]:
    """Return the keys that differ from the helper's defaults, and notes on all other parameters."""
    helper = helpers.get(options.helper)
    if helper is None:
        text = f"omitted the parameters of {shown(options.helper)}: no such helper is installed"
        return [], [MigrationNote(options.origin, text)]
    entries, notes = [], []
    for key, value in options.parameters:
        setting = _seconds(helper, key, value)
        ports = _ports(value) if key == "ports" else []
        if ports and ports != list(helper.ports):
            entries.append(Entry("ports", ports, (options.origin,)))
        elif setting is not None:
            if int(value) != setting.default:
                entries.append(Entry(setting.name, int(value), (options.origin,)))
        elif not ports and (key, value) not in _NOTHING:
            advice = _ADVICE.get((key, value), "it has no equal")
            notes.append(
                MigrationNote(options.origin, f"omitted {shown(f'{key}={value}')}: {advice}")
            )
    return entries, notes


def _seconds(helper: Helper, key: str, value: str) -> Setting | None:
    """Return the setting that takes the value of a parameter, None if there is none."""
    for setting in helper.settings:
        if setting.name != _SECONDS.get(key) or setting.check is None:
            continue
        try:
            setting.check(int(value) if value.isascii() and value.isdecimal() else None)
        except ValueError:  # of `int` for thousands of digits too
            return None
        return setting
    return None


def _ports(value: str) -> list[int]:
    """Return the ports, none if one of them is invalid."""
    words = value.split(",")
    if len(words) > _MOST_PORTS or not all(
        w.isascii() and w.isdecimal() and len(w) < 6 for w in words
    ):
        return []
    ports = list(dict.fromkeys(int(word) for word in words))
    return ports if all(0 < port < 65536 for port in ports) else []
