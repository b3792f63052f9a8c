"""The models of a deployment that knows faces: the one that serves, and the next one."""

from dataclasses import dataclass

from striate.serve.common.face_types import FaceRequest, SeenPhoto
from striate.serve.common.limits import Batching, Limits
from striate.serve.common.probe_image import probe_image
from striate.serve.common.types import ModelName
from striate.serve.identities.enroll import use_model
from striate.serve.identities.errors import NotTheStoresModel
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.store import IdentityStore, serving_model
from striate.serve.predictors.face_crops import CROP_SIDE
from striate.serve.predictors.faces import FacePredictor
from striate.serve.server.servable import Servable


@dataclass(frozen=True, eq=False)
class FaceModel:
    """Two networks that find and describe faces, behind a batcher.

    Attributes:
        network: who describes.
        detector: who finds.
        predictor: computes.
        servable: answers.
    """

    network: ModelName
    detector: ModelName
    predictor: FacePredictor
    servable: Servable[FaceRequest, SeenPhoto]

    @classmethod
    def of(
        cls,
        network: ModelName,
        detector: ModelName,
        predictor: FacePredictor,
        limits: Limits,
        batching: Batching,
    ) -> "FaceModel":
        """Made ready to be served; a probe walks the whole way but for the detector's."""
        probe = FaceRequest(probe_image(CROP_SIDE, CROP_SIDE), kept=True)
        servable = Servable(network, predictor, probe, limits, batching)
        return cls(network, detector, predictor, servable)

    @property
    def fingerprint(self) -> ModelFingerprint:
        """What descriptors depend on."""
        origin = self.predictor.origin
        return ModelFingerprint(
            network=origin.network_sha256,
            detector=origin.detector_sha256,
            dimension=origin.dimension,
            code_version=origin.code_version,
        )


class FaceModels:
    """Which of a deployment's models answers.

    Args:
        serving: whose codes the store holds, or will hold where it is new.
        following: the one that faces are described anew by; None where there is no change.
    """

    def __init__(self, serving: FaceModel, following: FaceModel | None = None) -> None:
        self.following = following
        self.current = serving
        self._all = [serving, *([following] if following is not None else [])]

    @property
    def servables(self) -> list[Servable[FaceRequest, SeenPhoto]]:
        """What computes."""
        return [model.servable for model in self._all]

    def choose(self, store: IdentityStore) -> FaceModel:
        """The model whose codes a store serves, from now on `current`; a new store takes the first.

        Raises:
            NotTheStoresModel: it serves those of another one.
            StoreBusy, StoreFull: the store cannot be used.
        """
        with store.read() as connection:
            serving = serving_model(connection)
        if serving is None:
            serving = use_model(store, self._all[0].fingerprint, self._all[0].network.name)
        for model in self._all:
            if model.fingerprint == serving.fingerprint:
                self.current = model
                return model
        raise NotTheStoresModel(
            "The store of faces holds codes of another model than this deployment's.",
            "Deploy the model before with this one as `next_network` and `next_detector`, and run "
            "`striate faces reindex`.",
        )
