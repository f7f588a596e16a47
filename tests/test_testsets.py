"""Standard test sets come from sacreBLEU's cache; where it has them not, that is said."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from conftest import nmt
from sacrebleu.dataset import DATASETS

from nmt.errors import CorpusError, SettingsError
from nmt.testsets import standard, with_references

FIELDS = {
    "src": ["Ein Hund.", "Zwei Katzen laufen.", "Ja!"],
    "ref": ["A dog.", "Two cats are running.", "Yes!"],
    "docid": ["1", "1", "1"],
    "genre": ["news", "news", "news"],
    "origlang": ["de", "de", "de"],
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """sacreBLEU's cache, empty, and no network."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network here")

    folder = tmp_path / "cache" / "wmt14" / "full"
    monkeypatch.setattr(DATASETS["wmt14/full"], "_outdir", str(folder))
    monkeypatch.setattr(DATASETS["wmt14/full"], "_rawdir", str(folder / "raw"))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return folder


@pytest.fixture
def filled(cache: Path) -> Path:
    cache.mkdir(parents=True)
    for field, lines in FIELDS.items():
        path = cache / f"wmt14_full.de-en.{field}"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return cache


def test_a_set_is_read_from_the_cache(filled: Path) -> None:
    test = standard("wmt14/full", "de-en", print)
    assert test.name == "wmt14/full"
    assert test.languages == ("de", "en")
    assert test.sources == tuple(FIELDS["src"])
    assert test.references == (tuple(FIELDS["ref"]),)


def test_a_set_that_is_not_there_is_said_to_be_so(cache: Path) -> None:
    said: list[str] = []
    with pytest.raises(CorpusError, match=r"wmt14/full: is not in sacreBLEU's cache") as error:
        standard("wmt14/full", "de-en", said.append)
    assert "no network here" in error.value.message
    assert "sacrebleu -t wmt14/full -l de-en" in error.value.advice
    assert any("Downloading" in line for line in said)


def test_sets_and_languages_that_do_not_exist() -> None:
    with pytest.raises(SettingsError, match="no such test set") as error:
        standard("wmt14/fulll", "de-en", print)
    assert "wmt14/full" in error.value.advice
    with pytest.raises(SettingsError, match="needs its languages"):
        standard("wmt14/full", None, print)
    with pytest.raises(SettingsError, match="not there in de-zh"):
        standard("wmt14/full", "de-zh", print)


def test_more_references(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("A hound.\nTwo cats run.\nYeah!\n")
    test = with_references(standard("wmt14/full", "de-en", print), [tmp_path / "more"])
    assert test.references[1] == ("A hound.", "Two cats run.", "Yeah!")
    assert test.name == "wmt14/full + more"  # its scores are others than those of wmt14/full
    (tmp_path / "more").write_text("A hound.\n")
    with pytest.raises(CorpusError, match="has 1 lines and the corpus 3 pairs"):
        with_references(test, [tmp_path / "more"])


def test_evaluate_takes_a_set_by_name(filled: Path, run: Path, tmp_path: Path) -> None:
    scored = nmt("evaluate", run, "--test-set", "wmt14/full", "--langs=de-en", "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["test_set"] == "wmt14/full"
    (tmp_path / "hyp").write_text("A dog.\nTwo cats are running.\nYes!\n")
    hypotheses = f"--hypotheses={tmp_path / 'hyp'}"
    scored = nmt("evaluate", "--test-set=wmt14/full", "--langs=de-en", hypotheses, "--json")
    assert json.loads(scored.out)["exact"]["score"] == 100


def test_a_card_has_a_set_by_its_whole_name(filled: Path, run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copied"))
    assert nmt("evaluate", copy, "--test-set=wmt14/full", "--langs=de-en").code == 0
    assert "| `wmt14/full` | 3 |" in (copy / "README.md").read_text(encoding="utf-8")


def test_evaluate_says_what_it_has_not(cache: Path, run: Path) -> None:
    result = nmt("evaluate", run, "--test-set=wmt14/full", "--langs=de-en")
    assert result.code == 1
    assert "cannot be fetched" in result.err and "SACREBLEU" in result.err
