"""Questions over gRPC about a base of 100,000 facts: how late are answers?

The services are made as a replica makes them, in a process of their own; callers, in another, come
when they come (Poisson arrivals), and the 99th percentile of all calls counts from when each was
due. The network is that of another base: what it answers means nothing, and takes as long.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from harness import Row
from serve_calls import Target, loaded
from serve_sides import SPAWN, beside

from striate.core.bundle import WEIGHTS_FILE, Bundle
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.calibration import CALIBRATION_FILE, Calibration
from striate.data.knowledge.manifest import FILES, KNOWLEDGE_FILE
from striate.serve.protos.striate.v1 import question_answering_pb2 as pb

ASK = "/striate.v1.QuestionAnswering/Ask"
CALLS_A_SECOND, ASK_MS = 50.0, 30.0
ROUNDS, SECONDS, QUICK_SECONDS = 3, 20.0, 1.0


def asked_row(folder: Path, bundle: Bundle, base: Path, asked: Sequence[str], quick: bool) -> Row:
    """What is allowed over the 99th percentile.

    Args:
        folder: of the server's bundle.
        bundle: of the network.
        base: the folder of the knowledge base that is asked.
        asked: the questions, in turn.
        quick: for how long.
    """
    served = with_base(bundle, base, folder / "served")
    requests = [pb.AskRequest(question=question) for question in asked]
    with (
        beside(_serve, str(served.path), folder) as (_, address),
        ProcessPoolExecutor(1, SPAWN) as callers,
    ):
        targets = [Target(address, ASK, one.SerializeToString()) for one in requests]
        callers.submit(loaded, targets, CALLS_A_SECOND, 1.0, 99).result()  # warms connections
        latencies: list[np.ndarray] = []
        for seed in range(1 if quick else ROUNDS):
            seconds = QUICK_SECONDS if quick else SECONDS
            result, answers = callers.submit(
                loaded, targets, CALLS_A_SECOND, seconds, seed
            ).result()
            assert result.answered.all(), result.counts()
            assert all(pb.AskResponse.FromString(answer).answers for answer in answers[:20])
            latencies.append(1000 * result.latency_s)
    p50, p99 = (float(value) for value in np.percentile(np.concatenate(latencies), (50, 99)))
    facts = f"{KnowledgeBase.open(base).manifest.facts:,} facts"
    calls = f"Ask over gRPC, {facts}, {CALLS_A_SECOND:.0f} calls/s"
    name = f"{calls}: p50 {p50:.1f} ms; {ASK_MS:.0f} ms / p99"
    return Row(name, ASK_MS, p99, "ms", 1.0)


def with_base(bundle: Bundle, base: Path, path: Path) -> Bundle:
    """The network of a bundle with another base, which it answers about however unsure it is."""
    calibration = Calibration.of_text(bundle.asset(CALIBRATION_FILE))
    always = calibration.model_copy(update={"threshold": 0.0})
    assets: dict[str, str | Path] = {
        name: bundle.asset_path(name) for name in bundle.files if name != WEIGHTS_FILE
    }
    assets |= {name: base / name for name in (KNOWLEDGE_FILE, *FILES)}
    assets[CALIBRATION_FILE] = always.to_text()
    return Bundle.write(path, bundle.spec, bundle.state(), assets)


def _serve(bundle: str, home: Path, pipe: Connection) -> None:
    """The application `answers` with that bundle."""
    import torch

    from striate.serve.apps import answers
    from striate.serve.server.server import ModelServer

    torch.set_num_threads(1)  # as in a replica
    server = ModelServer(answers.services(answers.AnswersArgs(knowledge=bundle, home=home)))
    server.own_process()
    pipe.send(server.address)
    pipe.recv()
    server.stop(1)
