"""A predictor that decodes nothing and answers at once: what is left is the cost of the path.

It is deployed as the application ``echo``, to measure a cluster, an edge or a client by itself.
"""

from striate.core.errors import RequestError
from striate.serve.tags import Tag, TagRequest

LABEL = "echo"
_ANSWER = (Tag(LABEL, 0, 1.0),)


class EchoPredictor:
    """Answers every photo with the one label ``echo``, whatever its bytes are."""

    def answer(self, request: TagRequest) -> list[Tag]:
        """The label ``echo`` with score 1.

        Raises:
            RequestError: the request has no bytes.
        """
        if not len(request.image):
            raise RequestError("The request holds no image.", "Send the bytes of a PNG or JPEG.")
        return list(_ANSWER)
