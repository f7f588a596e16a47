"""How quantities and names are written for people."""

from __future__ import annotations

import re


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


def shortened(name: str) -> str:
    """A name as it fits a legend: one that is too long loses its middle."""
    return name if len(name) <= 30 else f"{name[:14]} … {name[-13:]}"


def public(name: str) -> str:
    """A corpus's name without the folders it lies in; a name on a hub stays whole."""
    prefix, name = ("hf:", name[3:]) if name.startswith("hf:") else ("", name)
    if prefix and re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?(:[^:/\\]+)?", name):
        return prefix + name
    files = (re.split(r"[/\\]", part.rstrip("/\\"))[-1] for part in name.split(" + "))
    return prefix + " + ".join(files)


_CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # all that have Bidi_Control


def visible(text: str, directions: bool = True) -> str:
    """A stranger's text with what a terminal would obey spelled out, `\\x1b`; a tab is a space.

    Args:
        directions: also spell out what changes the direction of the text after it, `\\u202e`; not
            needed where each line is kept to itself.
    """
    acting = f"[{_CONTROLS}{_DIRECTIONS if directions else ''}]"
    return re.sub(acting, _spelled, text.replace("\t", " "))


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
