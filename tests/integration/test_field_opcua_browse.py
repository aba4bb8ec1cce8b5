"""Facts of browsing real OPC UA servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field
from click.testing import CliRunner, Result

from connectors.cli import main
from connectors.field.opcua.browse import Variable, unit_of
from connectors.field.opcua.proposal import proposal
from tests.field_lab import free_port, run
from tests.torture_lab import PEERS, Child, needs_node_opcua
from twin.plant import Signal, Source
from twin.units import UNITS

NAMESPACE = "urn:press:line"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncua")


@contextlib.asynccontextmanager
async def press() -> AsyncIterator[str]:
    """A server with a press: numbers with units, texts, an array, structures, an enumeration."""
    server = Server()
    await server.init()
    url = f"opc.tcp://127.0.0.1:{free_port()}/press"
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)

    def node(name: str) -> Any:
        return ua.NodeId(name, index)

    press = await server.nodes.objects.add_object(node("press"), ua.QualifiedName("Press", index))
    force = await press.add_variable(node("press.force"), f"{index}:Force", 1.5)
    await unit(force, index, "NEW", "N", (0.0, 200.0))
    heat = await press.add_variable(node("press.oil_temperature"), f"{index}:OilTemperature", 40.0)
    await unit(heat, index, "CEL", "°C", None)
    odd = await press.add_variable(node("press.wear"), f"{index}:Wear", 40.0)
    await unit(odd, index, "ZZZ", "furlong", None)
    await press.add_variable(node("press.order"), f"{index}:Order", "JO-1")
    await press.add_variable(ua.NodeId(77, index), f"{index}:Sides", [1.0, 2.0, 3.0])
    secret = await press.add_variable(node("press.secret"), f"{index}:Secret", 1)
    await secret.write_attribute(
        ua.AttributeIds.UserAccessLevel, ua.DataValue(ua.Variant(0, ua.VariantType.Byte))
    )
    inner, _ = await new_struct(
        server, index, "Torque", [new_struct_field("peak", ua.VariantType.Double)]
    )
    outer, _ = await new_struct(
        server,
        index,
        "Result",
        [
            new_struct_field("part", ua.VariantType.String),
            new_struct_field("torque", inner),
            new_struct_field("curve", ua.VariantType.Float, array=True),
        ],
    )
    mode = await new_enum(server, index, "Mode", ["off", "on"])
    await server.load_data_type_definitions()
    await press.add_variable(
        node("press.result"),
        f"{index}:Result",
        ua.Variant(ua.Result(), ua.VariantType.ExtensionObject),
        datatype=outer.nodeid,
    )
    await press.add_variable(
        node("press.mode"), f"{index}:Mode", 1, ua.VariantType.Int32, mode.nodeid
    )
    oven = await server.nodes.objects.add_folder(node("oven"), ua.QualifiedName("Oven", index))
    zone = await oven.add_object(node("oven/zone"), ua.QualifiedName("Zone 1", index))
    await zone.add_variable(node("zone#1"), f"{index}:Power", 2.0)
    await zone.add_reference(press, ua.NodeId(ua.ObjectIds.Organizes))
    await server.start()
    try:
        yield url
    finally:
        await server.stop()


async def unit(
    node: Any, index: int, code: str, said: str, span: tuple[float, float] | None
) -> None:
    number = int.from_bytes(code.encode(), "big")
    info = ua.EUInformation(
        "http://www.opcfoundation.org/UA/units/un/cefact", number, ua.LocalizedText(said)
    )
    await node.add_property(
        ua.NodeId(f"{node.nodeid.Identifier}.eu", index), "0:EngineeringUnits", info
    )
    if span:
        await node.add_property(
            ua.NodeId(f"{node.nodeid.Identifier}.r", index), "0:EURange", ua.Range(*span)
        )


async def command(*words: object) -> Result:
    runner = CliRunner()
    return await asyncio.to_thread(runner.invoke, main, ["browse", *map(str, words)])


async def printed(*words: object) -> Any:
    result = await command(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_variables_are_listed_with_type_unit_range_and_access() -> None:
    async def story() -> None:
        async with press() as url:
            rows = (await printed(url, "--security", "none"))["variables"]
            found = {"/".join(row["path"]): row for row in rows}
            force = found["Press/Force"]
            assert force["address"] == f"nsu={NAMESPACE};s=press.force"
            assert (force["type"], force["unit"], force["low"], force["high"]) == (
                "Double",
                "N",
                0,
                200,
            )
            assert found["Press/OilTemperature"]["unit"] == "degC"
            assert (found["Press/Wear"]["unit"], found["Press/Wear"]["unit_said"]) == (
                None,
                "furlong",
            )
            sides = found["Press/Sides"]
            assert sides["address"] == f"nsu={NAMESPACE};i=77"
            assert (sides["array"], sides["length"]) == (True, 3)
            assert not found["Press/Secret"]["readable"]
            assert found["Press/Mode"]["type"] == "Enumeration"
            assert found["Press/Result"]["type"] == "Structure"
            assert found["Press/Result"]["fields"] == [
                {"way": "part", "type": "String", "array": False},
                {"way": "torque.peak", "type": "Double", "array": False},
                {"way": "curve", "type": "Float", "array": True},
            ]
            # An identifier with # has one more behind it, so that nothing is taken for a way.
            assert found["Oven/Zone 1/Power"]["address"] == f"nsu={NAMESPACE};s=zone#1#"
            assert len(rows) == len({row["address"] for row in rows}) == 9
            below = f"nsu={NAMESPACE};s=oven"
            rows = (await printed(url, "--security", "none", "--under", below, "--depth", 2))[
                "variables"
            ]
            assert [row["path"] for row in rows] == [["Oven", "Zone 1", "Power"]]
            nowhere = await command(url, "--security", "none", "--under", "ns=1;s=nowhere")
            assert nowhere.exit_code == 1
            assert nowhere.output.startswith("linetwin: the server has no node ns=1;s=nowhere")
            words = (await command(url, "--security", "none")).output
            assert "Press/Force" in words

    run(story)


def test_proposal_is_read_as_a_plant_file_reads_it() -> None:
    async def story() -> None:
        async with press() as url:
            result = await command(url, "--security", "none", "--toml", "--source", "press_plc")
            assert result.exit_code == 0, result.output
            found = tomllib.loads(result.output)
            source = Source.model_validate(found["sources"]["press_plc"])
            assert source.url == url
            assert source.address == f"nsu={NAMESPACE};s={{unit}}.{{signal}}"
            signals = {
                (unit, name): Signal.model_validate(signal)
                for unit, entry in found["work_units"].items()
                for name, signal in entry["signals"].items()
            }
            assert {name for unit, name in signals if unit == "press"} == {
                "force", "oil_temperature", "wear", "order", "sides_0", "sides_1", "sides_2",
                "result_part", "result_torque_peak", "mode",
            }  # fmt: skip
            force = signals["press", "force"]
            assert (force.address, force.unit, force.low, force.high) == (None, "N", 0.0, 200.0)
            assert signals["press", "order"].text
            assert signals["press", "order"].role == "order"
            assert signals["press", "sides_2"].address == f"nsu={NAMESPACE};i=77#[2]"
            peak = signals["press", "result_torque_peak"]
            assert peak.address == f"nsu={NAMESPACE};s=press.result#torque.peak"
            assert signals["zone_1", "power"].address == f"nsu={NAMESPACE};s=zone#1#"
            assert "# the server says furlong, which is no unit here" in result.output

    run(story)


def test_endpoints_are_listed_without_a_session() -> None:
    async def story() -> None:
        async with press() as url:
            (row,) = (await printed(url, "--endpoints"))["endpoints"]
            assert (row["security"], row["mode"], row["url"]) == ("none", "none", url)
            assert "Anonymous" in row["users"]

    run(story)


def test_what_cannot_be_reached_or_is_not_offered_is_one_line(tmp_path: Path) -> None:
    async def story() -> None:
        url = f"opc.tcp://127.0.0.1:{free_port()}/"
        gone = await command(url, "--endpoints")
        assert (gone.exit_code, gone.output) == (
            1,
            f"linetwin: {url}: nobody answers at that port; start the server, or correct the URL\n",
        )
        other = await command("http://127.0.0.1/")
        assert other.output.startswith(
            'linetwin: "http://127.0.0.1/" is no URL of an OPC UA server'
        )
        async with press() as url:
            plain = await command(url, "--data", tmp_path)
            assert plain.exit_code == 1
            assert "does not offer Basic256Sha256 with sign-and-encrypt, only none" in plain.output

    run(story)


def test_units_of_the_standard_are_our_units() -> None:
    """Unit ids as OPC 10000-8, 5.6.3 gives them: the code's characters as one number."""
    for number, code in ((4408652, "degC"), (4932940, "K"), (5066068, "mm"), (20529, "%")):
        assert unit_of(ua.EUInformation(UnitId=number)) == code
        assert code in UNITS


