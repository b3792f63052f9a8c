"""Word error rate, with the parts of the edit distance."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class WordErrors:
    """Errors against what was said; sums are those of several utterances.

    Attributes:
        substitutions: words heard as others.
        insertions: words heard that were not said.
        deletions: words said that were not heard.
        words: said in all.
    """

    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    words: int = 0

    @property
    def errors(self) -> int:
        """The edit distance."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """Errors a word said; above 1 where more is wrong than was said. 0 of nothing."""
        return self.errors / self.words if self.words else float(self.errors > 0)

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(
            self.substitutions + other.substitutions,
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.words + other.words,
        )

    def __str__(self) -> str:
        parts = (self.substitutions, self.insertions, self.deletions)
        return "{:.2f} % ({} S, {} I, {} D, of {})".format(100 * self.rate, *parts, self.words)


def word_errors(said: Sequence[Hashable], heard: Sequence[Hashable]) -> WordErrors:
    """The fewest edits that make what was heard of what was said (Levenshtein, 1966).

    Of several ways with as few edits, that with the fewest insertions and deletions counts.

    Args:
        said: the reference.
        heard: the hypothesis.
    """
    # (edits, insertions, deletions) to the first n words heard; least first.
    row = [(at, at, 0) for at in range(len(heard) + 1)]
    for word in said:
        last = row
        row = [(last[0][0] + 1, last[0][1], last[0][2] + 1)]
        for at, other in enumerate(heard):
            edits, inserted, deleted = last[at]
            row.append(
                min(
                    (edits + (word != other), inserted, deleted),
                    (row[at][0] + 1, row[at][1] + 1, row[at][2]),
                    (last[at + 1][0] + 1, last[at + 1][1], last[at + 1][2] + 1),
                )
            )
    edits, inserted, deleted = row[-1]
    return WordErrors(edits - inserted - deleted, inserted, deleted, len(said))
