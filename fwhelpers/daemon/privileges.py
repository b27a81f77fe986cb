"""The manager's rights after its start: CAP_NET_ADMIN, and the user `fwhelpers` where there is one.

Under systemd it begins with no more than that. Started by hand as root it comes down to the same by itself.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from fwhelpers.kernel import process

USER = "fwhelpers"


def step_down(*owned: Path) -> str:
    """Give up what is not needed; returns the user's name. `owned` goes to that user. Raises OSError."""
    process.bound_capabilities([process.CAP_NET_ADMIN])  # first: another user has no right to
    if os.geteuid() == 0:
        account = _account()
        if account is not None:
            _become(account, owned)
    process.limit_capabilities([process.CAP_NET_ADMIN], inherited=True)
    process.no_new_privileges()
    return pwd.getpwuid(os.geteuid()).pw_name


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(USER)
    except KeyError:  # not installed from a package: root, but without root's capabilities
        return None


def _become(account: pwd.struct_passwd, owned: tuple[Path, ...]) -> None:
    for path in owned:
        os.chown(path, account.pw_uid, account.pw_gid)
    process.keep_capabilities(True)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    process.keep_capabilities(False)
