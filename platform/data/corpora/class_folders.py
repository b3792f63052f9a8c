"""Labels from folders: the first folder on the way to a file names its class.

::

    FOLDER/<class>/…/1.jpg                 the splits are drawn
    FOLDER/train/<class>/…/1.jpg           or given: folders named train and, beside it, val,
    FOLDER/test/<class>/…/1.jpg            valid, validation, dev or test, and no others

Folders inside a class are looked through too, and add nothing to its name. A folder without a
single file of the kind is no class.
"""

from collections.abc import Sequence

from striate.core.errors import DataError
from striate.data.corpora.file_kinds import FileKind
from striate.data.corpora.labelled_file import LabelledFile
from striate.data.storage import ListedFile, Source

TRAIN = "train"
SPLIT_FOLDERS = frozenset({TRAIN, "val", "valid", "validation", "dev", "test"})
NO_CLASS = "in no class folder"
_REMEDY = "Put each {noun} into a folder named after its class, or name a table with --table."


def read_class_folders(
    source: Source, entries: Sequence[ListedFile], kind: FileKind
) -> list[LabelledFile]:
    """The files of class folders.

    Args:
        source: the folder.
        entries: its files, without hidden ones.
        kind: of the files.

    Raises:
        DataError: there are no class folders, or but one.
    """
    folders = {entry.path.partition("/")[0] for entry in entries if "/" in entry.path}
    split_folders = TRAIN in folders and len(folders) > 1 and folders <= SPLIT_FOLDERS
    files = [_file(entry, kind, split_folders) for entry in entries]
    classes = {file.label for file in files if not file.problem}
    remedy = _REMEDY.format(noun=kind.noun)
    if not classes:
        raise DataError(f"{source} has no class folders of {kind.noun}s.", remedy)
    if len(classes) == 1:
        raise DataError(f"{source} has but one class folder, {min(classes)}.", remedy)
    return files


def _file(entry: ListedFile, kind: FileKind, split_folders: bool) -> LabelledFile:
    split, path = "", entry.path
    if split_folders and "/" in path:
        split, _, path = path.partition("/")
    label, inside, _ = path.partition("/")
    problem = ""
    if not kind.has(entry.path):
        problem = f"not a file of the kind {kind.noun}"
    elif not inside:
        problem = NO_CLASS
    return LabelledFile(entry.path, entry.size, label, split, problem)
