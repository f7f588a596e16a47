"""The documentation is held against the program."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from conftest import nmt

from nmt import __version__, config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("training", "translating", "judging", "reports", "diagnosing", "lecture")
}

QUICK = ["--set", "train.max_steps=10", "--set", "model.hidden=32", "--set", "model.embedding=16"]


def commands(text: str) -> list[str]:
    """The lines of the shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line]


def braces(word: str) -> list[str]:
    """`train.{de,en}` as a shell expands it."""
    match = re.search(r"\{([^{}]*)\}", word)
    if not match:
        return [word]
    return [word[: match.start()] + each + word[match.end() :] for each in match[1].split(",")]


def run_in_shell(command: str) -> tuple[int, bytes, str]:
    """A pipe of `echo`, `printf`, `head` and `nmt`, its end perhaps in a file, without the shell;
    trainings are made short."""
    command, _, file = command.partition(" > ")
    piped, code, said = b"", 0, ""
    for part in command.split("|"):
        words = list(itertools.chain.from_iterable(map(braces, shlex.split(part))))
        if words[0] == "echo":
            piped = f"{words[1]}\n".encode()
        elif words[0] == "printf":
            piped = words[1].replace("\\t", "\t").replace("\\n", "\n").encode()
        elif words[0] == "head":
            lines = Path(words[-1]).read_bytes().splitlines(keepends=True)
            piped = b"".join(lines[: int(words[2])])
        else:
            if words[1] in ("train", "curve"):
                if "--budget" in words:
                    at = words.index("--budget")
                    del words[at : at + 2]
                words += QUICK
            elif "--steps" in words:
                words[words.index("--steps") + 1] = "5"
            result = nmt(*words[1:], stdin=piped)
            piped, code, said = result.out, result.code, result.err
    if file:
        Path(file).write_bytes(piped)
    return code, piped, said


def test_the_commands_of_the_pages_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "data").mkdir()
    small = tmp_path / "data" / "phrasebook"
    small.mkdir()
    for name, count in (("train", 800), ("valid", 20), ("test", 10)):
        for side in ("de", "en"):
            lines = (ROOT / "data" / "phrasebook" / f"{name}.{side}").read_bytes().splitlines(True)
            (small / f"{name}.{side}").write_bytes(b"".join(lines[:count]))
    monkeypatch.chdir(tmp_path)
    for command in itertools.chain.from_iterable(map(commands, (README, *PAGES.values()))):
        code, _, said = run_in_shell(command)
        assert code == 0, f"{command}\n{said}"


def test_the_readme_lists_every_room() -> None:
    modules = {path.name for path in (ROOT / "nmt").glob("*.py")} - {"__init__.py", "__main__.py"}
    assert set(re.findall(r"^\| \[`nmt/(\w+\.py)`\]", README, flags=re.M)) == modules


def test_training_names_every_preset() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGES["training"], flags=re.M)
    assert sorted(rows) == sorted(config.PRESETS)


def test_a_room_imports_only_what_comes_before_it_on_the_way() -> None:
    """But for training, which validates by translating."""
    there, back = re.findall(r"^.*→.*$", README, flags=re.M)
    way = re.findall(r"\w+", there)
    way.remove("training")
    way += ["search", "translate", "evaluate", "training"]
    assert all(room in back for room in way[-4:-1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    at = {room: number for number, layer in enumerate(layers) for room in layer.split(" | ")}
    places = [at[room] for room in way]
    assert places == sorted(places, reverse=True)


def test_every_room_says_why_it_exists() -> None:
    for path in (ROOT / "nmt").glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_every_setting_is_documented_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for key, value in config.flat(config.Settings()).items():
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        assert f"| `{key}` | `{shown}` | " in page, key
    assert set(re.findall(r"^\| `(\w+\.\w+)`", page, re.M)) == set(config.keys())


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
