"""Sentence pairs, or lines, from files, translators' formats and datasets, one after another.

Parallel text comes in many shapes and may be larger than memory, so every shape is read here as
the same stream of `Pair`s. Pairs come as they are, those with an empty side too: what is fit for
training is decided in `clean`, and this room knows of no subwords and no models. Text of one
language, for a language model, is a corpus too: its lines are targets that have no source.

To add a format, write a function from a path to pairs and enter it in `_FORMATS`.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

from nmt.errors import CorpusError, NmtError, SettingsError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Languages: TypeAlias = tuple[str, str]


class Pair(NamedTuple):
    source: str
    target: str


@dataclass(frozen=True)
class Corpus(ABC):
    """Pairs that can be read again and again, and told from any others by their fingerprint."""

    name: str  # for messages and manifests: "train.de + train.en"
    # Where known: from --langs, file names or the format itself. The source of mere text is "".
    languages: Languages | None

    @property
    def one_sided(self) -> bool:
        """Whether it is text of one language: every source is empty."""
        return False

    @abstractmethod
    def pairs(self) -> Iterator[Pair]:
        """Every pair in order, from the first one at each call."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A SHA-256 over the bytes of the inputs and whatever else decides the pairs."""

    def size(self) -> int | None:
        """Bytes of text, where the file system knows how many there are: to show progress."""
        return None


def open_corpus(arguments: Sequence[str | Path], langs: str | None = None) -> Corpus:
    """The corpus that the words of a command line name; nothing much is read yet."""
    languages = None if langs is None else _parse_langs(langs)
    words = [str(argument) for argument in arguments]
    if len(words) == 1 and words[0].startswith("hf:"):
        return _open_dataset(words[0], languages)
    if len(words) == 1:
        return _open_one_file(Path(words[0]), languages)
    if len(words) == 2 and not any(word.startswith("hf:") for word in words):
        return _open_two_files(Path(words[0]), Path(words[1]), languages)
    raise CorpusError(f"{' '.join(words) or 'nothing'}: not one corpus", _accepted())


def _accepted() -> str:
    return (
        "A corpus is two line-aligned text files (train.de train.en), "
        f"one file that holds both sides ({', '.join(_FORMATS)}), or hf:NAME."
    )


def _parse_langs(langs: str) -> Languages:
    match = re.fullmatch(r"(\w+)-(\w+)", langs)
    if not match or match[1] == match[2]:
        raise SettingsError(
            f"--langs {langs} does not name two languages as SRC-TGT",
            "Write for example --langs de-en, or --langs pt_BR-en where a region matters.",
        )
    return match[1], match[2]


def _check_file(path: Path) -> None:
    """Refuse early what cannot be read, and read again, from start to end."""
    with _telling(path):
        is_folder, exists, is_regular = path.is_dir(), path.exists(), path.is_file()
    if is_folder:
        raise CorpusError("is a folder where a file should be", _accepted(), path=path)
    if not exists:
        raise CorpusError("no such file", _CHECK, path=path)
    if not is_regular:
        message = "is not a regular file, and a corpus is read more than once"
        raise CorpusError(message, "Write what it gives to a file first.", path=path)


# ---- two line-aligned files


@dataclass(frozen=True)
class _TwoFiles(Corpus):
    source: Path
    target: Path

    def pairs(self) -> Iterator[Pair]:
        sources, targets = read_lines(self.source), read_lines(self.target)
        for before, (source, target) in enumerate(zip_longest(sources, targets)):
            if source is None:
                raise self._unequal(before, before + 1 + sum(1 for _ in targets))
            if target is None:
                raise self._unequal(before + 1 + sum(1 for _ in sources), before)
            yield Pair(source, target)

    def _unequal(self, sources: int, targets: int) -> CorpusError:
        return CorpusError(
            f"{self.source} has {sources} lines, {self.target} has {targets}",
            "Line N of one must translate line N of the other: find the line missing or too many.",
        )

    def fingerprint(self) -> str:
        return _combined([_digest(self.source), _digest(self.target)])

    def size(self) -> int | None:
        return _plain_size(self.source, self.target)


