"""How translations are written, one line or several for each line read, and read again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from nmt.alignment import coverage, subword_links, word_links
from nmt.choices import AlignmentUnit, Format
from nmt.corpus import Pair, read_lines
from nmt.errors import CorpusError
from nmt.search import Hypothesis
from nmt.subwords import Vocabulary
from nmt.suspect import reasons
from nmt.translate import Candidate, Translation


@dataclass(frozen=True)
class Layout:
    """How the translations of a line are written."""

    form: Format = "text"
    best: int = 1  # candidates written for each line
    align: AlignmentUnit = "none"  # with tsv and jsonl
    flag_below: float | None = None  # a score; tsv gets a column of what is suspect

    def lines(self, translation: Translation) -> list[str]:
        """What is written for one line of input."""
        if self.form == "jsonl":
            return [json.dumps(self._record(translation), ensure_ascii=False)]
        # Exactly `best` candidates, so that every line of input has as many lines of output.
        candidates = [*translation.candidates[: self.best]]
        candidates += [Candidate("", -math.inf, -math.inf)] * (self.best - len(candidates))
        if self.form == "text":
            return [candidate.text for candidate in candidates]
        return ["\t".join(self._fields(translation.source, each)) for each in candidates]

    def _fields(self, source: str, candidate: Candidate) -> list[str]:
        """Translation, score, and what else is asked for."""
        fields = [candidate.text.replace("\t", " "), f"{candidate.score:.4f}"]
        if self.align != "none":
            fields.append(self._alignment(candidate))
        if self.flag_below is not None:
            fields.append(" ".join(self._suspect(source, candidate)))
        return fields

    def _record(self, translation: Translation) -> dict[str, object]:
        """One object for each line of input, its further candidates within."""
        candidates = [
            self._facts(translation.source, candidate)
            for candidate in translation.candidates[: self.best]
        ]
        record: dict[str, object] = {"source": translation.source, **candidates[0]}
        return record | ({"candidates": candidates} if self.best > 1 else {})

    def _facts(self, source: str, candidate: Candidate) -> dict[str, object]:
        facts: dict[str, object] = {
            "translation": candidate.text,
            "score": candidate.score,
            "log_probability": candidate.log_probability,
            "length_ratio": candidate.length_ratio,
            "coverage": coverage(candidate.attention) if candidate.attention else None,
            "suspect": self._suspect(source, candidate),
        }
        if candidate.features:
            facts["features"] = dict(candidate.features)
        return facts | ({} if self.align == "none" else {"alignment": self._alignment(candidate)})

    def _suspect(self, source: str, candidate: Candidate) -> list[str]:
        """Why a person should look at it."""
        found = reasons(source, candidate.text)
        if candidate.truncated:
            found.append("truncated")
        if self.flag_below is not None and candidate.score < self.flag_below:
            found.append("score")
        return found

    def _alignment(self, candidate: Candidate) -> str:
        """As Pharaoh wrote it: `0-0 1-2`, source first."""
        links_of = word_links if self.align == "words" else subword_links
        links = links_of(candidate.attention)
        return " ".join(f"{source}-{target}" for source, target in links)


@dataclass(frozen=True)
class ScoreLayout:
    """How the scores of known translations, or of lines, are written."""

    form: Format = "text"
    tokens: bool = False  # the log-probability of each subword too
    one_sided: bool = False  # whether it is text that was scored, and there are no sources

    def line(self, pair: Pair, found: Hypothesis, vocabulary: Vocabulary) -> str:
        """What is written for a pair, or a line."""
        each = []
        if self.tokens:
            pieces = [*vocabulary.target.pieces(found.ids), "</s>"]
            each = list(zip(pieces, found.token_log_probabilities, strict=True))
        if self.form == "jsonl":
            text = {"text": pair.target} if self.one_sided else pair._asdict()
            record: dict[str, object] = {
                **text,
                "score": found.score,
                "log_probability": found.log_probability,
            }
            return json.dumps(record | ({"tokens": each} if each else {}), ensure_ascii=False)
        fields = [f"{found.log_probability:.4f}"]
        fields += [f"{found.score:.4f}"] if self.form == "tsv" else []
        fields += [" ".join(f"{piece}:{chance:.4f}" for piece, chance in each)] if each else []
        return "\t".join(fields)


# --- read again ---------------------------------------------------------------------------------


def candidates_of(file: Path, sources: Path | None) -> Iterator[Pair]:
    """What `nmt translate` wrote, read again: each line with each of its candidates, in order.

    Args:
        file: jsonl, or tsv or text with as many candidates for each line of `sources`.

    Raises:
        CorpusError: it cannot be read, or the two do not belong together.
    """
    if file.suffix == ".jsonl":
        if sources:
            raise CorpusError("holds its sources itself", f"leave {sources} out", path=file)
        for number, line in enumerate(read_lines(file), 1):
            yield from _candidates_in(line, file, number)
        return
    if sources is None:
        raise CorpusError(
            "does not hold its sources", "name the file of lines that were translated", path=file
        )
    lines, found = list(read_lines(sources)), list(read_lines(file))
    each = len(found) // len(lines) if lines else 0
    if len(lines) * each != len(found) or not each:
        raise CorpusError(
            f"has {len(found)} lines for the {len(lines)} of {sources}",
            "it must have the same number of candidates for each line",
            path=file,
        )
    for number, line in enumerate(found):
        yield Pair(lines[number // each], line.partition("\t")[0])


def _candidates_in(line: str, file: Path, number: int) -> Iterator[Pair]:
    try:
        record = json.loads(line)
        texts = [each["translation"] for each in record.get("candidates", [record])]
        pairs = [Pair(record["source"], text) for text in texts]
        if not pairs or not all(isinstance(text, str) for pair in pairs for text in pair):
            raise TypeError
        "".join(chain.from_iterable(pairs)).encode()  # half of a surrogate pair is no text
    except (ValueError, LookupError, TypeError, AttributeError):
        raise CorpusError(
            "is nothing that nmt translate --format jsonl wrote",
            "each line is an object with source, and translation or candidates",
            path=file,
            line=number,
        ) from None
    yield from pairs
