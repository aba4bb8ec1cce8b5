"""Facts of the OPC UA decoder, held against asyncua's own decoder and bytes from the standard."""

from __future__ import annotations

import math
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.field.delivery import NO_TIME
from connectors.field.opcua import decode
from connectors.field.opcua.changes import Changes
from connectors.field.opcua.decode import decode_history, decode_publish, decode_republish

T0 = datetime(2026, 3, 16, 5, 30, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
V = ua.VariantType

times = st.timedeltas(timedelta(days=-134_000), timedelta(days=2_900_000)).map(EPOCH.__add__)
texts = st.none() | st.text(max_size=12)
scalars = st.one_of(
    st.builds(ua.Variant, st.booleans(), st.just(V.Boolean)),
    st.builds(ua.Variant, st.integers(-128, 127), st.just(V.SByte)),
    st.builds(ua.Variant, st.integers(0, 255), st.just(V.Byte)),
    st.builds(ua.Variant, st.integers(-(2**15), 2**15 - 1), st.just(V.Int16)),
    st.builds(ua.Variant, st.integers(0, 2**16 - 1), st.just(V.UInt16)),
    st.builds(ua.Variant, st.integers(-(2**31), 2**31 - 1), st.just(V.Int32)),
    st.builds(ua.Variant, st.integers(0, 2**32 - 1), st.just(V.UInt32)),
    st.builds(ua.Variant, st.integers(-(2**63), 2**63 - 1), st.just(V.Int64)),
    st.builds(ua.Variant, st.integers(0, 2**64 - 1), st.just(V.UInt64)),
    st.builds(ua.Variant, st.floats(width=32), st.just(V.Float)),
    st.builds(ua.Variant, st.floats(), st.just(V.Double)),
    st.builds(ua.Variant, texts, st.just(V.String)),
    st.builds(ua.Variant, times, st.just(V.DateTime)),
    st.builds(
        lambda t, loc: ua.Variant(ua.LocalizedText(t, loc), V.LocalizedText), st.text(), texts
    ),
)
others = st.one_of(
    st.builds(ua.Variant, st.binary(max_size=9), st.just(V.ByteString)),
    st.builds(ua.Variant, st.uuids(), st.just(V.Guid)),
    st.builds(lambda n: ua.Variant(ua.NodeId(n, 2), V.NodeId), st.text(min_size=1, max_size=5)),
    st.builds(lambda n: ua.Variant(ua.QualifiedName(n, 3), V.QualifiedName), st.text(max_size=5)),
    st.builds(ua.Variant, st.lists(st.floats(), max_size=5), st.just(V.Double)),
    st.builds(ua.Variant, st.lists(st.text(max_size=5), max_size=4), st.just(V.String)),
    st.builds(lambda a, b: ua.Variant(ua.Range(a, b)), st.floats(), st.floats()),
    st.builds(
        lambda v: ua.Variant(v, V.Int32, [2, 2], True),
        st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=2),
    ),
)


