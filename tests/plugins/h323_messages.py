"""Messages of H.323, written with the tables that the parser reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fwhelpers_plugins.h323 import fwhelpers_helpers
from fwhelpers_plugins.h323.h225_types import H323UserInformation, RasMessage
from fwhelpers_plugins.h323.h245_types import MultimediaSystemControlMessage, OpenLogicalChannel
from per_encoder import encode

from fwhelpers.api import Endpoint

(H323,) = fwhelpers_helpers()

OID = b"\0\x08\x91\x4a\0\4"  # itu-t(0) recommendation(0) h(8) 2250 version(0) 4
GUID = bytes(range(16))
TERMINAL = {"terminal": {}, "mc": 0, "undefinedNode": 0}
VENDOR = {"vendor": {"t35CountryCode": 181, "t35Extension": 0, "manufacturerCode": 21324}}
ALIAS = [("h323_ID", [ord(letter) for letter in "ann"]), ("dialledDigits", [3, 4, 5])]
ULAW = ("audioData", ("g711Ulaw64k", 20))
SETUP, CALL_PROCEEDING, ALERTING, CONNECT, RELEASE_COMPLETE, FACILITY = 5, 2, 1, 7, 0x5A, 0x62
PROGRESS, STATUS, INFORMATION = 3, 0x7D, 0x7B


def h225(end: Endpoint) -> Any:
    """TransportAddress of H.225.0."""
    name = "ipAddress" if end.family == 4 else "ip6Address"
    return name, {"ip": end.addr, "port": end.port}


def h245(end: Endpoint) -> Any:
    """TransportAddress of H.245."""
    name = "iPAddress" if end.family == 4 else "iP6Address"
    return "unicastAddress", (name, {"network": end.addr, "tsapIdentifier": end.port})


def tpkt(data: bytes) -> bytes:
    return b"\3\0" + (len(data) + 4).to_bytes(2, "big") + data


# call signalling


def q931(kind: int, body: bytes | None, reference: int = 7, answers: bool = False) -> bytes:
    head = b"\x08\x02" + (reference | answers << 15).to_bytes(2, "big") + bytes([kind])
    elements = (
        b"\x04\x03\x88\x90\xa5\xa1\x28\x03ann"  # bearer capability, sending complete, display
    )
    if body is not None:
        elements += b"\x7e" + (len(body) + 1).to_bytes(2, "big") + b"\5" + body
    return tpkt(head + elements)


def sending_complete(packet: bytes) -> bytes:
    """Return the packet with an element of one octet before all others."""
    return tpkt(packet[4:9] + b"\xa1" + packet[9:])


def signal(
    kind: int, name: str, value: Any, reference: int = 7, answers: bool = False, **pdu: Any
) -> bytes:
    """A message of H.225.0 with an H323-UU-PDU; further arguments are components of the latter."""
    body = encode(H323UserInformation, {"h323_uu_pdu": {"h323_message_body": (name, value), **pdu}})
    return q931(kind, body, reference, answers)


def setup(reference: int = 7, pdu: Any = None, **fields: Any) -> bytes:
    value = {
        "protocolIdentifier": OID, "sourceAddress": ALIAS, "sourceInfo": TERMINAL, "activeMC": 0,
        "conferenceID": GUID, "conferenceGoal": ("create", None), "callType": ("pointToPoint", None),
        "callIdentifier": b"\0" + GUID, **fields,
    }  # fmt: skip
    return signal(SETUP, "setup", value, reference, **(pdu or {}))


def connect(reference: int = 7, answers: bool = True, pdu: Any = None, **fields: Any) -> bytes:
    value = {
        "protocolIdentifier": OID, "destinationInfo": TERMINAL, "conferenceID": GUID, **fields,
    }  # fmt: skip
    return signal(CONNECT, "connect", value, reference, answers, **(pdu or {}))


def alerting(reference: int = 7, **fields: Any) -> bytes:
    value = {"protocolIdentifier": OID, "destinationInfo": TERMINAL, **fields}
    return signal(ALERTING, "alerting", value, reference, True)


def progress(reference: int = 7, **fields: Any) -> bytes:
    value = {
        "protocolIdentifier": OID, "destinationInfo": TERMINAL, "callIdentifier": {"guid": GUID}, **fields,
    }  # fmt: skip
    return signal(PROGRESS, "progress", value, reference, True)


def facility(
    reference: int = 7,
    answers: bool = False,
    pdu: Any = None,
    reason: str = "undefinedReason",
    **fields: Any,
) -> bytes:
    value = {"protocolIdentifier": OID, "reason": (reason, None), **fields}
    return signal(FACILITY, "facility", value, reference, answers, **(pdu or {}))


def release(reference: int = 7, answers: bool = False, pdu: Any = None) -> bytes:
    value = {"protocolIdentifier": OID, "reason": ("undefinedReason", None)}
    return signal(RELEASE_COMPLETE, "releaseComplete", value, reference, answers, **(pdu or {}))


# H.245


def control(kind: str, name: str, value: Any) -> bytes:
    return encode(MultimediaSystemControlMessage, (kind, (name, value)))


def session(media: Endpoint | None = None, rtcp: Endpoint | None = None) -> Any:
    fields: dict[str, Any] = {"sessionID": 1}
    if media is not None:
        fields["mediaChannel"] = h245(media)
    if rtcp is not None:
        fields["mediaControlChannel"] = h245(rtcp)
    return "h2250LogicalChannelParameters", fields


def channel(
    number: int = 1,
    media: Endpoint | None = None,
    rtcp: Endpoint | None = None,
    data_type: Any = ULAW,
    **fields: Any,
) -> dict[str, Any]:
    """OpenLogicalChannel of a channel that its sender transmits on."""
    forward = {"dataType": data_type, "multiplexParameters": session(media, rtcp)}
    return {
        "forwardLogicalChannelNumber": number, "forwardLogicalChannelParameters": forward, **fields,
    }  # fmt: skip


def reverse_channel(number: int, media: Endpoint, rtcp: Endpoint) -> dict[str, Any]:
    """OpenLogicalChannel of a channel that its sender receives on, in fast start."""
    nothing = {"dataType": ("nullData", None), "multiplexParameters": session()}
    backward = {"dataType": ULAW, "multiplexParameters": session(media, rtcp)}
    return {
        "forwardLogicalChannelNumber": number, "forwardLogicalChannelParameters": nothing,
        "reverseLogicalChannelParameters": backward,
    }  # fmt: skip


def fast(*channels: Any) -> list[bytes]:
    """The proposals of `fastStart`."""
    return [encode(OpenLogicalChannel, channel) for channel in channels]


def open_channel(*arguments: Any, **fields: Any) -> bytes:
    return control("request", "openLogicalChannel", channel(*arguments, **fields))


def acknowledge(
    number: int = 1, media: Endpoint | None = None, rtcp: Endpoint | None = None, **fields: Any
) -> bytes:
    value: dict[str, Any] = {"forwardLogicalChannelNumber": number, **fields}
    if media is not None or rtcp is not None:
        _, places = session(media, rtcp)
        value["forwardMultiplexAckParameters"] = ("h2250LogicalChannelAckParameters", places)
    return control("response", "openLogicalChannelAck", value)


def reject(number: int = 1) -> bytes:
    value = {"forwardLogicalChannelNumber": number, "cause": ("unspecified", None)}
    return control("response", "openLogicalChannelReject", value)


def close(number: int = 1) -> bytes:
    value = {"forwardLogicalChannelNumber": number, "source": ("user", None)}
    return control("request", "closeLogicalChannel", value)


def confirm_close(number: int = 1) -> bytes:
    return control("response", "closeLogicalChannelAck", {"forwardLogicalChannelNumber": number})


def t120(end: Endpoint) -> dict[str, Any]:
    """OpenLogicalChannel of T.120 data."""
    data = ("data", {"application": ("t120", ("transparent", None)), "maxBitRate": 640})
    stack = {"networkAddress": ("localAreaAddress", h245(end)), "associateConference": 0}
    return channel(9, data_type=data, separateStack=stack)


END_SESSION = control("command", "endSessionCommand", ("disconnect", None))
CAPABILITIES = control("request", "terminalCapabilitySet", b"\1\2\3")
MASTER_SLAVE = control("request", "masterSlaveDetermination", b"\0\1\2\3\4")


def tunnel(*messages: bytes) -> dict[str, Any]:
    """Components of an H323-UU-PDU that carries messages of H.245."""
    return {"h245Control": list(messages)}


# RAS


def ras(name: str, **fields: Any) -> bytes:
    return encode(RasMessage, (name, fields))


def addresses(ends: Sequence[Endpoint]) -> list[Any]:
    return [h225(end) for end in ends]


def rrq(
    calls: Sequence[Endpoint], status: Sequence[Endpoint] = (), number: int = 1, **fields: Any
) -> bytes:
    return ras(
        "registrationRequest", requestSeqNum=number, protocolIdentifier=OID, discoveryComplete=1,
        callSignalAddress=addresses(calls), rasAddress=addresses(status), terminalType=TERMINAL,
        terminalAlias=ALIAS, endpointVendor=VENDOR, **fields,
    )  # fmt: skip


def rcf(number: int = 1, calls: Sequence[Endpoint] = (), **fields: Any) -> bytes:
    return ras(
        "registrationConfirm", requestSeqNum=number, protocolIdentifier=OID,
        callSignalAddress=addresses(calls), endpointIdentifier=[65, 66], **fields,
    )  # fmt: skip


def rrj(number: int = 1) -> bytes:
    reason = ("duplicateAlias", ALIAS)
    return ras(
        "registrationReject", requestSeqNum=number, protocolIdentifier=OID, rejectReason=reason
    )


def urq(calls: Sequence[Endpoint] = ()) -> bytes:
    return ras("unregistrationRequest", requestSeqNum=9, callSignalAddress=addresses(calls))


def grq(status: Endpoint) -> bytes:
    return ras(
        "gatekeeperRequest", requestSeqNum=1, protocolIdentifier=OID, rasAddress=h225(status), endpointType=TERMINAL
    )  # fmt: skip


def gcf(status: Endpoint) -> bytes:
    return ras(
        "gatekeeperConfirm", requestSeqNum=1, protocolIdentifier=OID, rasAddress=h225(status)
    )


def arq(**fields: Any) -> bytes:
    return ras(
        "admissionRequest", requestSeqNum=2, callType=("pointToPoint", None), endpointIdentifier=[65],
        destinationInfo=ALIAS, srcInfo=ALIAS, bandWidth=1280, callReferenceValue=7, conferenceID=GUID,
        activeMC=0, answerCall=0, **fields,
    )  # fmt: skip


def acf(end: Endpoint) -> bytes:
    return ras(
        "admissionConfirm", requestSeqNum=2, bandWidth=1280, callModel=("gatekeeperRouted", None),
        destCallSignalAddress=h225(end), irrFrequency=120,
    )  # fmt: skip


def lrq(end: Endpoint) -> bytes:
    return ras("locationRequest", requestSeqNum=3, destinationInfo=ALIAS, replyAddress=h225(end))


def lcf(calls: Endpoint, status: Endpoint) -> bytes:
    return ras(
        "locationConfirm", requestSeqNum=3, callSignalAddress=h225(calls), rasAddress=h225(status)
    )
