"""Whole recordings as a server takes them: many at a time, each read for itself."""

from collections.abc import Sequence

from striate.core.errors import PayloadTooLarge
from striate.serve.predictors.each import answer_each
from striate.serve.predictors.speech import HeardSpeech, SpeechPredictor


class RecordingPredictor:
    """Reads recordings one after the other.

    Args:
        speech: begins to listen.
        longest_s: seconds of a recording, and of a stream.
    """

    def __init__(self, speech: SpeechPredictor, longest_s: float) -> None:
        self.speech, self.longest_s = speech, longest_s

    def answers(self, requests: Sequence[bytes]) -> list[HeardSpeech | Exception]:
        """In the order of `requests`, what is heard in each file, or why nothing is."""
        return answer_each(requests, self._read)

    def check_length(self, seconds: float) -> None:
        """Whether sound is short enough.

        Raises:
            PayloadTooLarge: it is not.
        """
        if seconds > self.longest_s:
            raise PayloadTooLarge(
                f"The sound is longer than {self.longest_s:g} s.", "Send it in shorter utterances."
            )

    def _read(self, content: bytes) -> HeardSpeech:
        samples, rate = self.speech.decode_file(content)
        self.check_length(len(samples) / rate)
        recognizer = self.speech.listen(rate)
        recognizer.accept(samples)
        return recognizer.finish()
