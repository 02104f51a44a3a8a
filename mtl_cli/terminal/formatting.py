"""Numbers and lengths of time, as a person reads them."""

import math
import textwrap


def duration(seconds: float) -> str:
    """Returns a length of time in words.

    >>> duration(4.26), duration(75), duration(4000)
    ('4.3 s', '1 min 15 s', '1 h 06 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_number(value: float) -> str:
    """Returns a number with four digits that count, grouped in thousands.

    >>> format_number(954.2671), format_number(0.0123456), format_number(5012345.6), format_number(float("nan"))
    ('954.3', '0.01235', '5,012,346', 'nan')
    """
    if not math.isfinite(value) or abs(value) < 1000:
        return f"{value:.4g}"
    return f"{value:,.0f}"


def filled(text: str, width: int, first: str = "", others: str = "") -> str:
    """Returns the text in lines, broken between words alone, which begin with these indentations."""
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
