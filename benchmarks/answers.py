"""Answers: questions about stories, and whatever else is asked in words.

Each group of rows says in its own file what is compared: `answers_memory_rows.py`,
`answers_knowledge_rows.py`,
`answers_embedding_rows.py`, `answers_translation_rows.py`, `answers_speech_rows.py`.
``STRIATE_BENCH_ROWS`` names the groups to measure, such as ``memory``; all of them where it is not
set.
"""

from collections.abc import Callable
from pathlib import Path

import answers_embedding_rows
import answers_knowledge_rows
import answers_memory_rows
import answers_speech_rows
import answers_translation_rows
from harness import Row, main, measure_groups

GROUPS: dict[str, Callable[[Path, bool], list[Row]]] = {
    "knowledge": answers_knowledge_rows.rows,
    "memory": answers_memory_rows.rows,
    "embeddings": answers_embedding_rows.rows,
    "translation": answers_translation_rows.rows,
    "speech": answers_speech_rows.rows,
}


def measure(quick: bool) -> list[Row]:
    """All groups, one after the other."""
    return measure_groups(GROUPS, quick)


if __name__ == "__main__":
    main(
        measure,
        "Answers of Striate's networks against their peers and what is asked of them.",
        "one seed, smaller texts, fewer passes, and of accuracies nothing asked",
    )
