"""The machines' OPC UA server: an address space after OPC 40001-1, values with plant time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import asyncua
from asyncua.server.server import Server

from simulators.clock import from_us
from simulators.physics import Emission
from twin.errors import SourceError
from twin.plant import Plant, Signal, SignalRole
from twin.units import convert

__all__ = ["MachineServer"]

ua: Any = asyncua.ua  # its own types say less than its values can do

_DI = "http://opcfoundation.org/UA/DI/"
_MACHINERY = "http://opcfoundation.org/UA/Machinery/"
_UNECE = {
    "1": "C62", "count": "C62", "%": "P1", "K": "KEL", "degC": "CEL", "degF": "FAH", "s": "SEC",
    "mm/s": "C16", "Pa": "PAL", "kPa": "KPA", "bar": "BAR", "W": "WTT", "kW": "KWT", "A": "AMP",
    "V": "VLT", "Hz": "HTZ", "N": "NEW", "kWh": "KWH",
}  # fmt: skip
_GROUPS = {
    SignalRole.STATE: "Status",
    SignalRole.REASON: "Status",
    SignalRole.FAULT: "Status",
    SignalRole.PRODUCT: "Production",
    SignalRole.ORDER: "Production",
    SignalRole.GOOD_COUNT: "Production",
    SignalRole.REJECT_COUNT: "Production",
}
_INTEGERS = {SignalRole.STATE, SignalRole.REASON}
_COUNTERS = {SignalRole.GOOD_COUNT, SignalRole.REJECT_COUNT}


class MachineServer:
    """Serves the signals of one OPC UA source of the plant file. Clients can only read.

    Args:
        plant: The description.
        source: Name of the source.
    """

    def __init__(self, plant: Plant, source: str) -> None:
        self._plant, self._source = plant, source
        self._server = Server()
        self._nodes: dict[tuple[str, str], tuple[Any, Any, Signal]] = {}
        self._running = False
        self.url = ""

    async def start(
        self, latest: Iterable[Emission], port: int = 0, host: str = "127.0.0.1"
    ) -> str:
        """Build the address space with these values and listen; the URL. Port 0 takes a free one.

        Raises:
            SourceError: The address or the port cannot be had.
        """
        for name in ("asyncua", "asyncua.server.address_space"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        await self._server.init()
        path = urlsplit(self._plant.sources[self._source].url).path
        self._server.set_endpoint(f"opc.tcp://{host}:{port}{path}")
        self._server.set_server_name(self._plant.name)
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self._build()
        await self.write(latest)
        try:
            await self._server.start()
        except OSError as e:
            reason = e.strerror or str(e)
            raise SourceError(f"no OPC UA server on {host}:{port}: {reason}") from e
        self._running = True
        listener: Any = self._server.bserver
        port = listener._server.sockets[0].getsockname()[1]
        self.url = f"opc.tcp://{host}:{port}{path}"
        return self.url

    async def write(self, emissions: Iterable[Emission]) -> None:
        """Put values into the address space; everybody who subscribed is told."""
        space = self._server.iserver.aspace
        for n, e in enumerate(emissions):
            node, kind, signal = self._nodes[e.unit, e.signal]
            stamp = from_us(e.measured_us)
            if e.value is None:
                value = ua.DataValue(
                    StatusCode=ua.StatusCode(ua.StatusCodes.BadSensorFailure),
                    SourceTimestamp=stamp,
                )
            else:
                value = ua.DataValue(
                    ua.Variant(_travelling(e.value, signal, kind), kind), SourceTimestamp=stamp
                )
            await space.write_attribute_value(node, ua.AttributeIds.Value, value)
            if n % 50 == 49:
                await asyncio.sleep(0)

    def pending(self) -> int:
        """Values that have not yet been taken by those who subscribed."""
        service = self._server.iserver.subscription_service
        return sum(
            len(queue)
            for subscription in service.subscriptions.values()
            for queue in subscription._triggered_datachanges.values()
        )

    async def stop(self) -> None:
        """Close; a second call does nothing."""
        if self._running:
            self._running = False
            await asyncio.wait_for(self._server.stop(), 0.5)

    async def _build(self) -> None:
        server = self._server
        namespaces = {
            "di": await server.register_namespace(_DI),
            "machinery": await server.register_namespace(_MACHINERY),
        }
        prefix, _, _ = self._plant.sources[self._source].address.partition(";")
        uri = prefix.removeprefix("nsu=") if prefix.startswith("nsu=") else "urn:linetwin:practice"
        own = await server.register_namespace(uri)
        machines = await server.nodes.objects.add_folder(
            ua.NodeId(1001, namespaces["machinery"]),
            ua.QualifiedName("Machines", namespaces["machinery"]),
        )
        for unit, work_unit in self._plant.work_units.items():
            signals = {n: s for n, s in work_unit.signals.items() if s.source == self._source}
            if signals:
                item = await machines.add_object(
                    ua.NodeId(unit, own), ua.QualifiedName(work_unit.name, own)
                )
                await self._identify(item, unit, namespaces)
                await self._add_signals(item, unit, signals, own)

    async def _identify(self, item: Any, unit: str, namespaces: dict[str, int]) -> None:
        di, own = namespaces["di"], item.nodeid.NamespaceIndex
        folder = await item.add_object(
            ua.NodeId(f"{unit}/Identification", own), ua.QualifiedName("Identification", di)
        )
        facts = {
            "Manufacturer": ua.LocalizedText("linetwin practice works"),
            "Model": ua.LocalizedText(self._plant.work_units[unit].role),
            "SerialNumber": f"PP-{unit}",
            "ProductInstanceUri": f"urn:linetwin:practice:{self._plant.equipment_id(unit)}",
        }
        for name, value in facts.items():
            await folder.add_property(
                ua.NodeId(f"{unit}/Identification/{name}", own), ua.QualifiedName(name, di), value
            )

    async def _add_signals(
        self, item: Any, unit: str, signals: dict[str, Signal], own: int
    ) -> None:
        groups: dict[str, Any] = {}
        for name, signal in signals.items():
            group = _GROUPS.get(signal.role, "Process")
            if group not in groups:
                groups[group] = await item.add_object(
                    ua.NodeId(f"{unit}/{group}", own), ua.QualifiedName(group, own)
                )
            kind = _variant_type(signal)
            address = self._plant.address(unit, name).partition(";")[2]
            node = ua.NodeId(address.removeprefix("s="), own)
            empty = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData))
            variable = await groups[group].add_variable(
                node,
                ua.QualifiedName("StateCurrent" if signal.role is SignalRole.STATE else name, own),
                _zero(kind),
                varianttype=kind,
            )
            await self._server.iserver.aspace.write_attribute_value(
                variable.nodeid, ua.AttributeIds.Value, empty
            )
            if group == "Process":
                await _describe(variable, signal, own)
            self._nodes[unit, name] = (variable.nodeid, kind, signal)


async def _describe(variable: Any, signal: Signal, own: int) -> None:
    """EngineeringUnits and EURange, in the unit that is sent."""
    sent = signal.sent_unit or signal.unit
    code = _UNECE.get(sent, "")
    units = ua.EUInformation(
        NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
        UnitId=int.from_bytes(code.encode(), "big") if code else -1,
        DisplayName=ua.LocalizedText(sent),
        Description=ua.LocalizedText(sent),
    )
    base = variable.nodeid.Identifier
    await variable.add_property(
        ua.NodeId(f"{base}/EngineeringUnits", own), ua.QualifiedName("EngineeringUnits", 0), units
    )
    if signal.low is not None and signal.high is not None:
        low, high = (convert(x, signal.unit, sent) for x in (signal.low, signal.high))
        await variable.add_property(
            ua.NodeId(f"{base}/EURange", own),
            ua.QualifiedName("EURange", 0),
            ua.Range(Low=low, High=high),
        )


def _variant_type(signal: Signal) -> Any:
    if signal.text:
        return ua.VariantType.String
    if signal.role in _INTEGERS:
        return ua.VariantType.Int32
    return ua.VariantType.UInt32 if signal.role in _COUNTERS else ua.VariantType.Double


def _zero(kind: Any) -> float | int | str:
    if kind is ua.VariantType.String:
        return ""
    return 0.0 if kind is ua.VariantType.Double else 0


def _travelling(value: float | str, signal: Signal, kind: Any) -> float | int | str:
    if isinstance(value, str):
        return value
    if signal.sent_unit:
        value = convert(value, signal.unit, signal.sent_unit)
    return value if kind is ua.VariantType.Double else round(value)
