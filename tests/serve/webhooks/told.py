"""Processes that tell what they see and are killed at random moments; run by test_webhook_kill.py.

    python told.py STORE CONFIG KILLS SEED

It prints the id of each event that was acknowledged to one of them.
"""

import os
import random
import signal
import sys
import time

from striate.serve.identities.store import IdentityStore
from striate.serve.webhooks.config import Webhooks
from striate.serve.webhooks.sender import WebhookSender
from striate.serve.webhooks.sightings import Sighting


def tell_for_ever(store: str, config: str) -> None:
    """Tell of three faces at a time, and print their ids when they are on the disk."""
    sender = WebhookSender(IdentityStore.open(store), Webhooks.model_validate_json(config), "faces")
    while True:
        seen = [Sighting("ours", "unknown", f"photo {number}") for number in range(3)]
        sender.tell(seen).result()
        os.write(1, "".join(f"{one.event}\n" for one in seen).encode())


if __name__ == "__main__":
    rng = random.Random(sys.argv[4])
    for _ in range(int(sys.argv[3])):
        child = os.fork()  # before any thread
        if not child:
            tell_for_ever(sys.argv[1], sys.argv[2])
        time.sleep(rng.uniform(0.1, 0.8))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
