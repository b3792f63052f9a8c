"""What NVIDIA's `tritonclient` sees of an edge; runs in a process of its own, without Striate.

Its protos have the names of ours, and two of them cannot be in one process. Usage:
``python triton_script.py ADDRESS CA TOKEN FOLDER``; the folder holds ``input.npy``,
``photo.png`` and gets ``output.npy``. Prints one JSON document.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException


def main(address: str, ca: str, token: str, folder: Path) -> None:
    """Call every method that the protocol has."""
    headers = {"authorization": f"Bearer {token}"}
    batch = np.load(folder / "input.npy")
    photo = np.array([(folder / "photo.png").read_bytes()], dtype=np.object_)
    with triton.InferenceServerClient(address, ssl=True, root_certificates=ca) as client:
        found: dict[str, Any] = {
            "live": client.is_server_live(headers),
            "ready": client.is_server_ready(headers),
            "model": client.is_model_ready("digits", headers=headers),
            "version": client.is_model_ready("digits", "7", headers=headers),
            "unknown": client.is_model_ready("digits", "8", headers=headers),
            "server": client.get_server_metadata(headers, as_json=True),
            "metadata": client.get_model_metadata("digits", headers=headers, as_json=True),
        }
        numbers = tensor("input", batch, "FP32")
        wanted = [triton.InferRequestedOutput("output"), triton.InferRequestedOutput("labels")]
        whole = client.infer("digits", [numbers], "7", wanted, request_id="mine", headers=headers)
        np.save(folder / "output.npy", whole.as_numpy("output"))
        found["id"] = whole.get_response().id
        found["labels"] = texts(whole.as_numpy("labels"))
        best = [triton.InferRequestedOutput("output", class_count=3)]
        classes = client.infer("digits", [numbers], outputs=best, headers=headers)
        found["classes"] = [texts(row) for row in classes.as_numpy("output")]
        image = tensor("image", photo, "BYTES")
        zipped = {"compression_algorithm": "gzip", "client_timeout": 20.0}
        pictures = client.infer("digits", [image], headers=headers, **zipped)
        found["photo"] = texts(pictures.as_numpy("labels"))
        found["later"] = later(client, numbers, headers)
        found["errors"] = errors(client, headers)
    print(json.dumps(found))


def tensor(name: str, array: Any, datatype: str) -> Any:
    """An input with its data."""
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def texts(array: Any) -> list[str]:
    """Elements of BYTES as text."""
    return [element.decode() for element in array.tolist()]


def later(client: Any, numbers: Any, headers: dict[str, str]) -> int:
    """How many calls of many at once are answered."""
    answered: list[Any] = []
    done = threading.Semaphore(0)

    def take(result: Any, error: Any) -> None:
        answered.append(error or result.as_numpy("output"))
        done.release()

    for _ in range(20):
        client.async_infer("digits", [numbers], take, headers=headers)
    for _ in range(20):
        done.acquire(timeout=20)
    return sum(isinstance(answer, np.ndarray) for answer in answered)


def errors(client: Any, headers: dict[str, str]) -> dict[str, str]:
    """Statuses of calls that cannot be meant."""
    wrong = tensor("input", np.zeros((1, 3, 32, 32), np.float32), "FP32")
    right = tensor("input", np.zeros((1, 1, 32, 32), np.float32), "FP32")
    calls: dict[str, Any] = {
        "shape": lambda: client.infer("digits", [wrong], headers=headers),
        "model": lambda: client.infer("letters", [right], headers=headers),
        "version": lambda: client.infer("digits", [right], "8", headers=headers),
        "metadata": lambda: client.get_model_metadata("letters", headers=headers),
        "token": lambda: client.infer("digits", [right]),
    }
    return {name: status(call) for name, call in calls.items()}


def status(call: Any) -> str:
    """The status that a call ends with."""
    try:
        call()
    except InferenceServerException as error:
        return str(error.status())
    return "OK"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
