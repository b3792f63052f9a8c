"""Numbers as people read them: one function a kind, used wherever the command line shows one.

None is what nobody measured and reads as a dash.
"""

ABSENT = "–"
_WHOLE_FROM = 1000
_TENTHS_BELOW = 9.95  # what is 10.0 in tenths is 10
_HUGE = 1e15  # nobody counts that many digits


def format_probability(value: float | None) -> str:
    """A class's probability, of 1: three decimals, for nobody acts on the fourth.

    >>> format_probability(0.8129), format_probability(5.091e-28)
    ('0.813', '0.000')
    """
    return _fixed(value, 3)


def format_score(value: float | None) -> str:
    """A metric of held-out data: four decimals, one sample in ten thousand; no exponents.

    >>> format_score(0.98611), format_score(5.091e-28), format_score(23456.7)
    ('0.9861', '0.0000', '23,457')
    """
    return _fixed(value, 0 if value is not None and abs(value) >= _WHOLE_FROM else 4)


def format_loss(value: float | None) -> str:
    """A loss, a learning rate, or any number whose size says something: four significant digits.

    >>> format_loss(2.30259), format_loss(1e-5), format_loss(12345.6)
    ('2.303', '1e-05', '12,346')
    """
    if value is not None and not _WHOLE_FROM <= abs(value) < _HUGE:
        return f"{value:.4g}"
    return _fixed(value, 0)


def format_metric(name: str, value: float | None) -> str:
    """A metric by its name: a loss as `format_loss`, every other one as `format_score`.

    >>> format_metric("test/loss", 1e-5), format_metric("test/top1", 1e-5)
    ('1e-05', '0.0000')
    """
    return format_loss(value) if is_loss(name) else format_score(value)


def format_difference(name: str, value: float | None) -> str:
    """How far a metric is from another run's, with its sign; digits as `format_metric`.

    >>> format_difference("test/top1", -0.01234), format_difference("train/loss", 1e-5)
    ('-0.0123', '+1e-05')
    """
    if value is None:
        return ABSENT
    return f"{value:+.4g}" if is_loss(name) or abs(value) >= _WHOLE_FROM else f"{value:+.4f}"


def format_seconds(value: float | None) -> str:
    """A length of time in seconds: tenths.

    >>> format_seconds(0.04), format_seconds(4321.98)
    ('0.0', '4,322.0')
    """
    return _fixed(value, 1)


def format_ms(value: float | None) -> str:
    """A length of time in milliseconds: tenths.

    >>> format_ms(12.345)
    '12.3'
    """
    return _fixed(value, 1)


def format_share(value: float | None) -> str:
    """A share of something, from 0 to 1, in percent.

    >>> format_share(0.1234)
    '12.3%'
    """
    return ABSENT if value is None else f"{value:.1%}"


def format_rate(value: float | None) -> str:
    """How often a second: tenths below ten, whole ones from there on.

    >>> format_rate(1.25), format_rate(9.96), format_rate(12345.6)
    ('1.2', '10', '12,346')
    """
    return _fixed(value, 1 if value is not None and abs(value) < _TENTHS_BELOW else 0)


def format_mean(value: float | None) -> str:
    """A mean of counts, of a batch's requests say: tenths.

    >>> format_mean(12.34)
    '12.3'
    """
    return _fixed(value, 1)


def format_megabytes(count: int | None) -> str:
    """Bytes on a disk.

    >>> format_megabytes(1_234_567)
    '1.2 MB'
    """
    return ABSENT if count is None else f"{_fixed(count / 1e6, 1)} MB"


def format_mebibytes(count: int | None) -> str:
    """Bytes in memory.

    >>> format_mebibytes(3 * 2**20)
    '3 MiB'
    """
    return ABSENT if count is None else f"{_fixed(count / 2**20, 0)} MiB"


def is_loss(name: str) -> bool:
    """Whether a metric of that name is a loss or a rate of learning, which may be tiny."""
    last = name.rpartition("/")[2]
    return "loss" in last or last == "learning_rate"


def _fixed(value: float | None, decimals: int) -> str:
    if value is None:
        return ABSENT
    return f"{value:,.{decimals}f}" if not abs(value) >= _HUGE else f"{value:.4g}"
