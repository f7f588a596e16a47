"""Every shape of parallel text gives the same pairs, and every damage is told with its place."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt.corpus import Pair, _elements, open_corpus, read_lines, split_lines
from nmt.errors import CorpusError, SettingsError

PAIRS = [
    Pair("Ein Hund.", "A dog."),
    Pair("eins\u2028zwei\u2029drei", "one\u2028two\u2029three"),
    Pair("N\u0085L", "next\u0085line"),
    Pair("'einfach' \"doppelt\" «so»", 'a "quoted" \'word\', "open'),
    Pair("\U0001f469\u200d\U0001f680 fliegt", "she flies \U0001f680"),
    Pair("\u200f\u05e9\u05dc\u05d5\u05dd\u200e", "\u202bbidi\u202c"),
    Pair("", "an empty source"),
    Pair("ein leeres Ziel", ""),
    Pair("  Ränder \\n \\", "R&D <b> 1 < 2 ]]> "),
]
CONTROLS = [Pair("Seite\fwechsel\vund", "form\ffeed\vand"), Pair("a\x00b\x1c", "\x00\x1d\x85")]
CONTROLS += [Pair("lone\rreturn", "\rfirst")]
TABS = [Pair("mit\tTab", "\ta tab")]


def two_files(folder: Path, pairs: Iterable[Pair], suffix: str = "") -> list[Path]:
    paths = [folder / f"train.de{suffix}", folder / f"train.en{suffix}"]
    for path, lines in zip(paths, zip(*pairs, strict=True), strict=True):
        path.write_bytes(compress(path, "".join(f"{line}\n" for line in lines).encode()))
    return paths


def compress(path: Path, data: bytes) -> bytes:
    if path.suffix == ".zst":
        import zstandard

        half = len(data) // 2  # in two frames, as pzstd and `cat a.zst b.zst` make them
        return zstandard.compress(data[:half]) + zstandard.compress(data[half:])
    if path.suffix == ".gz":
        return gzip.compress(data)
    return lzma.compress(data) if path.suffix == ".xz" else data


def one_file(path: Path, text: str | bytes) -> list[Path]:
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(compress(path, data))
    return [path]


def read(arguments: Iterable[str | Path], langs: str | None = None) -> list[Pair]:
    return list(open_corpus(list(arguments), langs).pairs())


def complaint(arguments: Iterable[str | Path], langs: str | None = None) -> str:
    """What is told of a corpus that cannot be read: in one or two lines."""
    with pytest.raises(CorpusError) as caught:
        read(arguments, langs)
    assert str(caught.value).count("\n") <= 1
    return str(caught.value)


# ---- writers, one for each format


def tsv(pairs: Iterable[Pair]) -> str:
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


def jsonl(pairs: Iterable[Pair]) -> str:
    return "".join(json.dumps(pair._asdict(), ensure_ascii=False) + "\n" for pair in pairs)


def jsonl_translation(pairs: Iterable[Pair]) -> str:
    return "".join(
        json.dumps({"id": 1, "translation": {"de": s, "en": t}}) + "\n" for s, t in pairs
    )


def jsonl_columns(pairs: Iterable[Pair]) -> str:
    return "".join(json.dumps({"source": "web", "en": t, "de": s}) + "\n" for s, t in pairs)


def tmx(
    pairs: Iterable[Pair], source: str = "de-DE", target: str = "EN", srclang: str = "de"
) -> str:
    units = "".join(
        f'<tu><note>n</note><tuv xml:lang="{target}"><seg>{escape(t)}</seg></tuv>'
        f'<tuv xml:lang="{source}"><seg>{escape(s)}</seg></tuv></tu>\n'
        for s, t in pairs
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
        f'<tmx version="1.4"><header srclang="{srclang}"/><body>{units}</body></tmx>'
    )


def po(pairs: Iterable[Pair]) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'

    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    return header + "".join(f"msgid {quoted(s)}\nmsgstr {quoted(t)}\n\n" for s, t in pairs)


def xliff1(
    pairs: Iterable[Pair], languages: str = 'source-language="de" target-language="en"'
) -> str:
    units = "".join(
        f"<group><trans-unit id='1'><source>{escape(s)}</source><target>{escape(t)}</target>"
        "<alt-trans><source>no</source><target>no</target></alt-trans></trans-unit></group>"
        for s, t in pairs
    )
    return (
        '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">'
        f"<file {languages}><body>{units}</body></file></xliff>"
    )


def xliff2(pairs: Iterable[Pair]) -> str:
    units = "".join(
        f"<unit id='1'><notes><note>n</note></notes><segment><source>{escape(s)}</source>"
        f"<target>{escape(t)}</target></segment></unit>"
        for s, t in pairs
    )
    return (
        '<x:xliff version="2.0" xmlns:x="urn:oasis:names:tc:xliff:document:2.0" srcLang="de-AT"'
        f' trgLang="en-GB"><x:file xmlns="urn:oasis:names:tc:xliff:document:2.0">{units}'
        "</x:file></x:xliff>"
    )


def table(pairs: Iterable[Pair], layout: str) -> object:
    import pyarrow as pa

    sources, targets = zip(*pairs, strict=True)
    if layout == "translation":
        rows = [{"de": source, "en": target} for source, target in pairs]
        return pa.table({"id": list(range(len(sources))), "translation": rows})
    names = ["source", "target"] if layout == "sides" else ["de", "en"]
    return pa.table([list(sources), list(targets)], names=names)


def parquet(folder: Path, pairs: Iterable[Pair], layout: str, name: str = "train") -> Path:
    from pyarrow.parquet import write_table

    folder.mkdir(exist_ok=True)
    write_table(table(pairs, layout), folder / f"{name}.parquet", row_group_size=4)
    return folder / f"{name}.parquet"


# ---- the same pairs from every shape


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_two_files(tmp_path: Path, suffix: str) -> None:
    corpus = open_corpus(two_files(tmp_path, PAIRS + CONTROLS + TABS, suffix))
    assert list(corpus.pairs()) == PAIRS + CONTROLS + TABS
    assert corpus.name == f"train.de{suffix} + train.en{suffix}"
    assert corpus.languages == ("de", "en")


@pytest.mark.parametrize(
    ("name", "write", "extra", "langs"),
    [
        ("c.tsv", tsv, CONTROLS, None),
        ("c.TSV.gz", tsv, CONTROLS, None),
        ("c.tsv.zst", tsv, CONTROLS, None),
        ("c.jsonl", jsonl, CONTROLS + TABS, None),
        ("c.jsonl.xz", jsonl, CONTROLS + TABS, "de-en"),
        ("c.jsonl", jsonl_translation, CONTROLS + TABS, "de-en"),
        ("c.jsonl", jsonl_columns, CONTROLS + TABS, "de-en"),
        ("c.tmx", tmx, TABS, None),
        ("c.tmx.gz", tmx, TABS, "de-en"),
        ("c.po", po, TABS, None),
        ("c.po.gz", po, [Pair("form\fa", "\x1cfeed\vb\x85")], None),
        ("c.xliff", xliff1, TABS, None),
        ("c.xlf", xliff2, TABS, "de-en"),
    ],
)
def test_one_file(
    tmp_path: Path,
    name: str,
    write: Callable[[Iterable[Pair]], str],
    extra: list[Pair],
    langs: str | None,
) -> None:
    pairs = PAIRS + extra
    if write is po:  # where an empty source is the header
        pairs = [pair for pair in pairs if pair.source]
    assert read(one_file(tmp_path / name, write(pairs)), langs) == pairs


@pytest.mark.parametrize("layout", ["sides", "columns", "translation"])
def test_parquet(tmp_path: Path, layout: str) -> None:
    path = parquet(tmp_path, PAIRS + CONTROLS + TABS, layout)
    assert read([path], None if layout == "sides" else "de-en") == PAIRS + CONTROLS + TABS


@given(
    st.lists(st.builds(Pair, *[st.text(st.characters(exclude_characters="\n", codec="utf-8"))] * 2))
)
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_without_newlines_comes_back(tmp_path: Path, pairs: list[Pair]) -> None:
    files = [tmp_path / "a.de", tmp_path / "a.en"]
    for side, path in enumerate(files):  # with \r\n, so that a \r at a line's end is its own
        path.write_bytes(b"\xef\xbb\xbf" + "".join(f"{p[side]}\r\n" for p in pairs).encode())
    if pairs:
        assert read(files) == pairs


def test_pairs_can_be_read_again_and_side_by_side(tmp_path: Path) -> None:
    corpus = open_corpus(two_files(tmp_path, PAIRS))
    assert list(zip(corpus.pairs(), corpus.pairs(), strict=True)) == [(p, p) for p in PAIRS]


# ---- lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a", [b"a"]),
        (b"a\r\nb\n\nc", [b"a", b"b", b"", b"c"]),
        (b"a\r\r\n\rb\r", [b"a\r", b"\rb\r"]),
        (
            b"x\x0b\x0c\x1c\x1d\x1e\xc2\x85\xe2\x80\xa8y\n",
            [b"x\x0b\x0c\x1c\x1d\x1e\xc2\x85\xe2\x80\xa8y"],
        ),
    ],
)
def test_lines_end_at_newline_only(data: bytes, lines: list[bytes]) -> None:
    assert list(split_lines(io.BytesIO(data))) == lines


def test_a_line_is_given_before_the_next_one_comes() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as stream, open(writer, "wb", buffering=0) as producer:
        lines = split_lines(stream)
        producer.write(b"one\ntw")
        assert next(lines) == b"one"
        producer.write(b"o\n")
        assert next(lines) == b"two"


def test_only_a_bom_at_the_start_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "hypotheses.txt"
    path.write_bytes("\ufeffa\n\ufeffb\r\nc".encode())
    assert list(read_lines(path)) == ["a", "\ufeffb", "c"]


def test_latin1_is_told_with_file_and_line(tmp_path: Path) -> None:
    source, target = two_files(tmp_path, PAIRS)
    source.write_bytes("gut\nM\u00fcll\n".encode("latin1"))
    assert complaint([source, target]).startswith(f"{source}:2: is not UTF-8")
    assert "iconv" in complaint([source, target])
    source.write_text("a\n", encoding="utf-16")
    assert "utf-16" in complaint([source, target])


# ---- what is wrong with files


@pytest.mark.parametrize("lengths", [(3, 5), (5, 3), (0, 5), (5, 0)])
def test_unequal_files_tell_both_counts(tmp_path: Path, lengths: tuple[int, int]) -> None:
    paths = [tmp_path / "a.de", tmp_path / "a.en"]
    for path, length in zip(paths, lengths, strict=True):
        path.write_text("line\n" * length)
    pairs = open_corpus(paths).pairs()
    for _ in range(min(lengths)):
        assert next(pairs) == ("line", "line")
    with pytest.raises(CorpusError) as caught:
        next(pairs)
    told = f"{paths[0]} has {lengths[0]} lines, {paths[1]} has {lengths[1]}"
    assert caught.value.message == told


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("damage", ["cut off", "overwritten", "not compressed"])
def test_damaged_compression_is_told(tmp_path: Path, suffix: str, damage: str) -> None:
    pairs = [Pair(str(number**3), str(number**5)) for number in range(999)]
    source, target = two_files(tmp_path, pairs, suffix)
    good = source.read_bytes()
    bad = {"cut off": good[:-4], "overwritten": good[:99] + b"\0" * 99, "not compressed": b"text\n"}
    source.write_bytes(bad[damage])
    assert complaint([source, target]).startswith(f"{source}: is damaged or cut off")


def test_missing_folder_pipe_and_twice_the_same(tmp_path: Path) -> None:
    source, target = two_files(tmp_path, PAIRS)
    assert complaint([source, tmp_path / "no.en"]).startswith(f"{tmp_path / 'no.en'}: no such file")
    assert "cannot be read" in complaint([f"{'too-long' * 999}.tsv"])
    assert "is a folder" in complaint([tmp_path])
    assert "same file" in complaint([source, source])
    os.mkfifo(tmp_path / "pipe")
    assert "read more than once" in complaint([tmp_path / "pipe", target])
    with pytest.raises(CorpusError, match="cannot be read: No such file"):
        list(read_lines(tmp_path / "hypotheses.txt"))


@pytest.mark.parametrize(
    "names", [[], ["a.txt"], ["a", "b", "c"], ["hf:x", "a.txt"], ["a.txt", "b.tsv"]]
)
def test_what_is_no_corpus_is_told_what_one_is(tmp_path: Path, names: list[str]) -> None:
    arguments = [name if name.startswith("hf:") else str(tmp_path / name) for name in names]
    for argument in arguments:
        if not argument.startswith("hf:"):
            Path(argument).touch()
    told = complaint(arguments)
    for accepted in (
        "two line-aligned text files",
        ".tsv",
        ".jsonl",
        ".parquet",
        ".tmx",
        ".po",
        ".xliff",
        "hf:",
    ):
        assert accepted in told


@pytest.mark.parametrize("langs", ["de", "de-", "de-en-fr", "de en", "", "de-de"])
def test_langs_must_name_two(tmp_path: Path, langs: str) -> None:
    with pytest.raises(SettingsError, match="SRC-TGT"):
        open_corpus(two_files(tmp_path, PAIRS), langs)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("c.tsv", "a\tb\nno tab\n", ":2: has 1 tab-separated"),
        ("c.tsv", "a\tb\tc\n", ":1: has 3 tab-separated"),
        ("c.tsv.gz", b"a\tb\n\xff\t\n", ":2: is not UTF-8"),
        ("c.jsonl", '{"source": "a", "target": "b"}\n{"source"\n', ":2: is not JSON"),
        ("c.jsonl", "[" * 100_000, ":1: is not JSON"),
        ("c.jsonl", '["a", "b"]\n', ":1: is not a JSON object"),
        (
            "c.jsonl",
            '{"source": "a", "text": "b"}\n',
            ":1: has no source and target, only source, text",
        ),
        ("c.jsonl", '{"source": "a", "target": 7}\n', ":1: target is int"),
        ("c.jsonl", '{"source": "a", "target": "\\ud800"}\n', ":1: target has half a surrogate"),
        ("c.parquet", "PAR1, not really", ": is not sound Parquet"),
        ("c.tmx", "<tmx>\n<body></tmx>", ":2: is not sound XML"),
        ("c.tmx", '<!DOCTYPE t [<!ENTITY a "aa">]><tmx>&a;</tmx>', ": declares XML entities"),
        ("c.xliff", '<?xml version="1.0" encoding="klingon"?><xliff/>', "encoding"),
        ("c.po", 'msgid "a"\nmsgstr "b"c"\n', ":2: is not sound PO"),
        ("c.po", b'msgid "a"\nmsgstr "\xfc"\n', ":2: is not UTF-8"),
    ],
)
def test_malformed_file(tmp_path: Path, name: str, text: str | bytes, told: str) -> None:
    (path,) = one_file(tmp_path / name, text)
    message = complaint([path])
    assert message.startswith(str(path))
    assert told in message


def test_blank_json_lines_and_null_sides(tmp_path: Path) -> None:
    text = '{"source": null, "target": "b"}\n\n{"source": "a", "target": "b"}\n \n'
    assert read(one_file(tmp_path / "c.jsonl", text)) == [Pair("", "b"), Pair("a", "b")]


# ---- languages


@pytest.mark.parametrize(
    ("names", "languages"),
    [
        (("train.de", "train.en"), ("de", "en")),
        (("train.de.gz", "train.pt_BR.zst"), ("de", "pt_br")),
        (("a.txt", "b.txt"), None),
        (("train.src", "train.tgt"), None),
        (("source", "target"), None),
    ],
)
def test_languages_of_file_names(
    tmp_path: Path, names: tuple[str, str], languages: tuple[str, str] | None
) -> None:
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.touch()
    assert open_corpus(paths).languages == languages
    assert open_corpus(paths, "nl-fr").languages == ("nl", "fr")


def test_languages_of_formats(tmp_path: Path) -> None:
    for name, text in [("c.tmx", tmx(PAIRS)), ("c.xlf", xliff1(PAIRS)), ("d.xlf", xliff2(PAIRS))]:
        assert open_corpus(one_file(tmp_path / name, text)).languages == ("de", "en")
    assert open_corpus(one_file(tmp_path / "c.po", po(PAIRS))).languages is None
    british = tmx(PAIRS, source="en-US", target="en-GB", srclang="en-US")
    corpus = open_corpus(one_file(tmp_path / "british.tmx", british))
    assert corpus.languages == ("en-US", "en-GB")
    assert list(corpus.pairs()) == PAIRS


@pytest.mark.parametrize(
    ("name", "write"), [("c.tmx", tmx), ("c.xliff", xliff1), ("c.xlf", xliff2)]
)
def test_langs_may_turn_the_direction(
    tmp_path: Path, name: str, write: Callable[[Iterable[Pair]], str]
) -> None:
    path = one_file(tmp_path / name, write(PAIRS))
    assert read(path, "en-de") == [Pair(target, source) for source, target in PAIRS]
    assert "de" in complaint(path, "nl-en")


def test_tmx_in_three_languages_asks_which_two(tmp_path: Path) -> None:
    third = '<tuv xml:lang="fr"><seg>un chien</seg></tuv></tu>'
    at_once = one_file(tmp_path / "c.tmx", tmx(PAIRS).replace("</tu>", third))
    for word in ("de-DE", "EN", "fr", "--langs SRC-TGT"):
        assert word in complaint(at_once)
    assert read(at_once, "en-fr")[0] == Pair("A dog.", "un chien")

    later = one_file(tmp_path / "d.tmx", third.join(tmx(PAIRS).rsplit("</tu>", 1)))
    assert "fr" in complaint(later)
    assert read(later, "de-en") == PAIRS


# ---- what is inside the translators' formats


def test_mark_up_keeps_its_words_and_loses_its_codes(tmp_path: Path) -> None:
    inline = tmx([Pair("SEG", "plain")]).replace(
        "SEG", 'Ein <bpt i="1">&lt;b&gt;</bpt>gr<hi>oß</hi>er<ept i="1">&lt;/b&gt;</ept> Hund<ph/>.'
    )
    assert read(one_file(tmp_path / "c.tmx", inline)) == [Pair("Ein großer Hund.", "plain")]
    inline = xliff1([Pair("SEG", "plain")]).replace(
        "SEG", 'Ein <g id="1">gr<x id="2"/>oßer</g> Hund.'
    )
    assert read(one_file(tmp_path / "c.xlf", inline)) == [Pair("Ein großer Hund.", "plain")]


def test_untranslated_units_have_an_empty_side(tmp_path: Path) -> None:
    text = (
        'msgid ""\nmsgstr "Language: en\\n"\n\n#, fuzzy\nmsgid "unsicher"\nmsgstr "unsure"\n\n'
        'msgid "offen"\nmsgstr ""\n\n#~ msgid "alt"\n#~ msgstr "old"\n\n'
        'msgid "ein Hund"\nmsgid_plural "%d Hunde"\nmsgstr[0] "a dog"\nmsgstr[1] "%d dogs"\n'
    )
    assert sorted(read(one_file(tmp_path / "c.po", text))) == [
        ("%d Hunde", "%d dogs"), ("ein Hund", "a dog"), ("offen", ""), ("unsicher", "")
    ]  # fmt: skip
    text = xliff1(PAIRS).replace("<target>", '<target state="needs-translation">', 1)
    assert read(one_file(tmp_path / "c.xlf", text))[0] == Pair("Ein Hund.", "")
    text = tmx([Pair("a", "b"), Pair("c", "GONE")]).replace("<seg>GONE</seg>", "")
    assert read(one_file(tmp_path / "c.tmx", text)) == [Pair("a", "b"), Pair("c", "")]


@pytest.mark.parametrize(
    ("write", "unit"), [(tmx, "tu"), (xliff1, "trans-unit"), (xliff2, "segment")]
)
def test_xml_is_forgotten_once_read(
    tmp_path: Path, write: Callable[[Iterable[Pair]], str], unit: str
) -> None:
    (path,) = one_file(tmp_path / "c.xml", write(PAIRS * 9))
    held = [sum(map(len, ancestors)) for _, ancestors in _elements(path, {unit})]
    assert len(held) == len(PAIRS * 9)
    assert max(held[1:]) <= 3


def test_xliff_need_not_name_its_languages(tmp_path: Path) -> None:
    corpus = open_corpus(one_file(tmp_path / "c.xlf", xliff1(PAIRS, "")))
    assert corpus.languages is None
    assert list(corpus.pairs()) == PAIRS


# ---- datasets


@pytest.fixture(scope="module", autouse=True)
def hub_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterable[None]:
    """No test may see the network or another's downloads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.mark.parametrize("layout", ["columns", "translation"])
