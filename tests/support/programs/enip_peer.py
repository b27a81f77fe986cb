"""An EtherNet/IP device and a controller of cm-ethernetip: inputs and outputs over UDP, both at port 2222.

Runs in a namespace as `python enip_peer.py device ADDRESS` or `python enip_peer.py control ADDRESS SECONDS`.
"""

from __future__ import annotations

import asyncio
import sys

from ethernetip.cip.identity_info import IdentityInfo
from ethernetip.connections.io_connection import IoConnection
from ethernetip.device.virtual_device import VirtualDevice
from ethernetip.protocol.eip_scanner import EipScanner
from ethernetip.protocol.forward_open_config import ForwardOpenConfig

INPUTS, OUTPUTS, CONFIGURATION = 100, 102, 105  #: assemblies
SIZE = 8  #: bytes of inputs and of outputs
ANSWER, QUESTION = 42, 1234
IDENTITY = IdentityInfo(
    vendor_id=1, device_type=12, product_code=1, major_revision=1, minor_revision=0,
    serial_number=7, product_name="valve",
)  # fmt: skip


class Valve(VirtualDevice):
    def handle_received_io_data(self, conn: IoConnection, data: bytes) -> None:
        super().handle_received_io_data(conn, data)
        if self.assemblies.get_assembly(OUTPUTS).read_dint(0) == QUESTION:
            print("outputs arrive", flush=True)


async def device(address: str) -> None:
    valve = Valve(IDENTITY, address)
    for assembly in (INPUTS, OUTPUTS, CONFIGURATION):
        valve.add_assembly(assembly, SIZE)
    await valve.start()
    valve.assemblies.get_assembly(INPUTS).write_dint(0, ANSWER)
    print("listening", flush=True)
    await asyncio.Event().wait()  # until it is stopped


async def control(address: str, seconds: float) -> None:
    scanner = EipScanner()
    await scanner.connect(address)
    config = ForwardOpenConfig(
        consumed_assembly=OUTPUTS, produced_assembly=INPUTS, config_assembly=CONFIGURATION,
        consumed_size=SIZE, produced_size=SIZE, rpi=100_000, transport_class=1, timeout_multiplier=7,
    )  # fmt: skip
    connection = await scanner.forward_open(config)
    connection.write_dint(0, QUESTION)
    print("opened", flush=True)
    arrival = asyncio.Event()
    connection.on_data_received.append(lambda data: arrival.set())
    try:
        await asyncio.wait_for(arrival.wait(), seconds)
    except TimeoutError:
        print("no inputs", flush=True)
        return
    print(f"inputs: {connection.read_dint(0)}", flush=True)
    await connection.close()
    print("closed", flush=True)


if __name__ == "__main__":
    _, mode, host, *rest = sys.argv
    asyncio.run(device(host) if mode == "device" else control(host, float(rest[0])))
