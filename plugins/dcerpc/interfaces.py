"""Interfaces by name and UUID, and the setting `rpc_interfaces`."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

EPM = UUID("e1af8308-5d1f-11c9-91a4-08002b14a0fa")  #: C706 appendix O
OBJECT_EXPORTER = UUID("99fcfec4-5260-101b-bbcb-00aa0021347a")  #: MS-DCOM §3.1.2.5.1
ACTIVATION = UUID("4d9f4ab8-7d1c-11cf-861e-0020af6e7c57")  #: MS-DCOM §3.1.2.5.2.3.1
SCM_ACTIVATOR = UUID("000001a0-0000-0000-c000-000000000046")  #: MS-DCOM §3.1.2.5.2.3.2

#: interfaces of Windows and Samba that dynamic ports serve; the names are those of Microsoft's specifications and of
#: Samba
NAMES: Mapping[str, UUID] = {
    "IActivation": ACTIVATION,
    "IObjectExporter": OBJECT_EXPORTER,
    "IRemoteSCMActivator": SCM_ACTIVATOR,
    "atsvc": UUID("1ff70682-0a51-30e8-076d-740be8cee98b"),
    "backupkey": UUID("3dde7c30-165d-11d1-ab8f-00805f14db40"),
    "certpassage": UUID("91ae6020-9e3c-11cf-8d7c-00aa00c091be"),
    "clusapi": UUID("b97db8b2-4c63-11cf-bff6-08002be23f2f"),
    "dhcpsrv": UUID("6bffd098-a112-3610-9833-46c3f874532d"),
    "dhcpsrv2": UUID("5b821720-f63b-11d0-aad2-00c04fc324db"),
    "dnsserver": UUID("50abc2a4-574d-40b3-9d66-ee4fd5fba076"),
    "drsuapi": UUID("e3514235-4b06-11d1-ab04-00c04fc2dcd2"),
    "dssetup": UUID("3919286a-b10c-11d0-9ba8-00c04fd92ef5"),
    "emsmdb": UUID("a4f1db00-ca47-1067-b31f-00dd010662da"),
    "eventlog": UUID("82273fdc-e32a-18c3-3f78-827929dc23ea"),
    "eventlog6": UUID("f6beaff7-1e19-4fbb-9f8f-b89e2018337c"),
    "frsrpc": UUID("f5cc59b4-4264-101a-8c59-08002b2f8426"),
    "frstrans": UUID("897e2e5f-93f3-4376-9c9c-fd2277495c27"),
    "fsrvp": UUID("a8e0653c-2744-4389-a61d-7373df8b2292"),
    "initshutdown": UUID("894de0c0-0d55-11d3-a322-00c04fa321a1"),
    "lsarpc": UUID("12345778-1234-abcd-ef00-0123456789ab"),
    "netdfs": UUID("4fc742e0-4a10-11cf-8273-00aa004ae673"),
    "netlogon": UUID("12345678-1234-abcd-ef00-01234567cffb"),
    "nspi": UUID("f5cc5a18-4264-101a-8c59-08002b2f8426"),
    "rfri": UUID("1544f5e0-613c-11d1-93df-00c04fd7bd09"),
    "samr": UUID("12345778-1234-abcd-ef00-0123456789ac"),
    "spoolss": UUID("12345678-1234-abcd-ef00-0123456789ab"),
    "srvsvc": UUID("4b324fc8-1670-01d3-1278-5a47bf6ee188"),
    "svcctl": UUID("367abb81-9844-35f1-ad32-98f038001003"),
    "taskscheduler": UUID("86d35949-83c9-4044-b424-db363231fd0c"),
    "w32time": UUID("8fb6d884-2388-11d0-8c35-00c04fda2795"),
    "winreg": UUID("338cd001-2244-31f1-aaaa-900038001003"),
    "winspool": UUID("76f03f96-cdfd-44fc-a22c-64950a001209"),
    "witness": UUID("ccd8c074-d0e5-4a40-92b4-d074faa6ba28"),
    "wkssvc": UUID("6bffd098-a112-3610-9833-46c3f87e345a"),
}
_BY_NAME = {name.lower(): uuid for name, uuid in NAMES.items()}
_BY_UUID = {uuid: name for name, uuid in NAMES.items()}

ANY = frozenset((UUID(int=0),))  #: "any" in the checked setting


def check_interfaces(value: object) -> frozenset[UUID]:
    """Check the setting `rpc_interfaces`: names and UUIDs, or "any". Raises ValueError."""
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError('must be a list of names and UUIDs of interfaces, or ["any"]')
    return frozenset(map(_interface, value))


def _interface(item: object) -> UUID:
    if item == "any":
        return min(ANY)
    name = str(item).lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    try:
        return UUID(name)
    except ValueError:
        pass
    from difflib import get_close_matches  # imported for bad input only

    nearest = get_close_matches(name, _BY_NAME, 1)
    hint = (
        f"did you mean {interface_name(_BY_NAME[nearest[0]])}?"
        if nearest
        else f"interfaces: {', '.join(NAMES)}; others by UUID"
    )
    raise ValueError(f"{item!r} is not an interface", hint)


def is_listed(uuid: UUID, interfaces: frozenset[UUID]) -> bool:
    """Return True if the checked setting contains this interface."""
    return uuid in interfaces or interfaces >= ANY


def interface_name(uuid: UUID) -> str:
    """Return the name of an interface, or its UUID."""
    return _BY_UUID.get(uuid, str(uuid))
