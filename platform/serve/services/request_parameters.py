"""Parameters of a request in the Open Inference Protocol: honoured, or refused by name.

What they mean is said by Triton's extensions: ``sequence`` (0 or an empty id is no sequence),
``schedule_policy`` (``priority`` 0 is the default, ``timeout`` in microseconds).
"""

from collections.abc import Mapping
from typing import Any

from striate.core.errors import RequestError
from striate.serve.common.limits import Limits
from striate.serve.protos.inference import inference_pb2 as pb
from striate.serve.services.tensor_messages import check_count

CLASSIFICATION, TIMEOUT = "classification", "timeout"
_WITHOUT: Mapping[str, str] = {
    "sequence_id": "This server keeps no sequences; each request stands for itself.",
    "sequence_start": "This server keeps no sequences; each request stands for itself.",
    "sequence_end": "This server keeps no sequences; each request stands for itself.",
    "priority": "This server knows no priorities; requests are answered as they come.",
}
"""What is not there, and so may be given as its default alone."""


def check_parameters(request: pb.ModelInferRequest, limits: Limits) -> None:
    """Accept the parameters of a whole request.

    Raises:
        RequestError: one is not known, of another type, or asks for what is not there.
        PayloadTooLarge: there are too many.
    """
    check_count("parameters", len(request.parameters), limits)
    for name, parameter in request.parameters.items():
        if name in _WITHOUT:
            if _value(parameter):
                raise RequestError(_WITHOUT[name], f"Leave out the parameter {name}.")
        elif name != TIMEOUT:
            raise RequestError(
                f"The parameter {name[:64]!r} of the request is not known.",
                f"Known: {TIMEOUT}; {CLASSIFICATION} of a requested output.",
            )
        elif parameter.WhichOneof("parameter_choice") not in {"int64_param", "uint64_param"}:
            raise RequestError(f"The parameter {TIMEOUT} is a number of microseconds.")


def timeout_s(request: pb.ModelInferRequest) -> float | None:
    """The request's own time limit in seconds; None where it sets none."""
    if TIMEOUT not in request.parameters:
        return None
    timeout_us = _value(request.parameters[TIMEOUT])
    return timeout_us / 1e6 if timeout_us > 0 else None


def _value(parameter: pb.InferParameter) -> Any:
    kind = parameter.WhichOneof("parameter_choice")
    return None if kind is None else getattr(parameter, kind)
