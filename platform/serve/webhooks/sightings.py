"""What a search saw, and the body that tells it to others."""

import datetime
import json
import secrets
import time
from dataclasses import dataclass, field

from striate.serve.webhooks.config import Kind


@dataclass(frozen=True)
class Sighting:
    """A face that a search asked after, or a photo without one.

    Attributes:
        tenant: whose search it was.
        kind: ``known``, ``unknown`` or ``no_face``.
        photo_id: what the caller calls the photo; may be empty.
        person_id: who was found; None for nobody, and for a face without a name.
        person: their name; empty likewise.
        score: of the nearest face; None where there is none.
        event: the event's id, the same at every receiver and attempt.
        at_unix_s: when.
    """

    tenant: str
    kind: Kind
    photo_id: str = ""
    person_id: int | None = None
    person: str = ""
    score: float | None = None
    event: str = field(default_factory=lambda: f"evt_{secrets.token_hex(16)}")
    at_unix_s: float = field(default_factory=time.time)

    def body(self, deployment: str) -> str:
        """The JSON document that is posted; it holds no picture, place or description.

        Args:
            deployment: the application that saw it.
        """
        moment = datetime.datetime.fromtimestamp(self.at_unix_s, datetime.UTC)
        document = {
            "type": f"face.{self.kind}",
            "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": {
                "event": self.event,
                "deployment": deployment,
                "tenant": self.tenant,
                "kind": self.kind,
                "photo_id": self.photo_id,
                "person_id": self.person_id,
                "person": self.person,
                "score": self.score,
            },
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
