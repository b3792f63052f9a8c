"""Generated people whom no network was trained on: are two pictures of one person?

A quarter of the people is held out. DeepFace as in ``deepface-identities-mini`` learns the rest;
its siamese network is fine-tuned on pairs of these. Both describe the pictures of those held out,
which are compared in ten folds as LFW's are: the mean accuracy, with its standard error in the
row's name. The peer of the siamese network is the softmax network's descriptors under the
Euclidean distance; that of the 256-bit codes are the descriptors that they were learnt from. The
ROC curves are drawn into `PICTURE`.

The quick form has so few people and passes that its figures say nothing but that all of it runs:
its rows ask for nothing.
"""

import sys
from pathlib import Path

from harness import Row
from untracked import train_untracked

from striate.core.bundle import Bundle
from striate.data.corpora.identities import DEFAULT_PEOPLE, HELD_OUT_EVERY
from striate.data.ingest.ingest import ingest
from striate.data.transforms.binary_codes import BITS, learn_codes
from striate.train.faces.described import describe_split
from striate.train.faces.roc_plot import draw_roc
from striate.train.faces.verification import (
    Verification,
    pairs_of,
    verify_codes,
    verify_descriptors,
)

QUICK_PEOPLE, QUICK_BITS = 12, 96  # bits are learnt from at least as many pictures
QUICK = ("model.arguments.width=0.0625", "epochs=1")
AT_LEAST = 1.0
PICTURE = Path(__file__).parents[1] / "build" / "faces-roc.png"


def rows(folder: Path, quick: bool) -> list[Row]:
    """Fine-tuned against softmax descriptors, and codes against what they were learnt from."""
    people, bits = (QUICK_PEOPLE, QUICK_BITS) if quick else (DEFAULT_PEOPLE, BITS)
    shards = folder / "shards"
    ingest("identities", folder / "corpus", shards, workers=1, size=people)
    less = QUICK if quick else ()
    classes, name = f"model.arguments.classes={people}", "deepface-identities-mini"
    softmax = _trained(folder / "softmax", shards, name, classes, *less)
    weights, name = f"model.weights={softmax.path}", "deepface-siamese-mini"
    siamese = _trained(folder / "siamese", shards, name, weights, *less)
    pairs = pairs_of(shards)
    found: dict[str, Verification] = {}
    for name, bundle, distance in (
        ("softmax descriptors, Euclidean", softmax, "euclidean"),
        ("siamese, weighted Manhattan", siamese, "manhattan"),
    ):
        tested = describe_split(bundle, shards, "test")
        found[name] = verify_descriptors(tested, pairs, distance)  # type: ignore[arg-type]
        if bundle is siamese:
            learnt = learn_codes(describe_split(bundle, shards, "train").descriptors, bits)
            found[f"siamese, codes of {bits} bits"] = verify_codes(
                tested, learnt.encode(tested.descriptors), pairs
            )
    PICTURE.parent.mkdir(exist_ok=True)
    draw_roc(found, f"{people // HELD_OUT_EVERY} generated people held out").savefig(PICTURE)
    print(f"ROC curves: {PICTURE}", file=sys.stderr)
    plain, tuned, coded = found.values()
    return [
        _row("siamese fine-tuning: softmax descriptors", tuned, plain, None if quick else AT_LEAST),
        _row(f"codes of {bits} bits: the descriptors themselves", coded, tuned, None),
    ]


def _row(name: str, ours: Verification, peer: Verification, at_least: float | None) -> Row:
    errors = f"± {100 * ours.standard_error:.1f} and ± {100 * peer.standard_error:.1f}"
    title = f"{len(ours.accuracies)} folds, {name} ({errors})"
    return Row(title, 100 * ours.mean, 100 * peer.mean, "%", at_least)


def _trained(folder: Path, shards: Path, name: str, *overrides: str) -> Bundle:
    return Bundle.open(train_untracked(folder, shards, name, *overrides).folder.bundle)
