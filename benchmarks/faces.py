"""Faces: networks, verification, the index of codes, enrolments, and calls over gRPC.

Each group of rows says in its own file what is compared: `faces_network_rows.py`,
`faces_verification_rows.py`, `faces_index_rows.py`, `faces_enrolment_rows.py`,
`faces_serving_rows.py`. ``STRIATE_BENCH_ROWS`` names the groups to measure, such as
``network,index``; all of them where it is not set. The ROC curves of verification are drawn into
``build/faces-roc.png``.
"""

from collections.abc import Callable
from pathlib import Path

import faces_enrolment_rows
import faces_index_rows
import faces_network_rows
import faces_serving_rows
import faces_verification_rows
from harness import Row, main, measure_groups

GROUPS: dict[str, Callable[[Path, bool], list[Row]]] = {
    "network": lambda _folder, quick: faces_network_rows.rows(quick),
    "index": lambda _folder, quick: faces_index_rows.rows(quick),
    "enrolment": faces_enrolment_rows.rows,
    "serving": faces_serving_rows.rows,
    "verification": faces_verification_rows.rows,
}


def measure(quick: bool) -> list[Row]:
    """All groups, one after the other."""
    return measure_groups(GROUPS, quick)


if __name__ == "__main__":
    main(
        measure,
        "Faces with Striate against their peers.",
        "fewer rounds and calls, 2 million codes at most, and 12 people of whom nothing is asked",
    )
