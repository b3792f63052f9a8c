"""KServe's Python server around the benchmark's predictors; runs in an environment of its own.

Usage: python kserve_peer.py PORT HTTP_PORT BUNDLE. It has the models ``echo`` and ``tagger``.
"""

import sys
from typing import Any

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer  # type: ignore
from predict import Predict, echo, tagger


class Peer(Model):  # type: ignore[misc]
    """A model that takes an encoded image and gives labels."""

    def __init__(self, name: str, predict: Predict) -> None:
        super().__init__(name)
        self._predict = predict
        self.ready = True

    def predict(self, payload: InferRequest, headers: Any = None, **_: Any) -> InferResponse:
        """Answer one request."""
        labels, scores = self._predict([payload.inputs[0].as_numpy().item()])[0]
        names = InferOutput("labels", [len(labels)], "BYTES")
        names.set_data_from_numpy(labels)
        values = InferOutput("scores", [len(scores)], "FP32")
        values.set_data_from_numpy(scores)
        return InferResponse(payload.id or "0", self.name, [names, values])


if __name__ == "__main__":
    port, http_port, bundle = sys.argv[1:]
    server = ModelServer(
        grpc_port=int(port), http_port=int(http_port), enable_latency_logging=False, workers=1
    )
    server.start([Peer("echo", echo), Peer("tagger", tagger(bundle))])