def _open_two_files(source: Path, target: Path, languages: Languages | None) -> Corpus:
    for path in (source, target):
        _check_file(path)
        if _suffix(path) in _FORMATS:
            raise CorpusError("holds both sides, so give it alone", _accepted(), path=path)
    if os.path.samefile(source, target):
        raise CorpusError("source and target are the same file", _accepted(), path=source)
    name = f"{source.name} + {target.name}"
    return _TwoFiles(name, languages or _languages_of_names(source, target), source, target)


_NO_LANGUAGES = {"src", "tgt", "trg", "ref", "txt", "tok"}  # suffixes that only look like codes


def _languages_of_names(source: Path, target: Path) -> Languages | None:
    """("de", "en") for train.de and train.en.gz."""
    codes = _language_of_name(source), _language_of_name(target)
    return codes if all(codes) and codes[0] != codes[1] else None


def _language_of_name(path: Path) -> str:
    """ "de" for train.de.gz; "" where the suffix is no language's."""
    code = _suffix(path)[1:]
    known = re.fullmatch(r"[a-z]{2,3}([_-]\w+)?", code)
    return code if known and code not in _NO_LANGUAGES else ""


def _suffix(path: Path) -> str:
    """What kind of file it is under its compression: .tsv for big.TSV.gz."""
    compressed = path.suffix.lower() in _DECOMPRESSORS
    return (Path(path.stem) if compressed else path).suffix.lower()


# ---- text of one language


@dataclass(frozen=True)
class _Text(Corpus):
    """One part after the other, whatever stands at their target side."""

    parts: Sequence[Corpus]

    @property
    def one_sided(self) -> bool:
        return True

    def pairs(self) -> Iterator[Pair]:
        return (Pair("", target) for part in self.parts for _, target in part.pairs())

    def fingerprint(self) -> str:
        return _combined(["text", *(part.fingerprint() for part in self.parts)])

    def size(self) -> int | None:
        sizes = [part.size() for part in self.parts]
        return None if None in sizes else sum(filter(None, sizes))


@dataclass(frozen=True)
class _Lines(Corpus):
    path: Path

    def pairs(self) -> Iterator[Pair]:
        return (Pair("", line) for line in read_lines(self.path))

    def fingerprint(self) -> str:
        return _digest(self.path)

    def size(self) -> int | None:
        return _plain_size(self.path)


def open_text(arguments: Sequence[str | Path], langs: str | None = None) -> Corpus:
    """The text that the words of a command line name: plain files, and of what holds two sides the
    target; several words follow each other."""
    words = [str(argument) for argument in arguments]
    if not words:
        raise CorpusError("nothing: no text", _accepted_text())
    one = langs is not None and re.fullmatch(r"\w+", langs)
    languages = ("", langs) if langs and one else _parse_langs(langs) if langs else None
    parts = [_open_part(word, languages) for word in words]
    codes = {part.languages[1] if part.languages else None for part in parts}
    code = codes.pop() if len(codes) == 1 else None
    return _Text(" + ".join(part.name for part in parts), ("", code) if code else None, parts)


def _open_part(word: str, languages: Languages | None) -> Corpus:
    if word.startswith("hf:"):
        return _open_dataset(word, languages or _ANY_TEXT)
    path = Path(word)
    _check_file(path)
    if _suffix(path) in _ROW_FORMATS:
        return _open_one_file(path, languages or _ANY_TEXT)
    if _suffix(path) in _FORMATS:
        return _open_one_file(path, languages)
    code = languages[1] if languages else _language_of_name(path)
    return _Lines(path.name, ("", code) if code else None, path)


def _accepted_text() -> str:
    return (
        "Text is plain files of one sentence a line, or what holds pairs "
        f"({', '.join(_FORMATS)}, hf:NAME), of which the target side is taken."
    )


_ANY_TEXT = ("", "")  # languages that are not known, of rows that need have no source
_ROW_FORMATS = (".jsonl", ".parquet")


# ---- bytes and lines


def split_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines end at \\n and nowhere else; a \\r before it is dropped.

    A line is given out as soon as it is whole, and no more than one is held. `stream` is a
    buffered one, such as `sys.stdin.buffer`.
    """
    for line in stream:
        yield line[:-1].removesuffix(b"\r") if line.endswith(b"\n") else line


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, plain or compressed; any BOM is dropped."""
    if path.is_dir():
        raise CorpusError("is a folder where a file should be", "Name a text file.", path=path)
    with _telling(path), _open(path) as stream:
        for number, line in enumerate(split_lines(stream), 1):
            try:
                yield (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).decode()
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, line) from error


