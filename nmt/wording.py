"""How quantities are written for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """`42s`, `3m05s`, `2h07m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def counted(number: int, thing: str) -> str:
    """`1 pair`, `29,000 pairs`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def signed(number: float, digits: int) -> str:
    """`+1.25`, `−1.25`."""
    return f"{number:+.{digits}f}".replace("-", "−")
