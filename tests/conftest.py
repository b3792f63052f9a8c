"""Fixtures of every package's tests, and what holds for each test."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Ray reads these when it is imported: a token for this session's clusters alone.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch must leave a core to Ray and MLflow
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a thread that waits leaves its core to others
os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of the engines' own processes
# NumPy's sines and powers for AVX-512 round otherwise: some pixels of a generated corpus differ.
os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", "X86_V4 AVX512_ICL AVX512_SPR")

from striate.core.locks import hold_lock
from striate.core.settings import ENVIRONMENT, Settings

MARKERS = {"unit", "cluster", "e2e", "gpu"}
ONE_MARK = re.compile(r"^pytestmark = pytest\.mark\.(\w+)$", re.MULTILINE)
"""Of a file: all of its tests carry that one."""
STRIATE = str(Path(sys.executable).with_name("striate"))
TRAINING = {"train", "test_train_cli.py", "test_sweep_cli.py", "test_training_docs.py"}
CHIP = "anna-talk"
MakeFolder = Callable[[Path], None]

hypothesis.settings.register_profile("striate", deadline=None)  # no test depends on speed
hypothesis.settings.load_profile("striate")


@dataclass(frozen=True)
class Platform:
    """A local platform that runs.

    Attributes:
        home: its folder.
        settings: its addresses.
        environment: variables for a subprocess `striate …` that shall use it.
    """

    home: Path
    settings: Settings
    environment: dict[str, str] = field(repr=False)

    def run(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `striate *args`; a failure that is not expected shows what it printed."""
        return striate(*args, environment=self.environment, check=check)