def test_dataset_in_a_folder(
    tmp_path: Path, layout: str, capfd: pytest.CaptureFixture[str]
) -> None:
    parquet(tmp_path / "set", PAIRS, layout)
    parquet(tmp_path / "set", PAIRS[:2], layout, "test")
    name = f"hf:{tmp_path / 'set'}"
    assert read([name], "de-en") == PAIRS
    assert read([f"{name}:test"], "en-de") == [Pair(t, s) for s, t in PAIRS[:2]]
    assert "no split dev, only train, test" in complaint([f"{name}:dev"], "de-en")
    assert "only de, en" in complaint([name])
    assert "no de and fr, only de, en" in complaint([name], "de-fr")
    assert capfd.readouterr().err == ""


def test_dataset_of_json_lines(tmp_path: Path) -> None:
    one_file(tmp_path / "train.jsonl", jsonl_translation(PAIRS + CONTROLS + TABS))
    assert read([f"hf:{tmp_path}"], "de-en") == PAIRS + CONTROLS + TABS


@pytest.mark.filterwarnings("ignore")
def test_dataset_saved_to_disk(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    rows = Dataset.from_list([{"translation": {"de": s, "en": t}} for s, t in PAIRS])
    rows.save_to_disk(tmp_path / "one")
    DatasetDict(train=rows, dev=rows.select(range(2))).save_to_disk(tmp_path / "splits")
    assert read([f"hf:{tmp_path / 'one'}"], "de-en") == PAIRS
    assert read([f"hf:{tmp_path / 'splits'}"], "de-en") == PAIRS
    assert read([f"hf:{tmp_path / 'splits'}:dev"], "de-en") == PAIRS[:2]
    assert "only train, dev" in complaint([f"hf:{tmp_path / 'splits'}:test"], "de-en")


def test_hub_name_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub cannot be reached, neither by choice (offline) nor by accident."""
    from huggingface_hub import constants

    def no_network(*arguments: object, **options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    for offline in (True, False):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", offline)
        told = complaint(["hf:somebody/europarl:test"], "de-en")
        assert told.startswith("hf:somebody/europarl:test: ")
        assert "takes a folder" in told
        with pytest.raises(CorpusError):
            open_corpus(["hf:somebody/europarl"], "de-en").fingerprint()


def test_part_of_a_hub_dataset_for_its_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import Dataset, DatasetDict
    from datasets.utils import are_progress_bars_disabled

    def load(location: str, config: str, streaming: bool) -> DatasetDict:
        assert (location, streaming) == ("somebody/europarl", False)
        assert are_progress_bars_disabled()
        return DatasetDict(train=Dataset.from_dict({"de": [config], "en": [None]}))

    monkeypatch.setattr("nmt.corpus._reach_hub", lambda name: None)
    monkeypatch.setattr("datasets.load_dataset", load)
    for names, chosen in [
        (["cs-en", "x-en-de", "de-en"], "de-en"),
        (["x-nde-en", "x-en-de"], "x-en-de"),
    ]:
        monkeypatch.setattr("datasets.get_dataset_config_names", lambda name, found=names: found)
        assert read(["hf:somebody/europarl"], "de-en") == [Pair(chosen, "")]
    assert not are_progress_bars_disabled()


def test_dataset_names_that_are_paths(tmp_path: Path) -> None:
    for word in ("hf:C:\\data\\no", "hf:C:/data/no:dev", f"hf:{tmp_path / 'no'}", "hf:./no:dev"):
        assert complaint([word], "de-en").startswith(f"{word}: no such folder\n")
    one_file(tmp_path / "c.tsv", tsv(PAIRS))
    assert "without hf:" in complaint([f"hf:{tmp_path / 'c.tsv'}"], "de-en")
    assert "is not hf:NAME" in complaint(["hf:"], "de-en")
    assert open_corpus(["hf:somebody/europarl:dev"]).name == "hf:somebody/europarl:dev"


def test_broken_dataset_is_told_in_two_lines(tmp_path: Path) -> None:
    one_file(tmp_path / "train.parquet", "PAR1, not really")
    assert complaint([f"hf:{tmp_path}"], "de-en").startswith(f"hf:{tmp_path}: ")


# ---- fingerprints


def test_fingerprint_changes_with_a_byte_and_with_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    source, target = two_files(tmp_path, PAIRS)
    fingerprint = open_corpus([source, target]).fingerprint()
    assert len(fingerprint) == 64
    assert open_corpus(two_files(tmp_path / "moved", PAIRS)).fingerprint() == fingerprint
    assert open_corpus([target, source]).fingerprint() != fingerprint
    source.write_bytes(source.read_bytes().replace(b"Hund", b"Hand"))
    assert open_corpus([source, target]).fingerprint() != fingerprint


def test_fingerprint_tells_languages_and_splits_apart(tmp_path: Path) -> None:
    path = one_file(tmp_path / "c.tmx", tmx(PAIRS))
    assert open_corpus(path).fingerprint() == open_corpus(path, "de-en").fingerprint()
    assert open_corpus(path).fingerprint() != open_corpus(path, "en-de").fingerprint()

    def of_dataset(word: str) -> str:
        return open_corpus([f"hf:{tmp_path / word}"], "de-en").fingerprint()

    parquet(tmp_path / "set", PAIRS, "columns")
    before = of_dataset("set")
    (tmp_path / "set" / ".notes").touch()
    assert before == of_dataset("set") == of_dataset("set:train") != of_dataset("set:test")
    parquet(tmp_path / "set", PAIRS[:-1], "columns")
    assert of_dataset("set") != before


def test_importing_is_cheap() -> None:
    program = "import sys, nmt.corpus; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    heavy = {
        b"datasets",
        b"pyarrow",
        b"polib",
        b"defusedxml",
        b"zstandard",
        b"numpy",
        b"torch",
        b"xml",
    }
    assert heavy.isdisjoint(loaded.split())
