"""Places to read from and write to: a local folder, or any URI of ``pyarrow.fs``.

``s3://``, ``gs://`` and ``hdfs://`` work alike. A bucket's endpoint, region and keys stand in the
URI's query (``?endpoint_override=…&region=…&scheme=http&access_key=…&secret_key=…``), or in the
usual AWS variables, which Arrow reads for itself.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self, cast
from urllib.parse import parse_qsl

from pyarrow import fs

from striate.core.errors import DataError, PlatformError, UsageError
from striate.core.files import explain_full_disk, is_temporary, temporary_beside, write_atomic

OBJECT_STORES = ("s3", "gcs")
_S3_KEYS = {"access_key", "secret_key", "session_token"}  # Arrow's own URIs do not take them
_USER = re.compile(r"//[^/@]*@")  # keys may stand there, too
# The upload is gone, or the store has an error of its own (500), after which S3 wants a new one.
_LOST_UPLOAD = re.compile("NO_SUCH_UPLOAD|NoSuchUpload|INTERNAL_FAILURE")
_REWRITES = 3
_SHARED_FOLDER = (errno.ENOENT, errno.ENOTEMPTY)
_SWITCHES = {"true": True, "false": False}
_REFUSALS = {
    "NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist": (
        "lies in a bucket that does not exist",
        "Create the bucket, or name another; what was finished is kept.",
    ),
    "ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT|SIGNATURE|TOKEN|EXPIRED|PERMISSION_DENIED"
    "|UNAUTHENTICATED|Permission denied": (
        "refuses the credentials",
        "Check its rights, and the keys in the address or in AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY.",
    ),
    "NETWORK_CONNECTION|TIMEOUT|timed out|UNAVAILABLE|SLOW_DOWN|Connection refused": (
        "does not answer",
        "Check the address and its endpoint, then run the command again.",
    ),
}
SCHEMES = ("file", "s3", "gs", "gcs", "hdfs", "viewfs")


def _check_text(place: str) -> None:
    """Refuse bytes of a path that are no text, which Arrow cannot name."""
    try:
        place.encode()
    except UnicodeEncodeError:
        raise UsageError(f"The path {place!r} is not UTF-8.", "Rename it.") from None


@dataclass(frozen=True)
class ListedFile:
    """One entry of a listing.

    Attributes:
        path: relative to the source, ``/`` between its parts.
        is_dir: whether it is a folder.
        size: in bytes.
        modified_s: when it was written, in seconds since 1970; 0 where the place does not say.
    """

    path: str
    is_dir: bool
    size: int
    modified_s: float = 0.0


class Source:
    """A folder or bucket prefix to read from; made by `Source.of`.

    Paths given to its methods are relative to it, with ``/`` between their parts.

    Attributes:
        uri: what it was made from; may hold keys, so it is for workers and never for people.
        name: the same without keys and query, for messages.
        local: the folder, or None for a remote place.
    """

    def __init__(self, uri: str, name: str, system: fs.FileSystem, root: str) -> None:
        self.uri = uri
        self.name = name
        self.local = Path(root) if isinstance(system, fs.LocalFileSystem) else None
        self._system = system
        self._root = root.rstrip("/") or "/"

    @classmethod
    def of(cls, place: "str | Path | Source") -> Self:
        """The place that a path or a URI names.

        Raises:
            UsageError: no such kind of place, or a URI that cannot be read.
            PlatformError: the place does not answer.
        """
        if isinstance(place, Source):
            return cls(place.uri, place.name, place._system, place._root)
        _check_text(str(place))
        scheme, separator, _ = str(place).partition("://")
        if not separator:
            path = str(Path(place).expanduser().absolute())
            return cls(path, path, fs.LocalFileSystem(), path)
        if scheme not in SCHEMES:
            known = ", ".join(f"{known}://" for known in SCHEMES)
            raise UsageError(
                f"There is no storage of the kind {scheme}://.",
                f"Give a folder, or one of {known}.",
            )
        system, root = _connect(str(place))
        name = root if scheme == "file" else f"{scheme}://{root}"
        return cls(str(place), name, system, root)

    def __str__(self) -> str:
        return self.name

    def named(self, relative: str = "") -> str:
        """A path in it, for messages."""
        return f"{self.name.rstrip('/')}/{relative}" if relative else self.name

    def within(self, relative: str) -> "Source":
        """A folder in it as a source of its own."""
        shown, _, query = self.uri.partition("?")
        uri = f"{shown.rstrip('/')}/{relative}" + (f"?{query}" if query else "")
        return Source(uri, self.named(relative), self._system, self._path(relative))

    def open(self, relative: str) -> BinaryIO:
        """A file, open for reading at any place in it.

        Raises:
            DataError: there is no such file.
            PlatformError: the place does not answer or refuses.
        """
        if self.local is not None:
            with explain_storage_error(self.named(relative)):
                return (self.local / relative).open("rb")
        with explain_storage_error(self.named(relative)):
            return cast(BinaryIO, self._system.open_input_file(self._path(relative)))

    def read(self, relative: str) -> bytes:
        """The content of a file.

        Raises:
            DataError: there is no such file.
            PlatformError: the place does not answer or refuses.
        """
        with explain_storage_error(self.named(relative)), self.open(relative) as file:
            return file.read()

    def exists(self, relative: str = "") -> bool:
        """Whether there is a file or folder of that name."""
        return bool(self._info(relative).type != fs.FileType.NotFound)

    def is_dir(self, relative: str = "") -> bool:
        """Whether there is a folder, or a prefix of objects, of that name."""
        return bool(self._info(relative).type == fs.FileType.Directory)

    def size(self, relative: str) -> int:
        """Bytes of a file.

        Raises:
            DataError: there is no such file.
        """
        info = self._info(relative)
        if info.type != fs.FileType.File:
            raise DataError(f"There is no file {self.named(relative)}.")
        return int(info.size)

    def list(self, relative: str = "", recursive: bool = False) -> list[ListedFile]:
        """What a folder holds, sorted by path.

        Raises:
            DataError: there is no such folder.
            PlatformError: the place does not answer or refuses.
        """
        selector = fs.FileSelector(self._path(relative), recursive=recursive)
        with explain_storage_error(self.named(relative), "folder"):
            found = self._system.get_file_info(selector)
        skip = len(self._root.rstrip("/")) + 1
        return sorted((_listed(info, skip) for info in found), key=lambda entry: entry.path)

    def _info(self, relative: str) -> fs.FileInfo:
        with explain_storage_error(self.named(relative)):
            return self._system.get_file_info(self._path(relative))

    def _path(self, relative: str) -> str:
        return f"{self._root.rstrip('/')}/{relative}" if relative else self._root


class Target(Source):
    """A folder or bucket prefix to write to as well.

    A file appears whole or not at all: by renaming on a file system, and on an object store
    because an object is not seen before its upload is completed.
    """

    def write(self, relative: str, content: bytes | memoryview) -> None:
        """Write a file, in place of any of that name.

        What is half written another process may take for a leftover and remove; it is then
        written again.

        Raises:
            PlatformError: the disk is full, or the place is lost or refuses; the old content stays.
        """
        name = self.named(relative)
        with explain_storage_error(name):
            for _ in range(_REWRITES):
                try:
                    return self._write(relative, content)
                except OSError as error:
                    if not (
                        isinstance(error, FileNotFoundError) or _LOST_UPLOAD.search(str(error))
                    ):
                        raise
            return self._write(relative, content)

    def check(self) -> None:
        """Ask whether the place answers and, where it is a bucket, exists.

        Raises:
            PlatformError: the place is lost, does not answer, or refuses.
        """
        if self.local is None:
            with suppress(DataError):  # an empty prefix is none
                self.list()

    def remove(self, relative: str) -> None:
        """Remove a file, if there is one."""
        with explain_storage_error(self.named(relative)):
            if self.exists(relative):
                with suppress(FileNotFoundError):  # another process was faster
                    self._system.delete_file(self._path(relative))

    def remove_folder(self, relative: str) -> None:
        """Remove a folder and what it holds, if there is one.

        What another process removes or writes there meanwhile is no error; what it writes stays.
        """
        with explain_storage_error(self.named(relative), "folder"):
            if self.exists(relative):
                try:
                    self._system.delete_dir(self._path(relative))
                except OSError as error:
                    if error.errno not in _SHARED_FOLDER:
                        raise

    def temporaries(self, relative: str = "") -> list[ListedFile]:
        """Files in a folder itself that are being written, or that an end cut off."""
        try:
            entries = self.list(relative)
        except DataError:
            return []  # there is no such folder yet
        files = [entry for entry in entries if not entry.is_dir]
        return [entry for entry in files if is_temporary(PurePosixPath(entry.path))]

    def _write(self, relative: str, content: bytes | memoryview) -> None:
        if self.local is not None:
            return write_atomic(self.local / relative, content)
        self._write_remote(self._path(relative), content)
        if self._system.get_file_info(self._path(relative)).size != len(content):
            name = self.named(relative)
            raise PlatformError(f"{name} was not stored whole.", "Run the command again.")
        return None

    def _write_remote(self, path: str, content: bytes | memoryview) -> None:
        if self._system.type_name in OBJECT_STORES:
            with self._system.open_output_stream(path, compression=None) as file:
                file.write(content)
            return
        temporary = str(temporary_beside(PurePosixPath(path)))
        self._system.create_dir(str(PurePosixPath(path).parent), recursive=True)
        with self._system.open_output_stream(temporary, compression=None) as file:
            file.write(content)
        self._system.move(temporary, path)


def _listed(info: fs.FileInfo, skip: int) -> ListedFile:
    is_dir = info.type == fs.FileType.Directory
    written_s = (info.mtime_ns or 0) / 1e9
    return ListedFile(info.path[skip:], is_dir, int(info.size or 0), written_s)


@contextmanager
def explain_storage_error(name: str, kind: str = "file") -> Iterator[None]:
    """Turn what a storage says into one sentence that names the place."""
    try:
        with explain_full_disk(Path(name)):
            yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise DataError(f"There is no {kind} {name}.") from None
    except OSError as error:
        raise _refusal(name, error) from error


def _refusal(name: str, error: OSError) -> PlatformError:
    text = str(error)
    for pattern, (what, remedy) in _REFUSALS.items():
        if re.search(pattern, text):
            return PlatformError(f"{name} {what}.", remedy)
    return PlatformError(f"{name} cannot be read or written: {error.strerror or text}.")


def _connect(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system and the path in it that a URI names."""
    address, _, query = uri.partition("?")
    shown = _USER.sub("//", address)
    options = {name: _SWITCHES.get(value, value) for name, value in parse_qsl(query)}
    try:
        if address.startswith("s3://") and options.keys() & _S3_KEYS:
            return fs.S3FileSystem(**options), shown.removeprefix("s3://")
        return cast("tuple[fs.FileSystem, str]", fs.FileSystem.from_uri(uri))
    except (ValueError, TypeError) as error:
        said_of_it = str(error).replace(uri, shown)  # no keys in messages
        raise UsageError(f"The address {shown} cannot be used: {said_of_it}.") from None
    except OSError as error:
        raise _refusal(shown, error) from error
