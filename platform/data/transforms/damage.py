"""The one way to say that a stored sample cannot be used."""


class DamagedSample(Exception):
    """One sample that cannot be used; the stream counts it and puts another in its place.

    Args:
        key: name of the sample, as reports give it.
        reason: why, in words that make a good key to count by.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)  # both in `args`, so that pickling keeps both
        self.key = key
        self.reason = reason
