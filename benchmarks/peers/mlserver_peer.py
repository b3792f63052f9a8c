"""MLServer around the benchmark's predictors; runs in an environment of its own.

Usage: python mlserver_peer.py PORT HTTP_PORT BUNDLE. It has the models ``echo`` and ``tagger``,
which run in the server's own process (`parallel_workers` of 0), the faster way here; the tagger
gathers batches adaptively, as MLServer offers.
"""

import asyncio
import sys

from mlserver import MLModel, MLServer, ModelSettings, Settings  # type: ignore[import-not-found]
from mlserver.settings import ModelParameters  # type: ignore[import-not-found]
from mlserver.types import (  # type: ignore[import-not-found]
    InferenceRequest,
    InferenceResponse,
    ResponseOutput,
)
from predict import echo, tagger


class Peer(MLModel):  # type: ignore[misc]
    """A model that takes encoded images and gives labels."""

    async def load(self) -> bool:
        """Build the predictor: the tagger of the bundle that the settings lead to, or the echo."""
        self._bundle = self.settings.parameters and self.settings.parameters.uri
        self._predict = tagger(self._bundle) if self._bundle else echo
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request, or a batch that MLServer made of several."""
        images = [_bytes(image) for image in payload.inputs[0].data]
        if self._bundle:
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(None, self._predict, images)
        else:
            answers = self._predict(images)
        count = len(answers)
        labels = [name.decode() for names, _ in answers for name in names]
        scores = [float(score) for _, values in answers for score in values]
        each = len(labels) // count
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            outputs=[
                ResponseOutput(name="labels", shape=[count, each], datatype="BYTES", data=labels),
                ResponseOutput(name="scores", shape=[count, each], datatype="FP32", data=scores),
            ],
        )


def _bytes(value: "bytes | str") -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value


async def main(port: int, http_port: int, bundle: str) -> None:
    """Serve until the process is ended."""
    settings = Settings(
        parallel_workers=0,
        grpc_port=port,
        http_port=http_port,
        host="127.0.0.1",
        metrics_endpoint=None,
        debug=False,
        grpc_max_message_length=32 * 2**20,
    )
    models = [
        ModelSettings(name="echo", implementation=Peer),
        ModelSettings(
            name="tagger",
            implementation=Peer,
            parameters=ModelParameters(uri=bundle),
            max_batch_size=32,
            max_batch_time=0.002,
        ),
    ]
    await MLServer(settings).start(models)


if __name__ == "__main__":
    grpc_port, rest_port, of_tagger = sys.argv[1:]
    asyncio.run(main(int(grpc_port), int(rest_port), of_tagger))