def _not_utf8(path: Path, number: int, line: bytes) -> CorpusError:
    utf16 = line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if utf16 else "latin1"
    advice = f"Save it as UTF-8, e.g. iconv -f {encoding} -t utf-8 (-f says what it is now)."
    return CorpusError("is not UTF-8", advice, path=path, line=number)


def _open(path: Path) -> BinaryIO:
    """A file's bytes, decompressed if its suffix says so."""
    decompress = _DECOMPRESSORS.get(path.suffix.lower())
    return io.BufferedReader(decompress(path), _CHUNK) if decompress else path.open("rb")


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Whatever the system or a decompressor has against a file, told with its name."""
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise CorpusError(f"cannot be read: {error.strerror}", _CHECK, path=path) from error
        advice = f"Copy or compress it again ({error})."
        raise CorpusError("is damaged or cut off", advice, path=path) from error


_CHECK = "Check the path, and who may read it."


class _ZstdFile(io.RawIOBase):
    """A .zst file, decompressed; unlike zstandard's own reader it notices a missing end."""

    def __init__(self, path: Path) -> None:
        self._chunks = filter(None, _unzstd(path))
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _unzstd(path: Path) -> Iterator[bytes]:
    """The content of one frame after another, of which a .zst file may have several."""
    from zstandard import ZstdDecompressor, ZstdError

    try:
        with path.open("rb") as stream:
            data = stream.read(_CHUNK)
            while data:
                frame = ZstdDecompressor().decompressobj()
                while not frame.eof:
                    if not data:
                        raise EOFError("its last frame has no end")
                    yield frame.decompress(data)
                    data = frame.unused_data or stream.read(_CHUNK)
    except ZstdError as error:
        raise EOFError(str(error)) from error


_CHUNK = 1 << 14  # bytes

_DECOMPRESSORS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".xz": lzma.open,
    ".zst": _ZstdFile,
}


