"""RPC program numbers and names, and the setting `programs`."""

from __future__ import annotations

from collections.abc import Mapping

#: program numbers assigned by IANA
PROGRAMS: Mapping[str, int] = {
    "amd": 300019,
    "bootparam": 100026,
    "keyserv": 100029,
    "klm": 100020,
    "mountd": 100005,
    "nfs": 100003,
    "nfs_acl": 100227,
    "nlockmgr": 100021,
    "rquotad": 100011,
    "rstatd": 100001,
    "rusersd": 100002,
    "sprayd": 100012,
    "status": 100024,
    "vxi11_async": 395184,
    "vxi11_core": 395183,
    "vxi11_intr": 395185,
    "walld": 100008,
    "ypbind": 100007,
    "yppasswdd": 100009,
    "ypserv": 100004,
    "ypupdated": 100028,
    "ypxfrd": 100069,
}
_NAMES = {number: name for name, number in PROGRAMS.items()}

#: NFS 3 and its companions, NIS, and test instruments
DEFAULT_PROGRAMS = [
    "mountd",
    "nfs",
    "nfs_acl",
    "nlockmgr",
    "rquotad",
    "status",
    "ypbind",
    "yppasswdd",
    "ypserv",
    "vxi11_async",
    "vxi11_core",
    "vxi11_intr",
]
ANY = frozenset({-1})  #: "any" in the checked setting


def check_programs(value: object) -> frozenset[int]:
    """Check the setting `programs`: names and numbers, or "any". Raises ValueError."""
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError('must be a list of program names and numbers, or ["any"]')
    return frozenset(map(_program_number, value))


def _program_number(item: object) -> int:
    if item == "any":
        return min(ANY)
    if isinstance(item, str) and item in PROGRAMS:
        return PROGRAMS[item]
    if isinstance(item, int) and not isinstance(item, bool) and 0 < item < 1 << 32:
        return item
    from difflib import get_close_matches  # imported for bad input only

    nearest = get_close_matches(str(item), PROGRAMS, 1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"programs: {', '.join(PROGRAMS)}"
    raise ValueError(f"{item!r} is not an RPC program", hint)


def is_listed(program: int, programs: frozenset[int]) -> bool:
    """Return True if the checked setting contains this program."""
    return program in programs or programs >= ANY


def program_name(program: int) -> str:
    """Return the name of a program, or its number."""
    return _NAMES.get(program, str(program))
