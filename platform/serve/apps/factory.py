"""From a bundle to what a server answers with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from striate.core.bundle import Bundle, BundleSpec
from striate.core.model_version import ModelVersion
from striate.serve.common.limits import Batching, Limits
from striate.serve.common.probe_image import probe_image
from striate.serve.common.types import ModelName, Tag, TagRequest
from striate.serve.predictors import load_network
from striate.serve.predictors.embedding import VectorPredictor
from striate.serve.predictors.network import NamedNetwork, PlainNetwork, only_network
from striate.serve.predictors.tagging import TaggingPredictor
from striate.serve.predictors.tensors import TensorPredictor
from striate.serve.server.models import FixedModels, ServedModel
from striate.serve.server.servable import AnyPredictor, Servable
from striate.serve.server.server import ModelServer
from striate.serve.services.analysis_parts import Describer
from striate.serve.services.inference import Inference
from striate.serve.services.tagging import PhotoTagging, Tagger


@dataclass(frozen=True)
class LoadedModel:
    """A bundle with its network, from which any number of servables are made.

    Attributes:
        bundle: what was loaded.
        model: name and version that answers carry.
        network: from the bundle's inputs to its outputs.
        limits: what is accepted.
        batching: how requests become batches.
        platform: what runs the network, as ModelMetadata tells it.
    """

    bundle: Bundle
    model: ModelName
    network: NamedNetwork
    limits: Limits
    batching: Batching
    platform: str = "striate_torch"

    def tagger(self) -> Tagger:
        """It tags photos.

        Raises:
            BundleError: the bundle is not for tagging photos.
        """
        predictor = TaggingPredictor(self.bundle.spec, self._only_network(), self.limits.pixels)
        image = probe_image(*photo_size(self.bundle.spec))
        return tagger(predictor, self.model, self.limits, self.batching, image)

    def describer(self) -> Tagger | Describer:
        """It describes photos: by the scores of its classes, or else by its output as a vector.

        Raises:
            BundleError: the bundle makes neither of a photo.
        """
        spec = self.bundle.spec
        if spec.task == "classification":
            return self.tagger()
        predictor = VectorPredictor(spec, self._only_network(), self.limits.pixels)
        probe = TagRequest(probe_image(*photo_size(spec)))
        return Servable(self.model, predictor, probe, self.limits, self.batching)

    def served(self) -> ServedModel:
        """It answers the Open Inference Protocol.

        Raises:
            BundleError: an element type that the protocol does not have.
        """
        spec, rows = self.bundle.spec, self.batching.max_size
        predictor = TensorPredictor(spec, self.network, self.limits.pixels, rows)
        probe = predictor.probe()
        servable = Servable(self.model, predictor, probe, self.limits, self.batching)
        return ServedModel(replace(predictor.card, platform=self.platform), servable)

    def _only_network(self) -> PlainNetwork:
        return only_network(self.bundle.spec, self.network)


def load(
    bundle: Bundle,
    model: tuple[str, str],
    device: str = "cpu",
    program: Path | None = None,
    limits: Limits | None = None,
    batching: Batching | None = None,
) -> LoadedModel:
    """Load a bundle's network.

    Args:
        bundle: what to load.
        model: name and version that answers carry.
        device: a torch device, or the name of the chip that `program` is for.
        program: folder of the bundle's program for an emulated chip; None runs on torch.
        limits: what is accepted.
        batching: how requests become batches.

    Raises:
        BundleError: the weights do not fit, or the program is not the bundle's own.
    """
    network = load_network(bundle, device, program)
    platform = "striate_torch" if program is None else f"striate_chip_{device}"
    batching = batching or Batching()
    if program is not None:  # a chip does one thing at a time
        batching = batching.model_copy(update={"threads": 1})
    return LoadedModel(bundle, ModelName(*model), network, limits or Limits(), batching, platform)


def inference_of(models: Sequence[LoadedModel]) -> Inference:
    """The Open Inference Protocol of one or several bundles."""
    return Inference(FixedModels([model.served() for model in models]), models[0].limits)


def name_model(bundle: Bundle, version: ModelVersion | None) -> ModelName:
    """The model's name and version that answers carry.

    A bundle outside the registry is named after its architecture, with its digest as version.
    """
    if version is not None:
        return ModelName(version.name, str(version.version))
    return ModelName(bundle.spec.architecture.name, bundle.digest)


def tagger(
    predictor: AnyPredictor[TagRequest, list[Tag]],
    model: tuple[str, str],
    limits: Limits | None = None,
    batching: Batching | None = None,
    image: bytes | None = None,
) -> Tagger:
    """A tagging predictor made ready to be served under a model's name and version.

    Args:
        predictor: answers.
        model: name and version that answers carry.
        limits: what is accepted.
        batching: how requests become batches.
        image: the photo of the probe, where the predictor takes photos of some sizes only.
    """
    probe = TagRequest(image or probe_image(), top_k=1)
    return Servable(ModelName(*model), predictor, probe, limits, batching)


def start_tagging_server(
    predictor: AnyPredictor[TagRequest, list[Tag]],
    model: tuple[str, str],
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits | None = None,
    batching: Batching | None = None,
) -> ModelServer:
    """A server of `striate.v1.PhotoTagging` alone, in this process."""
    service = PhotoTagging(tagger(predictor, model, limits, batching), limits)
    return ModelServer([service], host, port, limits)


def photo_size(spec: BundleSpec) -> tuple[int, int]:
    """Height and width of a photo that a bundle takes, also without a step that resizes."""
    margin = sum(step["margin"] for step in spec.preprocessing if step["op"] == "pad")
    sides = spec.input.sizes(spec.example_sizes())[-2:]
    height, width = (max(1, side - 2 * margin) for side in sides)
    return height, width