def _digest(path: Path) -> str:
    with _telling(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _combined(parts: object) -> str:
    """One fingerprint for all that decides the pairs; JSON keeps the parts apart."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _plain_size(*paths: Path) -> int | None:
    """The bytes of files that hold nothing but text."""
    if any(path.suffix.lower() in _DECOMPRESSORS for path in paths):
        return None
    return sum(path.stat().st_size for path in paths)


# ---- one file with both sides


@dataclass(frozen=True)
class _Format:
    read: Callable[[Path, Languages | None], Iterator[Pair]]  # the path, and --langs if given
    languages: Callable[[Path], Languages | None] = lambda path: None  # as the file itself says


@dataclass(frozen=True)
class _OneFile(Corpus):
    path: Path
    langs: Languages | None  # as asked for, where `languages` may come from the file

    def pairs(self) -> Iterator[Pair]:
        return _FORMATS[_suffix(self.path)].read(self.path, self.langs)

    def fingerprint(self) -> str:
        return _combined([_suffix(self.path), self.languages, _digest(self.path)])

    def size(self) -> int | None:
        return _plain_size(self.path) if _suffix(self.path) == ".tsv" else None


def _open_one_file(path: Path, langs: Languages | None) -> Corpus:
    _check_file(path)
    if _suffix(path) not in _FORMATS:
        advice = f"{_accepted()} A language model learns from one side: nmt train --task lm."
        raise CorpusError("does not hold both sides", advice, path=path)
    return _OneFile(path.name, langs or _FORMATS[_suffix(path)].languages(path), path, langs)


def _read_tsv(path: Path, langs: Languages | None) -> Iterator[Pair]:
    for number, line in enumerate(read_lines(path), 1):
        columns = line.split("\t") if line else ["", ""]
        if len(columns) != 2:
            message = f"has {len(columns)} tab-separated columns, not 2"
            advice = "Each line is source, TAB, target; quotes have no meaning."
            raise CorpusError(message, advice, path=path, line=number)
        yield Pair(*columns)


def _read_jsonl(path: Path, langs: Languages | None) -> Iterator[Pair]:
    for number, line in enumerate(read_lines(path), 1):
        place = f"{path}:{number}"
        if line.strip():
            yield _row_pair(_parse_row(line, place), langs, place)


def _parse_row(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"is not JSON: {error}", _ROW_ADVICE, path=place) from error
    if not isinstance(row, dict):
        raise CorpusError("is not a JSON object", _ROW_ADVICE, path=place)
    return row


_ROW_ADVICE = 'Each line is one object: {"source": "…", "target": "…"}.'


def _row_pair(row: Mapping[str, Any], langs: Languages | None, place: str) -> Pair:
    fields = {name: value if isinstance(value, dict) else () for name, value in row.items()}
    source, target = _find_sides(fields, langs, place)
    return Pair(_inside(row, source, place), _inside(row, target, place))


def _inside(row: Mapping[str, Any], side: _Side, place: str) -> str:
    return _text(reduce(lambda inside, name: inside[name], side, row), side, place) if side else ""


def _read_parquet(path: Path, langs: Languages | None) -> Iterator[Pair]:
    from datasets import load_dataset

    with _telling(path), path.open("rb"):
        pass  # a file that cannot be opened is told as such
    try:
        with _no_bars():
            rows = load_dataset("parquet", data_files=str(path), split="train", streaming=True)
        tables = rows.with_format("arrow").iter(batch_size=_ROWS)
        yield from _table_pairs(tables, langs, str(path))
    except NmtError:
        raise
    except Exception as error:
        raise CorpusError(f"is not sound Parquet: {_one_line(error)}", path=path) from error


# ---- rows of tables: JSON lines, Parquet, datasets

_ROWS = 1000  # that are in memory at a time
# Where a row keeps one side: ("source",), ("translation", "de"); () for a source that is not there.
_Side: TypeAlias = tuple[str, ...]


def _find_sides(
    fields: Mapping[str, Collection[str]], langs: Languages | None, place: str
) -> tuple[_Side, _Side]:
    """Where rows with these fields, some of which have fields inside, keep source and target."""
    inside = fields.get("translation", ())
    if langs and not langs[0]:
        return (), _find_text(fields, langs[1], place)
    if langs and set(langs) <= set(inside):
        return ("translation", langs[0]), ("translation", langs[1])
    if langs and set(langs) <= set(fields):
        return (langs[0],), (langs[1],)
    if {"source", "target"} <= set(fields):
        return ("source",), ("target",)
    raise CorpusError(
        f"has no {' and '.join(langs or ('source', 'target'))}, only {', '.join(inside or fields)}",
        "Say which two to take with --langs SRC-TGT, for example --langs de-en.",
        path=place,
    )


def _find_text(fields: Mapping[str, Collection[str]], language: str, place: str) -> _Side:
    """Where rows with these fields keep text of one language; "" stands for one not known."""
    if language in fields.get("translation", ()):
        return "translation", language
    names = [name for name in (language, "text", "target") if name in fields]
    if names:
        return (names[0],)
    raise CorpusError(
        f"has no text, only {', '.join(fields.get('translation', ()) or fields)}",
        "Say which to take with --langs, for example --langs en.",
        path=place,
    )


def _text(value: object, side: _Side, place: str) -> str:
    if value is None:
        return ""
    try:
        if isinstance(value, str) and (value.isascii() or value.encode()):
            return value
    except UnicodeEncodeError as error:  # JSON's escapes can spell what UTF-8 cannot
        raise CorpusError(f"{'.'.join(side)} has half a surrogate pair", path=place) from error
    raise CorpusError(f"{'.'.join(side)} is {type(value).__name__}, not text", path=place)


def _table_pairs(tables: Iterable[Any], langs: Languages | None, place: str) -> Iterator[Pair]:
    """Pairs from Arrow tables, each a part of one larger table."""
    for table in tables:
        sides = _find_sides(_fields(table.schema), langs, place)
        yield from map(Pair, *(_column(table, side, place) for side in sides))


def _fields(schema: Any) -> dict[str, list[str]]:
    from pyarrow.types import is_struct

    return {
        field.name: [inner.name for inner in field.type] if is_struct(field.type) else []
        for field in schema
    }


def _column(table: Any, side: _Side, place: str) -> list[str]:
    from pyarrow.compute import struct_field

    if not side:
        return [""] * len(table)
    values = table[side[0]]
    if len(side) > 1:
        values = struct_field(values, list(side[1:]))
    return [_text(value, side, place) for value in values.to_pylist()]


# ---- the translators' formats


def _read_po(path: Path, langs: Languages | None) -> Iterator[Pair]:
    """msgid to msgstr; what is not translated, or only guessed (fuzzy), has an empty target."""
    for entry in _parse_po(path):
        if entry.obsolete:
            continue
        forms = dict(entry.msgstr_plural) or {0: entry.msgstr}
        if entry.fuzzy:
            forms = {0: ""}
        yield Pair(entry.msgid, forms[min(forms)])
        if entry.msgid_plural:
            yield Pair(entry.msgid_plural, forms[max(forms)])


def _parse_po(path: Path) -> Iterable[Any]:
    import polib

    class Text(str):
        """polib splits a text into lines by itself; ours end at \\n only."""

        def splitlines(self, keepends: bool = False) -> list[str]:
            return self.split("\n")

    try:
        entries: Iterable[Any] = polib.pofile(Text("\n".join(read_lines(path))))
        return entries
    except (OSError, ValueError) as error:
        place = re.search(r"\(line (\d+)\)", str(error))
        line = int(place[1]) if place else None
        advice = "msgfmt --check says what is wrong."
        raise CorpusError("is not sound PO", advice, path=path, line=line) from error


def _read_tmx(path: Path, langs: Languages | None) -> Iterator[Pair]:
    source, target = langs or _tmx_languages(path)
    seen: set[str] = set()
    for unit, _ in _elements(path, {"tu"}):
        variants = _tmx_variants(unit)
        seen.update(variants)
        if not langs and not all(
            same_language(code, source) or same_language(code, target) for code in seen
        ):
            raise _say_langs(path, seen)
        yield Pair(_variant(variants, source), _variant(variants, target))
    for wanted in (source, target):
        if not any(same_language(code, wanted) for code in seen):
            raise _say_langs(path, seen)


def _tmx_languages(path: Path) -> Languages:
    """The header's source language and the only other one of the first unit that has another."""
    source = ""
    seen: set[str] = set()
    for element, _ in _elements(path, {"header", "tu"}):
        source = element.get("srclang", source)
        seen.update(_tmx_variants(element))
        others = {code for code in seen if not same_language(code, source)}
        if len({_primary(code) for code in others}) == 1 and len(others) < len(seen):
            return _plain(source, others.pop())
        if others:
            break
    raise _say_langs(path, seen)


def _tmx_variants(unit: Element) -> dict[str, str]:
    """What a unit says, by language code."""
    return {
        variant.get(_XML_LANG, variant.get("lang", "")): _inner_text(segment)
        for variant in reversed(unit.findall("{*}tuv"))  # of two in one language, the first wins
        for segment in variant.findall("{*}seg")
    }


_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def _read_xliff(path: Path, langs: Languages | None) -> Iterator[Pair]:
    """1.2 has trans-units and 2.x has segments; each keeps its source and target as children."""
    for unit, ancestors in _elements(path, _XLIFF_UNITS):
        found = _xliff_codes(ancestors)
        langs = langs or found
        pair = Pair(_xliff_text(unit, "source"), _xliff_text(unit, "target"))
        if same_language(found[0], langs[0]) and same_language(found[1], langs[1]):
            yield pair
        elif same_language(found[0], langs[1]) and same_language(found[1], langs[0]):
            yield Pair(pair.target, pair.source)
        else:
            raise _say_langs(path, found)


_XLIFF_UNITS = {"trans-unit", "segment"}


def _xliff_text(unit: Element, side: str) -> str:
    """The text of a unit's side; a target that waits for its translator counts as empty."""
    element = unit.find("{*}" + side)
    if element is None or (side == "target" and element.get("state") in _UNTRANSLATED):
        return ""
    return _inner_text(element)


_UNTRANSLATED = {"new", "needs-translation"}


def _xliff_languages(path: Path) -> Languages | None:
    for _, ancestors in _elements(path, _XLIFF_UNITS):
        found = _xliff_codes(ancestors)
        return _plain(*found) if all(found) else None
    return None


def _xliff_codes(ancestors: Sequence[Element]) -> Languages:
    """The languages that <file> (1.2) or <xliff> (2.x) tells; "" where it does not."""
    told = {name: code for element in ancestors for name, code in element.items()}
    source = told.get("source-language") or told.get("srcLang", "")
    return source, told.get("target-language") or told.get("trgLang", "")


def _say_langs(path: Path, codes: Iterable[str]) -> CorpusError:
    languages = ", ".join(sorted(filter(None, codes))) or "none that it names"
    advice = "Say which two to take with --langs SRC-TGT, for example --langs de-en."
    return CorpusError(f"which two languages? It has {languages}", advice, path=path)


def _variant(variants: Mapping[str, str], wanted: str) -> str:
    return next((text for code, text in variants.items() if same_language(code, wanted)), "")


def same_language(code: str, wanted: str) -> bool:
    """Whether one code is a variety of the other: de-DE is de, pt-br is pt_BR, "" may be any."""
    one, other = (text.lower().replace("_", "-").split("-") for text in (code, wanted))
    shared = min(len(one), len(other))
    return not code or not wanted or one[:shared] == other[:shared]


def _primary(code: str) -> str:
    return re.split("[-_]", code)[0].lower()


def _plain(source: str, target: str) -> Languages:
    """("de", "en") for de-DE and en-GB; as they are if only their regions tell them apart."""
    plain = (_primary(source), _primary(target))
    return (source, target) if plain[0] == plain[1] else plain


def _elements(path: Path, names: Collection[str]) -> Iterator[tuple[Element, list[Element]]]:
    """The elements with these names and what each stands in, one at a time.

    All that came before is forgotten, so that memory stays flat. Entities are refused: a few
    bytes of them can expand to gigabytes, or fetch other files.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, iterparse

    ancestors: list[Element] = []
    try:
        with _telling(path), _open(path) as stream:
            for event, element in iterparse(stream, events=("start", "end")):
                if event == "start":
                    ancestors.append(element)
                    continue
                ancestors.pop()
                if _local_name(element) in names:
                    yield element, ancestors
                    for ancestor in ancestors:
                        del ancestor[:]
    except ParseError as error:
        message = f"is not sound XML: {_one_line(error)}"
        raise CorpusError(message, path=path, line=error.position[0]) from error
    except DefusedXmlException as error:
        advice = "Take the <!ENTITY …> declarations out and write the characters themselves."
        raise CorpusError("declares XML entities, which are not read", advice, path=path) from error
    except (LookupError, ValueError) as error:
        raise CorpusError(f"is in no known encoding: {error}", path=path) from error


def _local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _inner_text(element: Element) -> str:
    """An element's text with that of its mark-up, but without the codes of other formats."""
    parts = [element.text or ""]
    for child in element:
        if _local_name(child) not in _NATIVE_CODES:
            parts.append(_inner_text(child))
        parts.append(child.tail or "")
    return "".join(parts)


_NATIVE_CODES = {"bpt", "ept", "it", "ph", "ut"}  # they hold "<b>" or "{\\b", not words

_FORMATS = {
    ".tsv": _Format(_read_tsv),
    ".jsonl": _Format(_read_jsonl),
    ".parquet": _Format(_read_parquet),
    ".tmx": _Format(_read_tmx, _tmx_languages),
    ".po": _Format(_read_po),
    ".xliff": _Format(_read_xliff, _xliff_languages),
    ".xlf": _Format(_read_xliff, _xliff_languages),
}


# ---- Hugging Face datasets

_DEFAULT_SPLIT = "train"


@dataclass(frozen=True)
class _Dataset(Corpus):
    """A folder is read where it lies; a hub dataset is downloaded once, then memory-mapped."""

    location: str  # a folder or a name on the hub
    split: str | None

    def pairs(self) -> Iterator[Pair]:
        with _told_by_datasets(self.name):
            dataset = self._choose_split(_load(self.location, self.languages))
            tables = dataset.with_format("arrow").iter(batch_size=_ROWS)
            yield from _table_pairs(tables, self.languages, self.name)

    def _choose_split(self, loaded: Any) -> Any:
        wanted = self.split or _DEFAULT_SPLIT
        if not isinstance(loaded, dict):  # one split, saved by itself and perhaps without its name
            loaded = {str((self.split and loaded.split) or wanted): loaded}
        if wanted in loaded:
            return loaded[wanted]
        advice = f"Write for example hf:{self.location}:{next(iter(loaded), '')}"
        message = f"has no split {wanted}, only {', '.join(loaded)}"
        raise CorpusError(message, advice, path=self.name)

    def fingerprint(self) -> str:
        folder = Path(self.location)
        with _told_by_datasets(self.name):
            data = _digest_folder(folder) if folder.is_dir() else self._version()
        return _combined([data, self.split or _DEFAULT_SPLIT, self.languages])

    def _version(self) -> list[str]:
        from datasets import load_dataset_builder

        with _no_bars():
            config = _choose_config(self.location, self.languages)
            builder = load_dataset_builder(self.location, config)
        version = (builder.dataset_name, builder.config_id, builder.config.version, builder.hash)
        return [str(part) for part in version]


def _open_dataset(word: str, languages: Languages | None) -> Corpus:
    """hf:NAME or hf:NAME:SPLIT, where NAME may begin with a Windows drive, C:\\ or C:/."""
    match = re.fullmatch(r"hf:((?:[A-Za-z]:(?=[\\/]))?[^:]+)(?::([^:]+))?", word)
    if not match:
        raise CorpusError("is not hf:NAME or hf:NAME:SPLIT", _accepted(), path=word)
    location = os.path.expanduser(match[1])
    if os.path.isfile(location):
        raise CorpusError("is a file: give it without hf:", _accepted(), path=word)
    if re.match(r"[./~\\]|[A-Za-z]:", location) and not os.path.isdir(location):
        raise CorpusError("no such folder", _CHECK, path=word)
    return _Dataset(word, languages, location, match[2])


def _load(location: str, langs: Languages | None) -> Any:
    """A dataset's splits by name, or the only split."""
    from datasets import load_dataset, load_from_disk

    folder = Path(location)
    with _no_bars():
        if any((folder / name).exists() for name in ("dataset_dict.json", "state.json")):
            return load_from_disk(location)
        config = _choose_config(location, langs)
        return load_dataset(location, config, streaming=folder.is_dir())


def _choose_config(location: str, langs: Languages | None) -> str | None:
    """Many a dataset has a part for each pair of languages: de-en, or iwslt2017-de-en."""
    from datasets import get_dataset_config_names

    if not Path(location).is_dir():
        _reach_hub(location)
    both = langs and all(langs)
    pairs = (f"-{langs[0]}-{langs[1]}", f"-{langs[1]}-{langs[0]}") if langs and both else ()
    names = get_dataset_config_names(location)
    return min((name for name in names if f"-{name}".endswith(pairs)), key=len, default=None)


def _reach_hub(name: str) -> None:
    """Fail at once and in one line where `datasets` would first try for half a minute."""
    from huggingface_hub import HfApi, constants

    if not constants.HF_HUB_OFFLINE:  # where it is set, what was downloaded before will do
        HfApi().dataset_info(name, timeout=10)


def _digest_folder(folder: Path) -> list[tuple[str, str]]:
    """Every file with its digest, but for hidden ones such as the notes of a download."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    seen = (name for name in names if not re.search(r"(^|/)\.", name))
    return [(name, _digest(folder / name)) for name in seen if (folder / name).is_file()]


@contextmanager
def _told_by_datasets(name: str) -> Iterator[None]:
    """Tell in one line whatever the hub, the network, or the reader of some format raises."""
    try:
        yield
    except NmtError:
        raise
    except Exception as error:
        advice = (
            "hf: takes a folder, or a name on the Hugging Face hub; "
            "HF_HUB_OFFLINE=1 makes do with what was downloaded before."
        )
        raise CorpusError(_one_line(error), advice, path=name) from error


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep both libraries from drawing on the terminal, and leave them as they were."""
    import datasets.utils
    import huggingface_hub.utils

    modules: list[Any] = [datasets.utils, huggingface_hub.utils]
    drawing = [module for module in modules if not module.are_progress_bars_disabled()]
    try:
        for module in drawing:
            module.disable_progress_bars()
        yield
    finally:
        for module in drawing:
            module.enable_progress_bars()


def _one_line(error: Exception) -> str:
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= 300 else f"{line[:300]}…"
