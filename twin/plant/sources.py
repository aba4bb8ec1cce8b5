"""Sources: the servers and brokers of a plant, and how each is listened to."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from twin.plant.base import Frozen

__all__ = [
    "JsonOptions",
    "MqttOptions",
    "OpcuaOptions",
    "Source",
    "SourceKind",
    "SparkplugOptions",
]


class SourceKind(StrEnum):
    """A protocol that connectors speak."""

    OPCUA = "opcua"
    MQTT_JSON = "mqtt-json"
    SPARKPLUG = "sparkplug"


class OpcuaOptions(Frozen):
    """How an OPC UA server is listened to. Files are found from the folder of the plant file."""

    security: Literal["none", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] = (
        "Basic256Sha256"
    )
    """Security policy."""
    mode: Literal["sign", "sign-and-encrypt"] = "sign-and-encrypt"
    """What the policy does with messages."""
    user: str | None = None
    """User name; none for an anonymous session."""
    password_file: str | None = None
    """File that holds the user's password."""
    user_certificate_file: str | None = None
    """Certificate (DER or PEM) of the user, in place of name and password."""
    user_key_file: str | None = None
    """Private key (PEM) of that certificate."""
    publishing_interval_ms: Annotated[float, Field(ge=10, le=60_000)] = 200.0
    """How often the server sends what has changed."""
    sampling_interval_ms: Annotated[float, Field(ge=0, le=3_600_000)] = 0.0
    """How often the server looks at a value; 0 for as fast as it can."""
    keep_s: Annotated[float, Field(gt=0, le=3_600)] = 60.0
    """How long the server keeps every value for us while we are away or slow; makes the queue."""
    discard: Literal["oldest", "newest"] = "oldest"
    """What the server drops when its queue is full after all."""
    history: bool = True
    """Ask the server's history for what was missed, where it has one."""


class JsonOptions(Frozen):
    """Where a JSON message says what; dots lead into objects."""

    samples: str | None = None
    """List of objects, each a sample; none when the message is one sample, or itself a list."""
    value: str = "value"
    """Ignored when the address names a path with ``#``, and in a message that is a bare value."""
    time: str = "timestamp"
    time_form: Literal["auto", "iso", "s", "ms", "us", "ns"] = "auto"
    """``auto`` takes ISO 8601 texts, and numbers as milliseconds."""
    quality: str = "quality"


class MqttOptions(Frozen):
    """How an MQTT broker is listened to. Files are found from the folder of the plant file."""

    version: Literal["3.1.1", "5"] = "3.1.1"
    """MQTT 5 lets us say how many messages may be under way at once."""
    qos: Literal[0, 1, 2] = 1
    """Delivery that is asked for; with 0 the broker keeps nothing for us."""
    share: Annotated[str, Field(pattern=r"^[^/+#]+$")] | None = None
    """Name of the group of processes that divide the messages among them."""
    user: str | None = None
    """User name at the broker."""
    password_file: str | None = None
    """File that holds the user's password."""
    ca_file: str | None = None
    """Certificate (PEM) of who signed the broker's; none for the ones that the system trusts."""
    certificate_file: str | None = None
    """Our certificate (PEM), where the broker wants one."""
    key_file: str | None = None
    """Private key (PEM) of our certificate."""
    json_form: Annotated[JsonOptions, Field(alias="json")] = JsonOptions()
    """What JSON messages look like."""

    model_config = Frozen.model_config | {"populate_by_name": True}


class SparkplugOptions(Frozen):
    """How Sparkplug edge nodes are followed."""

    primary_host: Annotated[str, Field(pattern=r"^[^/+#]+$")] | None = None
    """Host id under which our STATE is published, so that edge nodes store while we are away."""
    reorder_s: Annotated[float, Field(ge=0, le=60)] = 2.0
    """How long a message may be overtaken before births are asked for."""
    rebirth_pause_s: Annotated[float, Field(gt=0, le=3_600)] = 5.0
    """An edge node is not asked for its births more often than this."""


class Source(Frozen):
    """One server or broker, and how the address of a signal is made from its name.

    ``address`` is a template over ``{site} {area} {line} {unit} {signal}``: an OPC UA NodeId,
    an MQTT topic, or a Sparkplug ``group/edge-node[/device]:metric``. ``#a.b`` behind a NodeId
    or topic leads into a structure or object.
    """

    kind: SourceKind
    url: Annotated[str, Field(pattern=r"^(opc\.tcp|mqtt|mqtts)://.+")]
    address: Annotated[str, Field(min_length=1)]
    opcua: OpcuaOptions = OpcuaOptions()
    mqtt: MqttOptions = MqttOptions()
    sparkplug: SparkplugOptions = SparkplugOptions()

    @model_validator(mode="after")
    def _fit(self) -> Self:
        used = {"mqtt"} if self.kind is SourceKind.MQTT_JSON else {"mqtt", "sparkplug"}
        used = {"opcua"} if self.kind is SourceKind.OPCUA else used
        tables = (OpcuaOptions(), MqttOptions(), SparkplugOptions())
        named = zip(("opcua", "mqtt", "sparkplug"), tables, strict=True)
        given = {name for name, usual in named if getattr(self, name) != usual}
        if strange := sorted(given - used):
            raise ValueError(
                f"a source of kind {self.kind} has no table {strange[0]}; "
                f"it has {' and '.join(sorted(used))}"
            )
        if self.kind is SourceKind.SPARKPLUG and self.mqtt.share is not None:
            raise ValueError(
                "a divided Sparkplug stream has holes in its sequence; leave out mqtt.share, and "
                "name other edge nodes in another process"
            )
        for has, needs in (
            (self.opcua.user, self.opcua.password_file),
            (self.opcua.user_certificate_file, self.opcua.user_key_file),
            (self.mqtt.certificate_file, self.mqtt.key_file),
        ):
            if (has is None) != (needs is None):
                raise ValueError(
                    "user and password_file, and a certificate and its key, go together"
                )
        return self
