"""Names on the bus. All carry the version 1; incompatible changes get new names beside these."""

from __future__ import annotations

NAME = "io.github.fwhelpers.FwHelpers1"
PATH = "/io/github/fwhelpers/FwHelpers1"

MANAGER = f"{NAME}.Manager"
EXPECTATIONS = f"{NAME}.Expectations"
HELPER = f"{NAME}.Helper"
WORKER = f"{NAME}.Worker"
INTERFACES = (MANAGER, EXPECTATIONS, HELPER, WORKER)

# polkit actions (dbus/io.github.fwhelpers.FwHelpers1.policy)
DETAILS = f"{NAME}.view-details"
RELOAD = f"{NAME}.reload"
MANAGE = f"{NAME}.manage-helpers"

# errors
NOT_AUTHORIZED = f"{NAME}.Error.NotAuthorized"
NO_SUCH_HELPER = f"{NAME}.Error.NoSuchHelper"
INVALID_CONFIGURATION = f"{NAME}.Error.InvalidConfiguration"
NOT_APPLIED = f"{NAME}.Error.NotApplied"
NOT_PERSISTED = f"{NAME}.Error.NotPersisted"
LIMIT = f"{NAME}.Error.LimitExceeded"
FAILED = f"{NAME}.Error.Failed"
ERRORS = (
    NOT_AUTHORIZED, NO_SUCH_HELPER, INVALID_CONFIGURATION, NOT_APPLIED, NOT_PERSISTED, LIMIT, FAILED,
)  # fmt: skip

INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"
UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"
UNKNOWN_INTERFACE = "org.freedesktop.DBus.Error.UnknownInterface"
UNKNOWN_PROPERTY = "org.freedesktop.DBus.Error.UnknownProperty"
NAME_HAS_NO_OWNER = "org.freedesktop.DBus.Error.NameHasNoOwner"
SERVICE_UNKNOWN = "org.freedesktop.DBus.Error.ServiceUnknown"
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
READ_ONLY = "org.freedesktop.DBus.Error.PropertyReadOnly"

BUS, BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
PEER = "org.freedesktop.DBus.Peer"


def helper_path(name: str) -> str:
    """Return the object of a helper; other characters than letters and digits are escaped as systemd does."""
    safe = "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):02x}" for c in name)
    return f"{PATH}/helpers/{safe}"


def worker_path(queue: int) -> str:
    return f"{PATH}/workers/{queue}"
