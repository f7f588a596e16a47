"""Translate with a model that is loaded already, as its system's own command does, and time it.

    python bench/decode.py nmt|opennmt|joeynmt|ctranslate2 SOURCE SINGLES RESULT ARGUMENT...

starts the system's own command line in this process, up to the call with which it would begin to
translate: options are read and the model is loaded as for its users. Then it is that call's turn
again and again: all lines of SOURCE together, to warm up; all of them once more, timed; and the
first SINGLES of them one by one, each timed. RESULT gets the seconds and the translations, as JSON.

The interpreter is the system's own, so this file needs nothing but the standard library.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

Translate = Callable[[Sequence[str]], list[str]]


class Reached(BaseException):
    """The command was about to translate."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments, self.named = arguments, named


@dataclass(frozen=True)
class Entry:
    """Where a system's command begins, where it translates, and how that is done again."""

    main: tuple[str, str]  # module and function: its command line
    call: tuple[str, str]  # module and name, dotted for a method: what it translates by
    again: Callable[..., Translate]  # given that call's arguments


def _nmt(translator: Any, *_: Any) -> Translate:
    return lambda lines: [translation.text for translation in translator.translate(lines)]


def _opennmt(engine: Any) -> Translate:
    return lambda lines: [best for best, *_ in engine.infer_list(list(lines))[1]]


def _joeynmt(*, data: Any, **options: Any) -> Translate:
    from joeynmt.prediction import predict

    def translate(lines: Sequence[str]) -> list[str]:
        data.reset_cache()
        for line in lines:
            data.set_item(line)
        return list(predict(data=data, **options)[2])

    return translate


def _ctranslate2(translator: Any, _: Sequence[str], beam: int) -> Translate:
    from ct2 import translate

    return lambda lines: translate(translator, lines, beam)


ENTRIES = {
    "nmt": Entry(("nmt.cli", "main"), ("nmt.stream", "translate_stream"), _nmt),
    "opennmt": Entry(
        ("onmt.bin.translate", "main"),
        ("onmt.inference_engine", "InferenceEngine.infer_file"),
        _opennmt,
    ),
    "joeynmt": Entry(("joeynmt.__main__", "main"), ("joeynmt.prediction", "predict"), _joeynmt),
    "ctranslate2": Entry(("ct2", "main"), ("ct2", "translate"), _ctranslate2),
}


def load(entry: Entry, arguments: Sequence[str]) -> Translate:
    """Start the command line, and stop it where it would translate."""
    module, name = entry.call
    *path, last = name.split(".")
    owner: Any = importlib.import_module(module)
    for part in path:
        owner = getattr(owner, part)
    call = getattr(owner, last)

    def reached(*given: Any, **named: Any) -> NoReturn:
        raise Reached(*given, **named)

    setattr(owner, last, reached)
    sys.argv = [entry.main[0], *arguments]
    try:
        getattr(importlib.import_module(entry.main[0]), entry.main[1])()
    except Reached as stop:
        setattr(owner, last, call)
        return entry.again(*stop.arguments, **stop.named)
    raise SystemExit("the command ended before it came to translate")


def timed(translate: Translate, lines: Sequence[str]) -> tuple[float, list[str]]:
    """Seconds, and translations."""
    started = time.perf_counter()
    translations = translate(lines)
    return time.perf_counter() - started, translations


def main() -> None:
    system, source, singles, result, *arguments = sys.argv[1:]
    lines = Path(source).read_text(encoding="utf-8").splitlines()
    translate = load(ENTRIES[system], arguments)
    translate(lines)
    seconds, translations = timed(translate, lines)
    each = [timed(translate, [line])[0] for line in lines[: int(singles)]]
    found = {"seconds": seconds, "singles": each, "translations": translations}
    Path(result).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
