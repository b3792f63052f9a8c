"""One file of a folder and its label."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """One file of a folder, not yet read.

    Attributes:
        path: relative to the folder; its name in reports.
        size: in bytes.
        label: its class; of a file with a problem it may be anything.
        split: its split; empty where that is drawn.
        problem: why it cannot be used, where names and lists alone say so.
    """

    path: str
    size: int = 0
    label: str = ""
    split: str = ""
    problem: str = ""
