"""gRPC's messages as JSON documents: fields by their names, numbers as numbers, bytes in base64."""

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message


def message_document(message: "Message") -> dict[str, Any]:
    """A message as it is printed by `--json`.

    A field of its own presence that is unset is null. Protobuf's own JSON has 64-bit numbers as
    texts; `google.protobuf.json_format` reads this all the same.
    """
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields}


def _value(message: "Message", field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return dict(sorted(value.items()))
        return [_single(one, field) for one in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _single(value, field)


def _single(value: Any, field: Any) -> Any:
    if field.message_type is not None:
        return message_document(value)
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if field.cpp_type == field.CPPTYPE_FLOAT:
        return short_float(value)
    return value


def short_float(value: float) -> float:
    """A float32 by the fewest digits that tell it from its neighbours.

    >>> short_float(0.8999999761581421)
    0.9
    """
    import numpy as np

    return float(str(np.float32(value)))
