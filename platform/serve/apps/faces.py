"""The application `faces`: people are enrolled, and known again in photos.

Two networks find and describe; what they say of enrolled people is kept in a store of record, and
an index of it in actors of its own answers who is who, for all replicas and across versions.
"""

from pathlib import Path

from ray import serve

from striate.core.numbers import Count, Positive
from striate.core.registry import fetch
from striate.serve.apps.factory import name_model
from striate.serve.apps.replica import ReplicaArgs, app_name, application
from striate.serve.identities.kept_faces import HeldIndex, KeptFaces, OwnIndex
from striate.serve.identities.shard_actors import ShardLayout
from striate.serve.identities.shared_index import SharedIndex
from striate.serve.identities.store import IdentityStore, default_store
from striate.serve.predictors.face_finder import FinderSettings
from striate.serve.predictors.faces import FacePredictor
from striate.serve.server.service import Service
from striate.serve.services.face_models import FaceModel, FaceModels
from striate.serve.services.face_recognition import FaceRecognition
from striate.serve.services.face_settings import FaceSettings
from striate.serve.webhooks.config import Webhooks

DEPLOYMENT = "faces"


class FaceArgs(ReplicaArgs, FaceSettings):
    """What an application takes that knows faces, beside what every one does.

    Models are URIs as `striate.core.registry.fetch` takes them, or folders of bundles.

    Attributes:
        finder: how faces are looked for.
        store: of people and faces: the path of a SQLite file on the replicas' node, or
            ``postgresql://…``; None is the local platform's own.
        kept: folder of the kept crops, which every replica's node sees, and of the index's
            snapshots, on each node's own disk; None is beside the local platform's store.
        shards: shares of the index, in a process each.
        copies: of each share, on different nodes where there are enough.
        index_cpus: of each copy; it scans with so many threads at best.
        webhooks: who is told of what searches saw.
    """

    finder: FinderSettings = FinderSettings()
    store: str | None = None
    kept: Path | None = None
    shards: Count = 1
    copies: Count = 1
    index_cpus: Positive = 0.25
    webhooks: Webhooks = Webhooks()

    def open_kept(self) -> KeptFaces:
        """Open the store, the crops, the index and the audit; in a replica, or in this process.

        Raises:
            StoreOutdated, StoreBusy, StoreFull, StoreDamaged, IndexUnavailable: as `KeptFaces`.
        """
        folder = self.kept or default_store(self.settings.home).parent
        url = self.store
        if url is None:
            file = default_store(self.settings.home)
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            url = str(file)
        layout = ShardLayout(self.shards, self.copies, self.index_cpus, self.hash_tables)
        snapshots = str(folder / "index")

        def index(store: IdentityStore) -> HeldIndex:
            if app_name():  # of a replica: others of this store search the same index
                return SharedIndex(url, snapshots, layout)
            return OwnIndex(store, self.hash_tables)

        return KeptFaces(url, folder / "crops", index, keep_crops=self.keep_crops)


class FacesArgs(FaceArgs):
    """What `build` takes.

    Attributes:
        network: describes faces: DeepFace with the codes of its descriptors.
        detector: finds faces and their poses.
        next_network: the network that faces are described anew by, where another is to follow.
        next_detector: the detector that faces are found by then.
        device: ``cpu`` or ``cuda``, for all of them.
    """

    network: str
    detector: str
    next_network: str | None = None
    next_detector: str | None = None
    device: str = "cpu"


def services(args: FacesArgs) -> list[Service]:
    """What a replica serves.

    Raises:
        StriateError: as `striate.core.registry.fetch` and `FacePredictor.load`.
    """
    serving = load_faces(args, args.network, args.detector, args.device)
    following = None
    if args.next_network or args.next_detector:
        network, detector = args.next_network or args.network, args.next_detector or args.detector
        following = load_faces(args, network, detector, args.device)
    models = FaceModels(serving, following)
    recognition = FaceRecognition(
        models, args, args.open_kept, args.limits, args.webhooks, app_name
    )
    return [recognition]


def build(args: FacesArgs) -> serve.Application:
    """The Serve application."""
    return application(DEPLOYMENT, args, services)


def load_faces(args: FaceArgs, network: str, detector: str, device: str) -> FaceModel:
    """Two bundles, made ready to find and describe.

    Raises:
        StriateError: as `striate.core.registry.fetch` and `FacePredictor.load`.
    """
    (described, its), (found, their) = (fetch(uri, args.settings) for uri in (network, detector))
    predictor = FacePredictor.load(described, found, device, args.finder, args.limits.pixels)
    names = name_model(described, its), name_model(found, their)
    return FaceModel.of(*names, predictor, args.limits, args.batching)
