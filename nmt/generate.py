"""Lines that a language model writes: drawn subword by subword, freely or from a beginning."""

from __future__ import annotations

from collections.abc import Iterator

from nmt.constraints import Beginning, Guide, Speller
from nmt.engine import Engine
from nmt.errors import NmtError
from nmt.search import Sampling, SearchOptions
from nmt.subwords import Subwords

_TOGETHER = 1_000  # lines drawn at once


def generate(
    engine: Engine,
    subwords: Subwords,
    sampling: Sampling,
    count: int,
    longest: int,
    prompt: str = "",
) -> Iterator[str]:
    """Draw lines. Each follows from the seed and its number, however many there are.

    Args:
        engine: of a language model.
        longest: subwords that a line may have.
        prompt: what every line begins with, to the letter.

    Raises:
        NmtError: the prompt is no text, is more than one line, or leaves no room within `longest`.
    """
    if "\n" in prompt:
        raise NmtError("the prompt is more than one line", "give one line, or a part of one")
    if any("\ud800" <= character <= "\udfff" for character in prompt):
        raise NmtError("the prompt is not UTF-8", "give it in UTF-8")
    beginning = Beginning.of(prompt, subwords) if prompt else None
    if beginning and beginning.longest > longest:
        beginning = beginning.closed(subwords)
    if beginning and beginning.longest > longest:
        raise NmtError(
            f"the prompt has {beginning.longest} subwords, and a line at most {longest}",
            "shorten it, or raise --max-length",
        )
    guide = Guide(Speller(subwords, engine.device), beginning, ()) if beginning else None
    options = SearchOptions(beam=1, max_length=longest, max_extra=longest, sampling=sampling)
    for start in range(0, count, _TOGETHER):
        numbers = range(start, min(start + _TOGETHER, count))
        nothing, guides = [list[int]()] * len(numbers), [guide] * len(numbers)
        for found in engine.search(nothing, options, guides, [[number] for number in numbers]):
            ids = found[0].ids
            yield beginning.replaced(ids, subwords) if beginning else subwords.decode(ids)
