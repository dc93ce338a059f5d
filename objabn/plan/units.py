"""Times and sizes as text, in a unit that suits."""


def duration(sec: float) -> str:
    """Write seconds in ms, s, min, h or days.

    >>> duration(0.25), duration(5400)
    ('250 ms', '90 min')
    """
    for limit, divisor, unit in ((1.0, 1e-3, "ms"), (60, 1, "s"), (7200, 60, "min"), (48 * 3600, 3600, "h")):
        if sec < limit:
            return f"{_two_digits(sec / divisor)} {unit}"
    return f"{_two_digits(sec / 86400)} days"


def size(num_bytes: float) -> str:
    """Write bytes in B, kB, MB, GB or TB.

    >>> size(18_500)
    '18 kB'
    """
    for exponent, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if num_bytes >= 0.9995 * 1000**exponent:
            return f"{_two_digits(num_bytes / 1000**exponent)} {unit}"
    return f"{num_bytes:.0f} B"


def _two_digits(value: float) -> str:
    """A number of 0.1 and more with two significant digits, or with all its digits before the point."""
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"
