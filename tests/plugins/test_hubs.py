"""A host with connections to many others: how many it may have, as the helpers' pages say, and what allows more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from connection import Connection, FakeMaker
from dcerpc_messages import DCERPC, NDR32, bind, bind_ack, mapped, tower
from dcerpc_messages import request as dcerpc_request
from dcerpc_messages import response as dcerpc_response
from enip_messages import ENIP, opened, opens, send
from fwhelpers_plugins.dcerpc.interfaces import EPM
from gvsp_messages import GVSP, MCP, SCP0, heartbeat, read, write, written
from ipsec_messages import IPSEC
from ipsec_messages import answer as ike_answer
from ipsec_messages import request as ike_request

from fwhelpers.api import Helper
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.testing.playbook import Message, client, server

MANY = 60
#: helper, transport, conversation with each of the others, how many others it may have at a time
HUBS: Sequence[tuple[Helper, str, list[Message], int]] = [
    (DCERPC, "tcp", [client(bind([(0, EPM, NDR32)])), server(bind_ack([(0, NDR32)])),
                     client(dcerpc_request(3)), server(dcerpc_response(mapped(tower(address=None))))], 32),
    (ENIP, "tcp", [client(send(opens())), server(send(opened()))], 16),
    (GVSP, "udp", [client(heartbeat()), server(read()), client(write((SCP0, 45015), (MCP, 45016))),
                   server(written())], 16),
    (IPSEC, "udp", [client(ike_request()), server(ike_answer())], 16),
]  # fmt: skip


def connected(helper: Helper, l4: str, script: list[Message], limits: Limits) -> int:
    """Return with how many of MANY hosts the conversation has opened all that it announces."""
    maker, reasons = FakeMaker(), []
    inspector = Inspector(
        {helper.kernel_name: Active(helper, limits=limits)},
        maker,
        lambda note: reasons.append(note),
    )
    granted = 0
    for number in range(MANY):
        other = f"10.0.2.{number + 2}:{helper.ports[0]}"
        c = Connection(
            helper, l4, f"10.0.1.2:{40000 + number}", other, inspector=inspector, maker=maker
        )
        c.now = 100.0 + number
        for message in script:
            c.say(message.data, message.reply)
        refused = [note for note in reasons if note.kind == "refused"]
        if refused:
            assert all("(guard.max_per_source)" in note.reason for note in refused)
            return granted
        granted += 1
    return granted


@pytest.mark.parametrize(
    ("helper", "l4", "script", "others"), HUBS, ids=lambda v: getattr(v, "name", "")
)
def test_the_default_and_a_higher_limit(
    helper: Helper, l4: str, script: list[Message], others: int
) -> None:
    assert connected(helper, l4, script, Limits()) == others
    assert connected(helper, l4, script, Limits(max_per_source=200)) == MANY
