"""What killed ingests leave half written goes: at the next ingest, or by `striate data clean`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import boto3
import pytest

from striate.cli.main import main
from striate.core.errors import DataError, PlatformError
from striate.data.ingest.ingest import IngestReport, ingest
from striate.data.ingest.leftovers import clean
from striate.data.shards.verify import verify
from striate.data.storage import Target

pytestmark = pytest.mark.unit

SHARD_MB = 0.1
PART = 6 << 20  # bytes: the least that S3 takes as a part which is not the last is 5 MiB
# Killed when the shard of that number has begun to go: its first parts are in the bucket.
KILLED = f"""
import os, signal, sys
from striate.data.ingest.ingest import ingest
from striate.data.storage import Target
write, calls = Target._write_remote, 0
def dying(self, path, content):
    global calls
    calls += path.endswith(".arrow")
    if calls == int(sys.argv[1]):
        with self._system.open_output_stream(path, compression=None) as file:
            file.write(bytes({2 * PART}))
            file.flush()  # waits until these parts have arrived
            os.kill(os.getpid(), signal.SIGKILL)
    write(self, path, content)
Target._write_remote = dying
ingest("digits", *sys.argv[2:], shard_mb={SHARD_MB})
"""


class Server(Protocol):
    """What these tests need of the S3 server."""

    port: int

    def bucket(self) -> str: ...

    def uri(self, bucket: str, prefix: str = "") -> str: ...

    def refuse(self, refusing: bool) -> None: ...


class Bucket:
    """A bucket seen by boto3, and a place in it for shards."""

    def __init__(self, server: Server) -> None:
        place, _, query = server.bucket().partition("?")
        self.name = place.removeprefix("s3://")
        self.query = query
        self.shards = self.uri("shards/digits")
        self.port = server.port
        self.client = self.service("s3")

    def service(self, name: str) -> Any:
        """boto3's client of a service of the same server."""
        return boto3.client(
            name,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def uri(self, prefix: str) -> str:
        return f"s3://{self.name}/{prefix}?{self.query}"

    def begin(self, key: str) -> None:
        """An upload of one part that nobody completes."""
        named = {"Bucket": self.name, "Key": key}
        upload = self.client.create_multipart_upload(**named)["UploadId"]
        self.client.upload_part(**named, UploadId=upload, PartNumber=1, Body=bytes(PART))

    def unfinished(self) -> list[str]:
        """Keys of the uploads that are not completed, and billed."""
        found = self.client.list_multipart_uploads(Bucket=self.name)
        return sorted(upload["Key"] for upload in found.get("Uploads", ()))

    def abort(self, key: str) -> None:
        """What another process's sweep does."""
        for upload in self.client.list_multipart_uploads(Bucket=self.name)["Uploads"]:
            if upload["Key"] == key:
                self.client.abort_multipart_upload(
                    Bucket=self.name, Key=key, UploadId=upload["UploadId"]
                )


@pytest.fixture
def bucket(s3: Server) -> Bucket:
    """A new, empty bucket."""
    return Bucket(s3)


def kill_at(shard: int, source: Path, target: str) -> None:
    """Ingest, and die by SIGKILL in the middle of that shard's upload."""
    arguments = [str(shard), str(source), target]
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL


def test_uploads_of_two_killed_ingests_are_aborted_by_the_next(
    bucket: Bucket, digits_source: Path
) -> None:
    kill_at(2, digits_source, bucket.shards)
    kill_at(3, digits_source, bucket.shards)
    left = bucket.unfinished()
    assert len(left) == 2
    bucket.begin("shards/digits-too/train-00000.arrow")  # another target's
    bucket.begin("shards/digits/other/train-00000.arrow")
    report = ingest("digits", digits_source, bucket.shards, shard_mb=SHARD_MB)
    assert bucket.unfinished() == [
        "shards/digits-too/train-00000.arrow",
        "shards/digits/other/train-00000.arrow",
    ]
    assert (report.swept.count, report.swept.unknown) == (2, "")
    assert report.swept.bytes >= 2 * PART
    assert verify(bucket.shards).splits == {"train": 1437, "test": 360}


def test_an_upload_that_began_after_the_ingest_is_left_alone(
    bucket: Bucket, digits_source: Path
) -> None:
    """It may be that of another ingest into the same target."""
    key = "shards/digits/train-00003.arrow"

    def begin(done: int, total: int) -> None:
        if done == total:
            bucket.begin(key)

    ingest("digits", digits_source, bucket.shards, shard_mb=SHARD_MB, progress=begin)
    assert bucket.unfinished() == [key]


def test_clean_aborts_what_lies_below_the_target_and_says_how_much(
    bucket: Bucket, digits_source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kill_at(2, digits_source, bucket.shards)
    kill_at(2, digits_source, bucket.shards)
    bucket.begin("shards/digits-too/train-00000.arrow")
    held = len(bucket.unfinished())
    main(["data", "clean", bucket.shards, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["removed"], report["kept"]) == (held - 1, 0)
    assert report["bytes"] >= (held - 1) * PART
    assert "testing" not in report["target"]
    assert bucket.unfinished() == ["shards/digits-too/train-00000.arrow"]
    main(["data", "clean", bucket.uri("shards")])
    assert "1 half-written file removed (6.3 MB)." in capsys.readouterr().out
    assert bucket.unfinished() == []
    main(["data", "clean", bucket.uri("shards")])
    assert "0 half-written files removed" in capsys.readouterr().out


def test_clean_keeps_what_is_young(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    bucket.begin("shards/digits/train-00000.arrow")
    began = bucket.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"][0]["Initiated"]
    target, began_s = Target.of(bucket.shards), began.timestamp()
    report = clean(target, now_s=began_s + 59 * 60)
    assert (report.removed, report.kept) == (0, 1)
    assert clean(target, now_s=began_s + 61 * 60).removed == 1
    bucket.begin("shards/digits/train-00000.arrow")
    assert clean(target, older_than_minutes=0, now_s=began_s - 5).removed == 1


def test_a_shard_whose_upload_another_process_aborts_is_written_again(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, content = Target.of(bucket.shards), bytes(20 << 20)
    aborted: list[str] = []

    class Stream:
        """Arrow's stream; the first one's upload is aborted when its parts have arrived."""

        def __init__(self, stream: Any, path: str) -> None:
            self.stream, self.path = stream, path

        def __enter__(self) -> "Stream":
            return self

        def __exit__(self, *raised: object) -> None:
            self.stream.close()

        def write(self, content: bytes) -> None:
            self.stream.write(content)
            self.stream.flush()
            if not aborted:
                aborted.append(self.path)
                bucket.abort("shards/digits/train-00000.arrow")

    class System:
        """Arrow's file system with such streams."""

        def __init__(self, system: Any) -> None:
            self.system = system

        def __getattr__(self, name: str) -> Any:
            return getattr(self.system, name)

        def open_output_stream(self, path: str, **options: Any) -> Stream:
            return Stream(self.system.open_output_stream(path, **options), path)

    monkeypatch.setattr(target, "_system", System(target._system))
    target.write("train-00000.arrow", content)
    assert len(aborted) == 1
    assert target.read("train-00000.arrow") == content
    assert bucket.unfinished() == []


def test_a_file_that_another_ingest_sweeps_in_the_making_is_written_again(
    digits_source: Path, many_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins while the first one's shard is half written, and ends before it."""
    target, sync = tmp_path / "shards", os.fsync
    others: list[IngestReport] = []

    def fsync(descriptor: int) -> None:
        if not others and list(target.glob(".tmp-*")):
            monkeypatch.setattr("os.fsync", sync)
            others.append(ingest("digits", digits_source, target, shard_mb=SHARD_MB))
        sync(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    first = ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    assert [(other.sha256, other.swept.count) for other in others] == [(first.sha256, 1)]
    found = {path.name: path.read_bytes() for path in target.iterdir()}
    assert found == {path.name: path.read_bytes() for path in many_shards.iterdir()}


def test_clean_removes_temporaries_of_a_folder_and_no_shard(
    digits_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "shards"
    ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    names = {path.name for path in target.iterdir()}
    (target / ".ingest").mkdir()
    half = [target / ".tmp-0123456789ab-train-00000.arrow", target / ".ingest" / ".tmp-0-a.json"]
    for file in half:
        file.write_bytes(bytes(500))
    main(["data", "clean", str(target)])
    captured = capsys.readouterr()
    assert "0 half-written files removed" in captured.out
    assert "Kept 2 younger than 60 minutes" in captured.err
    os.utime(half[0], (0, 0))
    main(["data", "clean", str(target), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["removed"], report["bytes"], report["kept"]) == (1, 500, 1)
    main(["data", "clean", str(target), "--older-than", "0"])
    assert not any(file.exists() for file in half)
    (target / ".ingest").rmdir()
    assert {path.name for path in target.iterdir()} == names


def test_without_boto3_an_ingest_says_so_and_goes_on(
    bucket: Bucket,
    digits_source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    main(["data", "ingest", "digits", str(digits_source), bucket.shards])
    said = capsys.readouterr().err
    assert "boto3, which is not installed. Install striate[stores]." in said
    assert "testing" not in said
    assert verify(bucket.shards).splits == {"train": 1437, "test": 360}
    with pytest.raises(PlatformError, match=r"boto3, which is not installed.*striate\[stores\]"):
        clean(Target.of(bucket.shards))


def lost(server: Server) -> str:
    return server.uri("gone", "/shards")


def away(server: Server) -> str:
    del server
    return "s3://bucket/shards?endpoint_override=127.0.0.1:1&scheme=http&access_key=a&secret_key=b"


@pytest.mark.parametrize(
    ("where", "says"), [(lost, "bucket that does not exist"), (away, "does not answer")]
)
def test_a_place_that_cannot_be_cleaned_is_said(
    s3: Server, where: Callable[[Server], str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(PlatformError, match=says) as caught:
        clean(Target.of(where(s3)))
    assert "testing" not in str(caught.value)
    with pytest.raises(DataError, match="There is no folder"):
        clean(Target.of(tmp_path / "absent"))


DENIED = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:ListBucketMultipartUploads", "Resource": "*"},
    ],
}


def test_keys_without_the_right_to_list_uploads_stop_no_ingest(
    s3: Server, bucket: Bucket, digits_source: Path
) -> None:
    iam = bucket.service("iam")
    iam.create_user(UserName="writer")
    iam.put_user_policy(UserName="writer", PolicyName="writes", PolicyDocument=json.dumps(DENIED))
    keys = iam.create_access_key(UserName="writer")["AccessKey"]
    uri = bucket.shards.replace("access_key=testing", f"access_key={keys['AccessKeyId']}")
    uri = uri.replace("secret_key=testing", f"secret_key={quote(keys['SecretAccessKey'], '')}")
    s3.refuse(True)  # from now on rights count
    try:
        report = ingest("digits", digits_source, uri, shard_mb=SHARD_MB)
        with pytest.raises(PlatformError, match=r"AccessDenied.*s3:AbortMultipartUpload"):
            clean(Target.of(uri))
    finally:
        s3.refuse(False)
    assert "AccessDenied" in report.swept.unknown
    assert keys["SecretAccessKey"] not in report.swept.unknown
    assert verify(bucket.shards).splits == {"train": 1437, "test": 360}
