"""Facts of payloads that Eclipse Tahu's JavaScript client (sparkplug-payload 1.0.3) has written."""

from __future__ import annotations

from connectors.field.delivery import ReadingsBuilder
from connectors.field.sparkplug import Metric, Payload, decode_payload
from connectors.field.sparkplug_host import SparkplugHost
from tests.sparkplug_lab import BAD, GOOD, rows_of

MS = 1_773_639_000_123
BIRTH = bytes.fromhex(
    "08bbc0fda8cf33120b0a0562645365712008580312210a144e6f646520436f6e74726f6c2f5265626972746818bb"
    "c0fda8cf33200b700012460a0d7072696e7465722f706f776572100718bbc0fda8cf33200a4a210a075175616c69"
    "74790a07656e67556e69741205080318c0011206080c42026b5769cdccccccccccfc3f121f0a0c7265666c6f772f"
    "706f776572100818bac0fda8cf33200350fbffffff0f12180a05736d616c6c100918bbc0fda8cf33200150fdffff"
    "ff0f121c0a05636f756e7410ac0218bbc0fda8cf33200858ffffffffffffff0f121d0a046465657010ad0218bbc0"
    "fda8cf33200458b5f693f088dcffffff0112150a0573696e636510ae0218bbc0fda8cf33200d5800121c0a047465"
    "787410af0218bbc0fda8cf33200c7a084cc3b6746f66656e12140a046e6f6e6510b00218bbc0fda8cf3320093801"
    "12380a057461626c6510b10218bbc0fda8cf3320108a01220802120161120162180c180322090a033201780a0208"
    "0122090a033201790a02080212230a046d61646510b20218bbc0fda8cf33201392010e0a013112070a016d200350"
    "01280112180a0466696c6510b30218bbc0fda8cf3320118201030102031800"
)
DATA = bytes.fromhex(
    "08bcc0fda8cf331214100718bcc0fda8cf33200a6900000000000002c01211100818bcc0fda8cf33200350808080"
    "80081211100918bcc0fda8cf3320015080ffffff0f120e10ac0218bcc0fda8cf3320085801121910ad0218bcc0fd"
    "a8cf332004280158ffffffffffffffffff01121010af0218bcc0fda8cf33200c7a02616e1801"
)


def test_birth_of_every_type() -> None:
    assert decode_payload(BIRTH) == Payload(
        timestamp_ms=MS,
        seq=0,
        metrics=(
            Metric(name="bdSeq", datatype=8, value=3),
            Metric(name="Node Control/Rebirth", datatype=11, value=False, timestamp_ms=MS),
            Metric(
                name="printer/power", alias=7, datatype=10, value=1.8, timestamp_ms=MS, quality=192
            ),
            Metric(name="reflow/power", alias=8, datatype=3, value=-5, timestamp_ms=MS - 1),
            Metric(name="small", alias=9, datatype=1, value=-3, timestamp_ms=MS),
            Metric(name="count", alias=300, datatype=8, value=2**53 - 1, timestamp_ms=MS),
            Metric(name="deep", alias=301, datatype=4, value=-1234567890123, timestamp_ms=MS),
            Metric(name="since", alias=302, datatype=13, value=0, timestamp_ms=MS),
            Metric(name="text", alias=303, datatype=12, value="Lötofen", timestamp_ms=MS),
            Metric(name="none", alias=304, datatype=9, value=None, timestamp_ms=MS),
            Metric(name="table", alias=305, datatype=16, timestamp_ms=MS, strange="a data set"),
            Metric(name="made", alias=306, datatype=19, timestamp_ms=MS, strange="a template"),
            Metric(
                name="file", alias=307, datatype=17, timestamp_ms=MS, strange="an array or file"
            ),
        ),
    )


def test_births_and_data_of_its_edge_node() -> None:
    names = ("printer/power", "reflow/power", "small", "count", "deep", "text", "none", "table")
    host = SparkplugHost([f"g/n:{name}" for name in names], lambda: MS / 1000)
    builder = ReadingsBuilder()
    host.feed("spBv1.0/g/NBIRTH/n", BIRTH, False, builder)
    assert rows_of(builder.build()) == [
        (0, 1.8, MS, GOOD),
        (1, -5.0, MS - 1, GOOD),
        (2, -3.0, MS, GOOD),
        (3, 2.0**53 - 1, MS, GOOD),
        (4, -1234567890123.0, MS, GOOD),
        (5, "Lötofen", MS, GOOD),
        (6, None, MS, BAD),
    ]
    (letter,) = host.letters()
    assert letter.reason == '"table" is a data set, not one number or text'
    for seq in range(1, 4):
        builder = ReadingsBuilder()
        payload = DATA[:-1] + bytes([seq])
        host.feed("spBv1.0/g/NDATA/n", payload, False, builder)
        assert rows_of(builder.build()) == [
            (0, -2.25, MS + 1, GOOD),
            (1, -(2.0**31), MS + 1, GOOD),
            (2, -128.0, MS + 1, GOOD),
            (3, 1.0, MS + 1, GOOD),
            (4, -1.0, MS + 1, GOOD),
            (5, "an", MS + 1, GOOD),
        ]