@st.composite
def data_values(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Any:
    """asyncua writes source picoseconds behind the server's time, so these two never meet here."""
    server = draw(st.none() | times)
    return ua.DataValue(
        draw(st.none() | values),
        StatusCode=draw(
            st.none()
            | st.integers(0, 2**32 - 1).map(lambda code: ua.StatusCode(code & 0xC0FF_FFFF))
        ),
        SourceTimestamp=draw(st.none() | times),
        ServerTimestamp=server,
        SourcePicoseconds=draw(st.none() | st.integers(0, 9999)) if server is None else None,
        ServerPicoseconds=draw(st.none() | st.integers(0, 9999)),
    )


def runs(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Some values many times over, as from a server that sends each node's queue."""
    run = st.builds(lambda v, n: [v] * n, values, st.sampled_from([1, 1, 2, 15, 16, 17, 40]))
    return st.lists(run, max_size=6).map(lambda parts: [*chain(*parts)])


def message(*kinds: list[Any], more: bool = False) -> Any:
    """A PublishResponse with one DataChangeNotification for each list of DataValues."""
    response = ua.PublishResponse()
    found = response.Parameters
    found.SubscriptionId, found.MoreNotifications = 7, more
    found.AvailableSequenceNumbers = [40, 41]
    found.Results = [ua.StatusCode(0), ua.StatusCode(ua.StatusCodes.BadSequenceNumberUnknown)]
    found.NotificationMessage.SequenceNumber = 41
    found.NotificationMessage.PublishTime = T0
    found.NotificationMessage.NotificationData = [
        ua.DataChangeNotification(
            MonitoredItems=[ua.MonitoredItemNotification(1000 + i, v) for i, v in enumerate(kind)]
        )
        for kind in kinds
    ]
    return response


def us(at: datetime | None) -> int:
    return NO_TIME if at is None else (at - EPOCH) // timedelta(microseconds=1)


def expect(changes: Changes, values: list[Any], handles: list[int]) -> None:
    """Hold the columns against asyncua's objects, value by value."""
    found_others = dict(changes.other)
    assert changes.handle.tolist() == handles
    assert len(changes.value) == len(values)
    for row, data in enumerate(values):
        value = data.Value.Value if data.Value is not None else None
        text = changes.text[row] if changes.text is not None else None
        if isinstance(value, ua.LocalizedText):
            value = value.Text
        if isinstance(value, datetime):
            assert datetime.fromisoformat(text) == value
        elif isinstance(value, str):
            assert text == value
        elif isinstance(value, int | float):
            same = np.array([changes.value[row], float(value)])
            assert same[0].tobytes() == same[1].tobytes() or np.isnan(same).all()
        elif value is not None:
            # repr: NaN is equal to itself there
            assert repr(found_others.pop(row)) == repr(value)
        if not isinstance(value, int | float):
            assert math.isnan(changes.value[row])
        if not isinstance(value, str | datetime):
            assert text is None
        assert changes.status[row] == (0 if data.StatusCode is None else data.StatusCode.value)
        assert changes.source_us[row] == us(data.SourceTimestamp)
        assert changes.server_us[row] == us(data.ServerTimestamp)
    assert not found_others


def expect_same(data: bytes) -> None:
    """The fast decoder says what asyncua says, and ends where it ends."""
    buffer = Buffer(data)
    by_objects = ua_binary.struct_from_binary(ua.PublishResponse, buffer).Parameters
    found = decode_publish(data)
    assert found.end == buffer.cur_pos
    assert found.subscription == by_objects.SubscriptionId
    assert found.more == by_objects.MoreNotifications
    assert list(found.available) == by_objects.AvailableSequenceNumbers
    assert list(found.results) == [r.value for r in by_objects.Results]
    sent = by_objects.NotificationMessage
    assert found.notification.sequence == sent.SequenceNumber
    assert found.notification.published_us == us(sent.PublishTime)
    assert found.notification.count == len(sent.NotificationData)
    items = [item for kind in sent.NotificationData for item in kind.MonitoredItems]
    values, handles = [item.Value for item in items], [item.ClientHandle for item in items]
    expect(found.notification.changes, values, handles)


@pytest.fixture
def _fast_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("asyncua's decoder had to help")

    monkeypatch.setattr(decode, "_whole", refuse)


@pytest.mark.usefixtures("_fast_only")
class TestFastWay:
    @settings(max_examples=150, deadline=None)
    @given(runs(data_values(scalars)), runs(data_values(scalars)), st.booleans(), st.binary())
    def test_numbers_and_texts_are_what_asyncua_decodes(
        self, first: list[Any], second: list[Any], more: bool, behind: bytes
    ) -> None:
        expect_same(ua_binary.struct_to_binary(message(first, second, more=more)) + behind)

    @settings(max_examples=100, deadline=None)
    @given(runs(data_values(st.one_of(scalars, others))))
    def test_whatever_stands_among_them_is_what_asyncua_decodes(self, values: list[Any]) -> None:
        expect_same(ua_binary.struct_to_binary(message(values)))

    def test_keep_alive_has_no_notification(self) -> None:
        expect_same(ua_binary.struct_to_binary(message()))

    def test_state_of_the_subscription_is_told(self) -> None:
        response = message([ua.DataValue(1.0)])
        gone = ua.StatusCode(ua.StatusCodes.BadTimeout)
        response.Parameters.NotificationMessage.NotificationData += [
            ua.StatusChangeNotification(Status=gone)
        ]
        found = decode_publish(ua_binary.struct_to_binary(response)).notification
        assert (found.states, found.count, len(found.changes)) == ((gone.value,), 2, 1)

    def test_republished_message_is_the_message(self) -> None:
        sent = message([ua.DataValue(float(i), SourceTimestamp=T0) for i in range(40)])
        again = ua.RepublishResponse(NotificationMessage=sent.Parameters.NotificationMessage)
        found = decode_republish(ua_binary.struct_to_binary(again))
        assert (found.sequence, found.changes.value.tolist()) == (41, list(map(float, range(40))))

    @settings(max_examples=50, deadline=None)
    @given(runs(data_values(st.one_of(scalars, others))), st.none() | st.binary(min_size=1))
    def test_history_is_what_asyncua_decodes(
        self, values: list[Any], continuation: bytes | None
    ) -> None:
        read = ua.HistoryReadResult(
            ua.StatusCode(ua.StatusCodes.GoodMoreData), continuation, ua.HistoryData(values)
        )
        none = ua.HistoryReadResult(ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown))
        data = ua_binary.struct_to_binary(ua.HistoryReadResponse(Results=[read, none]))
        found = decode_history(data)
        assert [h.status for h in found] == [read.StatusCode.value, none.StatusCode.value]
        assert [h.continuation for h in found] == [continuation, None]
        by_objects = ua_binary.struct_from_binary(ua.HistoryReadResponse, Buffer(data)).Results
        expect(found[0].values, by_objects[0].HistoryData.DataValues, [0] * len(values))


def test_picoseconds_stand_behind_their_own_time_as_the_standard_says() -> None:
    """OPC 10000-6, 5.2.2.17; asyncua takes the server's time from the wrong bytes."""
    at = 116_444_736_000_000_000  # 1970-01-01
    value = struct.pack("<BBdIqHqH", 0x3F, 11, 2.5, 0x4000_0000, at + 70, 1, at + 90, 2)
    data = ua_binary.struct_to_binary(message([]))
    body = struct.pack("<i", 1) + struct.pack("<I", 9) + value + struct.pack("<i", -1)
    was = struct.pack("<iii", 8, 0, 0)
    assert data.count(was) == 1
    data = data.replace(was, struct.pack("<i", len(body)) + body)
    changes = decode_publish(data).notification.changes
    assert changes.value.tolist() == [2.5]
    assert changes.status.tolist() == [0x4000_0000]
    assert (changes.source_us.tolist(), changes.server_us.tolist()) == ([7], [9])


def test_no_time_of_the_protocol_is_no_time() -> None:
    never = datetime(1601, 1, 1, tzinfo=UTC)
    ever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    sent = [ua.DataValue(1.0, SourceTimestamp=never, ServerTimestamp=ever)]
    changes = decode_publish(ua_binary.struct_to_binary(message(sent))).notification.changes
    assert changes.source_us.tolist() == changes.server_us.tolist() == [NO_TIME]


def test_any_byte_but_zero_is_true() -> None:
    data = ua_binary.struct_to_binary(message([ua.DataValue(ua.Variant(True))] * 20))
    true = bytes([3, 1, 1])  # value and status, Boolean, True
    assert data.count(true) == 20
    changes = decode_publish(data.replace(true, bytes([3, 1, 2]))).notification.changes
    assert changes.value.tolist() == [1.0] * 20


def _with_diagnostics(response: Any) -> None:
    response.ResponseHeader.StringTable = ["slow"]


def _with_more_in_the_change(response: Any) -> None:
    change = response.Parameters.NotificationMessage.NotificationData[0]
    change.DiagnosticInfos = [ua.DiagnosticInfo(SymbolicId=3)]


def _with_diagnostics_of_results(response: Any) -> None:
    response.Parameters.DiagnosticInfos = [ua.DiagnosticInfo(AdditionalInfo="x")]


@pytest.mark.parametrize(
    "change", [_with_diagnostics, _with_more_in_the_change, _with_diagnostics_of_results]
)
def test_unusual_message_goes_through_asyncua_and_says_the_same(
    change: Callable[[Any], None],
) -> None:
    mixed = [ua.Variant(True), ua.Variant("a"), ua.Variant(ua.LocalizedText("b")), ua.Variant(2)]
    mixed += [ua.Variant(T0), ua.Variant([1.0]), ua.Variant(uuid.UUID(int=5))]
    response = message([ua.DataValue(v, SourceTimestamp=T0) for v in mixed], more=True)
    change(response)
    expect_same(ua_binary.struct_to_binary(response))


def test_structure_that_does_not_fit_its_type_holds_up_nothing_else() -> None:
    good = ua_binary.struct_to_binary(
        message([ua.DataValue(1.0), ua.DataValue(ua.Range(1.0, 2.0)), ua.DataValue(3.0)])
    )
    body = struct.pack("<idd", 16, 1.0, 2.0)
    assert good.count(body) == 1
    for cut in (4, 8):  # the bytes of the structure end too early
        short = struct.pack("<i", 16 - cut) + body[4:-cut]
        data = good.replace(body, short)
        length = _change_length(good)
        assert good.count(struct.pack("<i", length)) == 1
        data = data.replace(struct.pack("<i", length), struct.pack("<i", length - cut))
        changes = decode_publish(data).notification.changes
        assert changes.value[[0, 2]].tolist() == [1.0, 3.0]
        ((row, structure),) = changes.other
        assert (row, structure.Body) == (1, short[4:])


def _change_length(data: bytes) -> int:
    at = data.index(b"\x01\x00\x2b\x03\x01") + 5
    return int(struct.unpack_from("<i", data, at)[0])


def test_error_of_the_server_is_raised() -> None:
    response = message()
    response.ResponseHeader.ServiceResult = ua.StatusCode(ua.StatusCodes.BadNoSubscription)
    with pytest.raises(ua.uaerrors.BadNoSubscription):
        decode_publish(ua_binary.struct_to_binary(response))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bytes_are_one_kind_of_error_or_another_message(data: st.DataObject) -> None:
    values = [ua.DataValue(float(i), SourceTimestamp=T0) for i in range(20)]
    whole = ua_binary.struct_to_binary(message([*values, ua.DataValue("text"), ua.DataValue(T0)]))
    cut = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3)):
        if at < len(cut):
            cut[at] = data.draw(st.integers(0, 255))
    try:
        found = decode_publish(bytes(cut))
    except ua.UaError:
        return
    changes = found.notification.changes
    assert len(changes.value) == len(changes.status) == len(changes.source_us) == len(changes)
