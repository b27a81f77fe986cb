"""Drops the manager's privileges: it keeps CAP_NET_ADMIN, and runs as the user `fwhelpers` if that exists.

Under systemd it starts with no more than that; started by root it drops the rest itself.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from fwhelpers.kernel import privileges

USER = "fwhelpers"


def drop_privileges(*owned: Path) -> str:
    """Returns the name of the user, who becomes the owner of the paths. Raises OSError."""
    privileges.bound_capabilities([privileges.CAP_NET_ADMIN])  # first: another user may not do it
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
    except KeyError:  # not installed from a package: still root, but without its capabilities
        return None


def _become(account: pwd.struct_passwd, owned: tuple[Path, ...]) -> None:
    for path in owned:
        os.chown(path, account.pw_uid, account.pw_gid)
    privileges.keep_capabilities(True)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    privileges.keep_capabilities(False)
