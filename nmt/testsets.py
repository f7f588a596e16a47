"""What systems are judged on: a corpus of one's own with any number of references, or one of the
standard test sets that sacreBLEU knows, from its cache."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from tarfile import TarError
from zipfile import BadZipFile

from nmt.corpus import Corpus, read_lines
from nmt.errors import CorpusError, SettingsError
from nmt.judgement import EvaluationSet
from nmt.wording import public


def own(corpus: Corpus) -> EvaluationSet:
    """A corpus.

    Raises:
        CorpusError: there is nothing in it.
    """
    pairs = list(corpus.pairs())
    if not pairs:
        raise CorpusError(f"{corpus.name}: there is nothing in it to score")
    sources, targets = zip(*pairs, strict=True)
    return EvaluationSet(public(corpus.name), corpus.languages, sources, (targets,))


def with_references(test: EvaluationSet, files: Sequence[Path]) -> EvaluationSet:
    """The same with one more reference for each file.

    Raises:
        CorpusError: a file cannot be read, or has another number of lines.
    """
    more = (tuple(lines_for(file, len(test), "reference")) for file in files)
    name = " + ".join([test.name, *(public(str(file)) for file in files)])
    return replace(test, name=name, references=(*test.references, *more))


def lines_for(file: Path, pairs: int, what: str) -> list[str]:
    """The lines of a file, one for each pair.

    Raises:
        CorpusError: it cannot be read, or has another number of lines.
    """
    lines = list(read_lines(file))
    if len(lines) != pairs:
        raise CorpusError(
            f"has {len(lines)} lines and the corpus {pairs} pairs",
            f"give one {what} for each pair, in order",
            path=file,
        )
    return lines


def standard(name: str, langs: str | None, report: Callable[[str], None]) -> EvaluationSet:
    """A test set by sacreBLEU's name for it, with all its references; fetched if there is a network
    and it is not in sacreBLEU's cache.

    Args:
        langs: "de-en"; must be given.
        report: is told before anything is fetched.

    Raises:
        SettingsError: there is no such test set, or not in these languages.
        CorpusError: it is not in the cache and cannot be fetched.
    """
    from sacrebleu.dataset import DATASETS

    if name not in DATASETS:
        close = ", ".join(get_close_matches(name, DATASETS, 5, 0.4))
        advice = f"perhaps {close}; " if close else ""
        raise SettingsError(
            f"--test-set {name}: sacreBLEU knows no such test set",
            f"{advice}`sacrebleu --list` names them all",
        )
    dataset = DATASETS[name]
    if langs is None or langs not in dataset.langpairs:
        said = f"is not there in {langs}" if langs else "needs its languages"
        raise SettingsError(
            f"--test-set {name}: {said}", f"give --langs, one of {', '.join(dataset.langpairs)}"
        )
    with _fetching(name, langs, report):
        source, references = dataset.get_source_file(langs), dataset.get_reference_files(langs)
    sources = tuple(read_lines(Path(source)))
    each = (tuple(lines_for(Path(file), len(sources), "reference")) for file in references)
    return EvaluationSet(name, _languages(langs), sources, tuple(each))


def _languages(langs: str) -> tuple[str, str]:
    source, _, target = langs.partition("-")
    return source, target


@contextmanager
def _fetching(name: str, langs: str, report: Callable[[str], None]) -> Iterator[None]:
    """sacreBLEU fetches what its cache has not: tell so, and what comes between."""
    from sacrebleu.utils import SACREBLEU_DIR

    class Tell(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            report(record.getMessage())

    logger, handler = logging.getLogger("sacrebleu"), Tell()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    except (OSError, SystemExit, TarError, BadZipFile) as error:
        raise CorpusError(
            f"{name}: is not in sacreBLEU's cache ({SACREBLEU_DIR}) and cannot be fetched: {error}",
            f"where there is a network `sacrebleu -t {name} -l {langs} --echo src` fetches it; "
            "copy the cache from there, or name its copy in the variable SACREBLEU",
        ) from None
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