def test_odd_names_make_a_readable_file() -> None:
    def variable(address: str, *path: str) -> Variable:
        return Variable(
            address=address, path=path, type="Double", array=False, length=None, fields=(),
            unit=None, unit_said='odd "unit"\n', low=None, high=None, readable=True, history=False,
        )  # fmt: skip

    found = tomllib.loads(
        proposal(
            [
                variable('nsu=urn:a;s=x"\\{y}', "A", "3rd value"),
                variable("nsu=urn:a;s=2", "A", "3rd Value"),
                variable("nsu=urn:a;s=3", "B", "A", "§§"),
                variable("i=4", "Top"),
            ],
            "plc",
            "opc.tcp://h:1",
        )
    )
    names = {u: sorted(entry["signals"]) for u, entry in found["work_units"].items()}
    assert names == {"a": ["n3rd_value", "n3rd_value_2"], "b_a": ["value"], "server": ["top"]}


def test_the_state_of_a_packml_machine_is_proposed_as_a_state() -> None:
    variable = Variable(
        address="nsu=urn:a;s=press.state", path=("Press", "StateCurrent"), type="Int32",
        array=False, length=None, fields=(), unit=None, unit_said=None, low=None, high=None,
        readable=True, history=False,
    )  # fmt: skip
    found = tomllib.loads(proposal([variable], "plc", "opc.tcp://h:1"))
    assert found["work_units"]["press"]["signals"]["state_current"]["role"] == "state"


@needs_node_opcua
def test_thousands_of_nodes_of_node_opcua_come_through_continuation_points(tmp_path: Path) -> None:
    words = [
        "--port",
        free_port(),
        "--truth",
        tmp_path / "truth.jsonl",
        "--nodes",
        2500,
        "--paused",
    ]
    peer = Child("node-opcua", ["node", PEERS / "opcua_server.js", *words], tmp_path)
    try:
        url = peer.hear("ready")["url"]
        result = CliRunner().invoke(main, ["browse", url, "--security", "none", "--json"])
        assert result.exit_code == 0, result.output
        found = {row["address"] for row in json.loads(result.output)["variables"]}
        assert found == {f"nsu=urn:linetwin:torture;s=v{i}" for i in range(2500)}
    finally:
        peer.kill()
