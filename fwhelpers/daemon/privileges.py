"""The manager's rights after its start: CAP_NET_ADMIN, and the user `fwhelpers` where there is one.

Under systemd it begins with no more than that. Started by hand as root it comes down to the same by itself.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from fwhelpers.kernel import privileges

USER = "fwhelpers"


def drop_privileges(*owned: Path) -> str:
    """Give up what is not needed; returns the user's name. `owned` goes to that user. Raises OSError."""
    privileges.bound_capabilities([privileges.CAP_NET_ADMIN])  # first: another user has no right to
    if os.geteuid() == 0:
        account = _account()
        if account is not None:
            _become(account, owned)
    privileges.limit_capabilities([privileges.CAP_NET_ADMIN], inherited=True)
    privileges.no_new_privileges()
    return pwd.getpwuid(os.geteuid()).pw_name


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(USER)
    except KeyError:  # not installed from a package: root, but without root's capabilities
        return None


def _become(account: pwd.struct_passwd, owned: tuple[Path, ...]) -> None:
    for path in owned:
        os.chown(path, account.pw_uid, account.pw_gid)
    privileges.keep_capabilities(True)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    privileges.keep_capabilities(False)
