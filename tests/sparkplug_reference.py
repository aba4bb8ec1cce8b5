"""The payload of eclipse/tahu sparkplug_b.proto in Google's protobuf runtime, as far as we read it."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["REFERENCE"]

Field = descriptor_pb2.FieldDescriptorProto
NUMBERS = {
    "uint64": Field.TYPE_UINT64,
    "uint32": Field.TYPE_UINT32,
    "bool": Field.TYPE_BOOL,
    "string": Field.TYPE_STRING,
    "float": Field.TYPE_FLOAT,
    "double": Field.TYPE_DOUBLE,
    "bytes": Field.TYPE_BYTES,
}


def _message(file: Any, name: str, *fields: tuple[int, str, str]) -> None:
    """Fields as (number, type, name); a type with ``[]`` repeats; a message type starts with a dot."""
    message = file.message_type.add(name=name)
    for number, kind, field in fields:
        added = message.field.add(name=field, number=number, label=Field.LABEL_OPTIONAL)
        if kind.endswith("[]"):
            kind, added.label = kind[:-2], Field.LABEL_REPEATED
        if kind.startswith("."):
            added.type, added.type_name = Field.TYPE_MESSAGE, f".tahu{kind}"
        else:
            added.type = NUMBERS[kind]


def _reference() -> Any:
    """The message class of eclipse/tahu sparkplug_b.proto, as far as the fields below."""
    file = descriptor_pb2.FileDescriptorProto(
        name="sparkplug.proto", package="tahu", syntax="proto2"
    )
    _message(file, "PropertyValue", (1, "uint32", "type"), (3, "uint32", "int_value"))
    _message(file, "PropertySet", (1, "string[]", "keys"), (2, ".PropertyValue[]", "values"))
    _message(file, "MetaData", (2, "string", "content_type"))
    _message(
        file,
        "Metric",
        (1, "string", "name"),
        (2, "uint64", "alias"),
        (3, "uint64", "timestamp"),
        (4, "uint32", "datatype"),
        (5, "bool", "is_historical"),
        (6, "bool", "is_transient"),
        (7, "bool", "is_null"),
        (8, ".MetaData", "metadata"),
        (9, ".PropertySet", "properties"),
        (10, "uint32", "int_value"),
        (11, "uint64", "long_value"),
        (12, "float", "float_value"),
        (13, "double", "double_value"),
        (14, "bool", "boolean_value"),
        (15, "string", "string_value"),
        (16, "bytes", "bytes_value"),
    )
    _message(
        file,
        "Payload",
        (1, "uint64", "timestamp"),
        (2, ".Metric[]", "metrics"),
        (3, "uint64", "seq"),
        (4, "string", "uuid"),
        (5, "bytes", "body"),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tahu.Payload"))


REFERENCE = _reference()