def striate(
    *args: str, environment: dict[str, str], check: bool = True, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run the `striate` command and capture what it prints."""
    done = subprocess.run(
        [STRIATE, *args], env=environment, capture_output=True, text=True, timeout=timeout_s
    )
    if check and done.returncode:
        raise AssertionError(
            f"striate {' '.join(args)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done


def clean_environment(home: Path) -> dict[str, str]:
    """This process's variables without any address; the command finds them for itself."""
    without = {*ENVIRONMENT.values(), "RAY_AUTH_MODE"}
    values = {name: value for name, value in os.environ.items() if name not in without}
    return {**values, "STRIATE_HOME": str(home), "COLUMNS": "160"}


@pytest.fixture(scope="session")
def newcomer() -> Callable[[Path], dict[str, str]]:
    """Gives the variables of who has the folder as home and no platform: ``newcomer(home)``.

    This process's own lead to the session's platform, once a test has asked for `ray_cluster`.
    """
    return clean_environment


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a short path: Ray's sockets lie under it."""
    folder = Path(tempfile.mkdtemp(prefix="st-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def platform(short_folder: Path) -> Iterator[Platform]:
    """A real local platform with free ports and one emulated chip, ended with the session."""
    home = short_folder / "h"
    environment = clean_environment(home)
    ports = [f"--{name}-port={free_port()}" for name in ("mlflow", "dashboard", "edge", "ray")]
    try:
        striate("up", "--chip", CHIP, *ports, environment=environment)
        settings = Settings.load({"STRIATE_HOME": str(home)})
        known = {variable: getattr(settings, name) for name, variable in ENVIRONMENT.items()}
        addresses = {
            variable: str(value) for variable, value in known.items() if value not in (None, ())
        }
        yield Platform(home, settings, {**environment, **addresses})
    finally:
        striate("down", environment=environment)


@pytest.fixture(scope="session")
def ray_cluster(platform: Platform) -> Iterator[Platform]:
    """The platform, with this process connected to its Ray."""
    import ray

    names = [name for name in ENVIRONMENT.values() if name in platform.environment]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: platform.environment[name] for name in names})
    ray.init(address=platform.settings.ray_address, log_to_driver=False, logging_level="ERROR")
    yield platform
    ray.shutdown()
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, MakeFolder], Path]:
    """Makes a folder once, however many processes the session has: ``made_once(name, make)``.

    The first to ask makes it, under another name until it is whole, and the others wait for it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"
    shared.mkdir(exist_ok=True)

    def make_once(name: str, make: MakeFolder) -> Path:
        folder = shared / name
        with hold_lock(shared / f"{name}.lock"):
            if not folder.exists():
                unfinished = Path(tempfile.mkdtemp(dir=shared))
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return make_once


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data beside the project, or the one that STRIATE_REAL_DATA names.

    Tests that ask for it carry the mark ``realdata`` too, and are skipped where there is none.
    """
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("STRIATE_REAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"there is no real data at {folder}")
    return folder


@pytest.fixture(scope="session")
def digits_shards(made_once: Callable[[str, MakeFolder], Path]) -> Path:
    """Shards of scikit-learn's handwritten digits; not to be changed."""
    from striate.data.ingest.ingest import ingest

    def make(folder: Path) -> None:
        ingest("digits", folder / "idx", folder / "shards", workers=1)

    return made_once("digits", make) / "shards"


_FACE_RADIUS, _FACE_TILE = 18, 80


@pytest.fixture(scope="session")
def face_photo() -> Callable[..., bytes]:
    """Makes a PNG of made-up faces: ``face_photo(1, 2, 3)``, each with a look of its number.

    They are bright patterned discs on black, which the detector of `face_bundles` takes for faces:
    in tiles of 80 pixels, up to eight across. ``change=`` turns the picture as it is encoded.
    """
    import io

    import numpy as np
    from PIL import Image

    def make(
        *looks: int, radius: int = _FACE_RADIUS, change: Callable[[Any], Any] | None = None
    ) -> bytes:
        across = max(1, min(len(looks), 8))
        rows = max(1, -(-len(looks) // across))
        photo = Image.new("RGB", (across * _FACE_TILE, rows * _FACE_TILE))
        line = np.arange(2 * radius) - radius + 0.5
        inside = np.hypot(line[:, None], line) < radius
        for place, look in enumerate(looks):
            colours = np.random.default_rng(look).integers(130, 256, (8, 8, 3), dtype=np.uint8)
            disc = Image.fromarray(colours).resize((2 * radius,) * 2, Image.Resampling.BICUBIC)
            row, column = divmod(place, across)
            corner = [at * _FACE_TILE + _FACE_TILE // 2 - radius for at in (column, row)]
            photo.paste(disc, (corner[0], corner[1]), Image.fromarray(inside))
        out = io.BytesIO()
        (change(photo) if change else photo).save(out, "PNG")
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def face_bundles(made_once: Callable[[str, MakeFolder], Path]) -> dict[str, Path]:
    """Bundles ``detector``, ``network`` and ``other``, another network, that know faces untrained.

    The detector's weights are set by hand, to those of a bright blob on a dark ground; the
    networks' are random, and their codes were learnt from patterned discs.
    """
    names = ("detector", "network", "other")

    def make(folder: Path) -> None:
        _write_detector(folder / "detector")
        for seed, name in enumerate(names[1:]):
            _write_face_network(folder / name, seed)

    folder = made_once("face-bundles", make)
    return {name: folder / name for name in names}


@pytest.fixture
def face_server(tmp_path: Path, face_bundles: dict[str, Path]) -> Iterator[Callable[..., Any]]:
    """Serves `striate.v1.FaceRecognition` in this process: ``face_server(following="other")``.

    The region is one where faces are on; every server of a test has the same store.
    """
    from striate.core.bundle import Bundle
    from striate.serve.common.limits import Batching, Limits
    from striate.serve.common.types import ModelName
    from striate.serve.identities.kept_faces import KeptFaces, OwnIndex
    from striate.serve.predictors.faces import FacePredictor
    from striate.serve.server.server import ModelServer
    from striate.serve.services.face_models import FaceModel, FaceModels
    from striate.serve.services.face_recognition import FaceRecognition
    from striate.serve.services.face_settings import FaceSettings

    started: list[ModelServer] = []

    def load(name: str) -> FaceModel:
        network, detector = (Bundle.open(face_bundles[one]) for one in (name, "detector"))
        names = ModelName(name, "3"), ModelName("detector", "5")
        predictor = FacePredictor.load(network, detector)
        return FaceModel.of(*names, predictor, Limits(), Batching())

    def serve(following: str | None = None, **settings: Any) -> ModelServer:
        models = FaceModels(load("network"), load(following) if following else None)
        service = FaceRecognition(
            models,
            FaceSettings(**{"region": "US", **settings}),
            lambda: KeptFaces(str(tmp_path / "faces.db"), tmp_path / "crops", OwnIndex),
        )
        started.append(ModelServer([service]))
        return started[-1]

    yield serve
    for one in started:
        one.stop(1)


def _write_detector(path: Path) -> None:
    import json

    import torch

    from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
    from striate.data.pipelines.face_windows import STEPS
    from striate.models.evaluation.face_bundles import DETECTOR_FILE
    from striate.models.evaluation.pose_manifold import pose_points
    from striate.models.face_pose import FacePose

    model = FacePose()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for layer in (model.c1, model.c3):
            layer.kernels[0] = 1 / 25
        for smaller in (model.s2, model.s4):
            smaller.coefficient.fill_(1)
        model.c5.kernels[0] = -0.5 / 16
        model.c5.kernels[0, 1:4, 1:4] = 0.5 / 9  # the middle less its surroundings
        model.f6.weight[:, 0] = pose_points(torch.tensor(0.0), torch.tensor(0.0))
    spec = BundleSpec(
        architecture=Architecture(name="face_pose"),
        task="face_pose",
        inputs={"input": TensorSpec(dtype="float32", shape=(1, 32, 32), layout="CHW", units="x")},
        outputs={"point": TensorSpec(dtype="float32", shape=(9,), layout="C", units="x")},
        preprocessing=STEPS,
    )
    Bundle.write(path, spec, model.state_dict(), {DETECTOR_FILE: json.dumps({"threshold": 0.8})})


def _write_face_network(path: Path, seed: int) -> None:
    import torch

    from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
    from striate.data.pipelines.aligned_faces import aligned_faces
    from striate.data.transforms.binary_codes import CODES_FILE, learn_codes
    from striate.models import build
    from striate.models.evaluation.describe import describe

    torch.manual_seed(seed)
    arguments = {"classes": 4, "field": 88, "width": 1 / 16, "init": "he"}
    architecture = Architecture(name="deepface", arguments=arguments)
    model: Any = build(architecture)
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        inputs={"input": TensorSpec(dtype="float32", shape=(3, 88, 88), layout="CHW", units="x")},
        outputs={"output": TensorSpec(dtype="float32", shape=(4,), layout="C", units="logit")},
        preprocessing=aligned_faces({"size": 88}, training=False).preprocessing,
        labels=tuple("abcd"),
    )
    looks = torch.nn.functional.interpolate(torch.rand(300, 3, 8, 8), (88, 88), mode="bicubic")
    line = torch.arange(88) - 43.5
    inside = torch.hypot(line[:, None], line) < 35  # a disc of `face_photo`, cut out
    described = describe(model.eval(), torch.where(inside, looks, -1.0)).numpy()
    codes = path.with_suffix(".npz")
    codes.write_bytes(learn_codes(described, iterations=1).to_bytes())
    Bundle.write(path, spec, model.state_dict(), {CODES_FILE: codes})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no mount command: {error}")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def pick_port() -> Callable[[], int]:
    """Gives a TCP port of the loopback interface that nobody listens on."""
    return free_port


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file whose tests are all left out: all of them together take a while."""
    wanted = config.option.markexpr
    units = wanted == "unit"
    if not (units or wanted.startswith("not unit")) or collection_path.suffix != ".py":
        return None
    mark = ONE_MARK.search(collection_path.read_text(encoding="utf-8"))
    left_out = mark is not None and (mark[1] == "unit") is not units
    return True if left_out else None


@pytest.hookimpl(tryfirst=True)  # before `-m` reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test says what it needs; one that needs a GPU is skipped where there is none.

    Those that share the session's platform are marked, so that `make test` can run the others,
    which start all that they need by themselves, beside them. Training's go with the others, on a
    platform of that session: so both take about as long.
    """
    for item in items:
        carried = {mark.name for mark in item.iter_markers()} & MARKERS
        if len(carried) != 1:
            wanted = ", ".join(sorted(MARKERS))
            raise pytest.UsageError(f"{item.nodeid} must carry exactly one marker of {wanted}.")
        shares = "platform" in getattr(item, "fixturenames", ())
        if shares and not TRAINING & {*item.path.relative_to(Path(__file__).parent).parts}:
            item.add_marker(pytest.mark.shares_platform)
    needy = [item for item in items if item.get_closest_marker("gpu")]
    if needy and not _has_gpu():
        for item in needy:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def pytest_unconfigure(config: Any) -> None:
    """Leave Ray before Python ends, also when a test failed."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()
