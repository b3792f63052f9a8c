"""Predictors that decode nothing and answer at once: what is left is the cost of the path.

They are deployed as the application ``echo``, to measure a cluster, an edge or a client by itself.
"""

import numpy as np

from striate.core.bundle import OUTPUT
from striate.core.errors import RequestError
from striate.serve.common.tensors import (
    IMAGE,
    LABELS,
    ModelCard,
    TensorAnswer,
    TensorMeta,
    TensorRequest,
)
from striate.serve.common.types import Tag, TagRequest

LABEL = "echo"
_ANSWER = (Tag(LABEL, 0, 1.0),)
_CARD = ModelCard(
    inputs=(TensorMeta(IMAGE, "BYTES", (-1,)),),
    outputs=(TensorMeta(OUTPUT, "FP32", (-1, 1)), TensorMeta(LABELS, "BYTES", (-1,))),
    labels=(LABEL,),
    platform="striate_echo",
)


class EchoPredictor:
    """Answers every photo with the one label ``echo``, whatever its bytes are."""

    def answer(self, request: TagRequest) -> list[Tag]:
        """The label ``echo`` with score 1.

        Raises:
            RequestError: the request has no bytes.
        """
        if not len(request.image):
            raise RequestError("The request holds no image.", "Send the bytes of a photo.")
        return list(_ANSWER)


class EchoTensors:
    """Answers every row of the input ``image`` with the score 1 for the one class ``echo``."""

    card = _CARD

    def answer(self, request: TensorRequest) -> TensorAnswer:
        """Ones, a row for each image."""
        ones = np.ones((request.rows, 1), np.float32)
        return {OUTPUT: ones, LABELS: [LABEL.encode()] * request.rows}

    def probe(self) -> TensorRequest:
        """A request of one image."""
        return TensorRequest({IMAGE: [b"image"]}, 1)
