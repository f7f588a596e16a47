"""The warm process: the same as without it, or not there at all."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import Result, nmt

from nmt import decoding, warm
from nmt.checkpoint import read_tensors, write_tensors
from nmt.errors import NmtError

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")

IDLE = "60"

# What stands for the command line: it says what it was asked, and answers the first line of input.
STAND_IN = """
import os, sys
from pathlib import Path
from nmt import warm

def run(words, memory):
    if words == ["mistyped"]:
        return 1
    memory.recall(Path("."), str)
    if words == ["wrong"]:
        print("said of it", file=sys.stderr)
        return 1
    if words == ["fault"]:
        raise RuntimeError("a fault of ours")
    source = sys.stdin.buffer.raw
    print(os.getcwd(), *words, flush=True)
    while data := source.read(1 << 16):
        if words == ["dies"]:
            sys.stdout.flush()
            os._exit(9)
        sys.stdout.buffer.write(data.upper())
        sys.stdout.buffer.flush()
    return 0

warm.serve(Path(sys.argv[1]), float(sys.argv[2]), run)
"""


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too long for a socket
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.delenv("NMT_KEEP_WARM", raising=False)
        yield


def refuse(text: str) -> None:
    raise AssertionError(text)


@contextmanager
def process(idle: str = IDLE, place: Path | None = None) -> Iterator[tuple[Path, psutil.Popen]]:
    """The stand-in, listening; or the true one at the `place` of a run."""
    where = place or place_of("x")
    assert where
    where.parent.mkdir(mode=0o700, exist_ok=True)
    how = ["-m", "nmt", "keep-warm"] if place else ["-c", STAND_IN]
    command = [sys.executable, *how, str(where), idle]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout
        assert started.stdout.read() == b"\n"  # it listens, and has let go of our pipe
        try:
            yield where, started
        finally:
            started.kill()


def place_of(run: Path | str) -> Path:
    place = warm.place_for(decoding.runs_of(str(run)), "auto", None)
    assert place
    return place


def finish(call: warm.Call | None, source: bytes = b"") -> tuple[int, bytes, str]:
    assert call
    out, err = io.BytesIO(), io.StringIO()
    with call:
        return call.finish(io.BytesIO(source), out, err), out.getvalue(), err.getvalue()


def asked(place: Path, *words: str, keep: float | None = None) -> warm.Call | None:
    return warm.call(place, words, keep, refuse)


# --- the protocol ---------------------------------------------------------------------------------


def test_bytes_go_to_and_fro_one_caller_after_another() -> None:
    long = os.urandom(300_000).lower()
    with process() as (place, _):
        for words in (["a"], ["b", "ü"]):
            code, out, _ = finish(asked(place, *words), long)
            first, _, rest = out.partition(f"{' '.join(words)}\n".encode())
            assert (code, rest) == (0, long.upper())
            assert first == f"{Path.cwd()} ".encode()


def test_errors_reach_the_caller_and_the_process_goes_on() -> None:
    with process() as (place, _):
        assert finish(asked(place, "wrong"), b"unread") == (1, b"", "said of it\n")
        code, _, said = finish(asked(place, "fault"))
        assert code == 1 and "a fault of ours" in said
        assert finish(asked(place, "a"), b"x")[0] == 0


def test_a_second_caller_does_it_alone() -> None:
    with process() as (place, _):
        first = asked(place, "a")
        assert first
        assert asked(place, "b") is None
        assert finish(first, b"x")[1].endswith(b"X")
        assert finish(asked(place, "b"), b"y")[1].endswith(b"Y")


def test_a_caller_that_vanishes_frees_the_process() -> None:
    with process() as (place, _):
        gone = asked(place, "a")
        assert gone
        with gone:
            pass
        while (call := asked(place, "b")) is None:  # until it has noticed
            pass
        assert finish(call, b"x")[0] == 0


def test_a_process_that_dies_midway_is_told_and_nothing_is_doubled() -> None:
    out = io.BytesIO()
    with process() as (place, started):
        call = asked(place, "dies")
        assert call
        with call, pytest.raises(NmtError, match="ended before its work was done"):
            call.finish(io.BytesIO(b"x\n"), out, io.StringIO())
        assert started.wait(60) == 9
        assert out.getvalue().count(b"\n") == 1
        assert place.exists()  # a socket that nobody listens at
        assert asked(place, "a") is None
        with process() as (again, _):
            assert again == place
            assert finish(asked(place, "a"))[0] == 0


def test_it_expires_when_idle_and_leaves_nothing() -> None:
    with process(idle="0.05") as (place, started):
        assert started.wait(60) == 0
        assert not list(place.parent.iterdir())


def test_a_call_can_end_it_and_so_can_a_signal() -> None:
    with process() as (place, started):
        assert finish(asked(place, "a", keep=0.0))[0] == 0
        assert started.wait(60) == 0
    with process() as (place, started):
        finish(asked(place, "wrong"))
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) != 0
        assert asked(place, "a") is None


def test_it_goes_if_the_first_call_finds_no_model() -> None:
    with process() as (place, started):
        assert finish(asked(place, "mistyped"))[0] == 1
        assert started.wait(60) == 0
        assert not list(place.parent.iterdir())


def test_a_process_that_never_listens_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    started, begin = [], subprocess.Popen

    def popen(_: list[str], **how: Any) -> subprocess.Popen[bytes]:
        process = begin(stuck, **how)
        started.append(psutil.Process(process.pid))
        return process

    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setattr(warm, "_BEGINNING", 0.1)
    warned: list[str] = []
    assert warm.call(place_of("x"), ["a"], 5.0, warned.append) is None
    assert len(warned) == 1
    started[0].wait(60)


def test_a_folder_that_others_can_enter_is_not_trusted() -> None:
    with process() as (place, _):
        place.parent.chmod(0o755)
        assert asked(place, "a") is None
        warned: list[str] = []
        assert warm.call(place, ["a"], 5.0, warned.append) is None
        assert len(warned) == 1


def test_whatever_decides_the_answer_has_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def places() -> list[Path | None]:
        ways: list[tuple[list[str], str, int | None]] = [
            *((["a"], device, threads) for device in ("cpu", "cuda") for threads in (1, None)),
            *((names, "cpu", 1) for names in (["a", "b"], ["a,b"])),
        ]
        return [
            warm.place_for([Path(name) for name in names], device, threads)
            for names, device, threads in ways
        ]

    before = places()
    assert len(set(before)) == 6
    assert places() == before
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert not set(places()) & set(before)


def test_a_caller_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom nmt import cli, decoding, stream, warm\n"
        "heavy = {'torch', 'numpy', 'sentencepiece', 'msgspec', 'safetensors', 'rich'}\n"
        "request = decoding.Request(runs=[Path('x')], n_best=2)\ndecoding.check(request)\n"
        "warm.call(warm.place_for(request.runs, 'auto', None), ['translate'], None, print)\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# --- the command ----------------------------------------------------------------------------------


def cold(*words: str | Path, stdin: bytes) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm, "call", lambda *_: None)
        return nmt("translate", *words, stdin=stdin)


def test_a_command_comes_to_the_same(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "ba ce\n\nдi fo\r\n\x00\u2028\nba".encode() + b"\xff\nlast"
    (tmp_path / "in").write_bytes(lines)
    ways: list[Sequence[str | Path]] = [
        (run,),
        (run, "--beam=1", "--quiet"),
        (run, "--format=jsonl", "--beam=3", "--n-best=3", "--subword-alignments"),
        (run, "--sample", "--seed=3"),
        (run, tmp_path / "in"),
        (run, "--n-best=9"),  # an error
        (f"{run},{run}",),
    ]
    expected = [cold(*way, stdin=lines) for way in ways]
    assert {result.code for result in expected} == {0, 1}
    monkeypatch.chdir(run.parent)  # a run's name is the caller's
    with process(place=place_of(run)), process(place=place_of(f"{run},{run}")):
        monkeypatch.setattr(
            decoding, "load_runs", refuse
        )  # from here on nothing is done in this process
        for way, result in zip(ways, expected, strict=True):
            words = [run.name if word == run else word for word in way]
            assert nmt("translate", *words, stdin=lines) == result
        out = tmp_path / "out"
        assert nmt("translate", run, "--output", out, stdin=lines).out == b""
        assert out.read_bytes() == expected[0].out
        missing = nmt("translate", run, tmp_path / "none", stdin=lines)
        assert missing.code == 1 and "cannot be read" in missing.err


def test_other_files_are_the_callers_and_read_anew(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("translate", run, "--terms=terms.tsv", "--attention-plot=plot.svg")
    with process(place=place_of(run)):
        monkeypatch.setattr(decoding, "load_runs", refuse)
        for term in ("tu lo", "ri so"):
            Path("terms.tsv").write_text(f"ba\t{term}\n")
            result = nmt(*words, stdin=b"ba di\n")
            assert result.code == 0 and term.encode() in result.out
            Path("plot.svg").unlink()


def test_what_another_process_cannot_reach_is_done_here(tmp_path: Path) -> None:
    with process() as (place, _):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "cwd", lambda: tmp_path / "none")
            assert asked(place, "a") is None
        for pipe in ("/dev/fd/9", "--terms=/dev/fd/9", "/dev/stdin"):
            assert asked(place, pipe) is None
        assert finish(asked(place, "/data/dev/test"), b"x")[0] == 0


def test_it_never_answers_for_a_model_that_changed(run: Path, tmp_path: Path) -> None:
    copy, lines = tmp_path / "copy", b"ba ce di\nfo gu\n"
    shutil.copytree(run, copy)
    weights, others = copy / "model.safetensors", tmp_path / "others"
    tensors, written = read_tensors(weights)
    write_tensors(others, {name: -tensor for name, tensor in tensors.items()}, written)
    about = weights.stat()
    assert others.stat().st_size == about.st_size
    with process(place=place_of(copy)):
        before = nmt("translate", copy, "--format=tsv", stdin=lines)
        weights.write_bytes(others.read_bytes())  # in place, of the same size and date
        os.utime(weights, ns=(about.st_atime_ns, about.st_mtime_ns))
        after = nmt("translate", copy, "--format=tsv", stdin=lines)
        assert before.code == after.code == 0 and before != after
        assert after == cold(copy, "--format=tsv", stdin=lines)
        weights.unlink()
        assert "no weights" in nmt("translate", copy, stdin=lines).err


def test_the_option_leaves_one_behind_that_holds_no_pipe_and_ends_it(run: Path) -> None:
    command = [sys.executable, "-m", "nmt", "translate", str(run), "--keep-warm", "1m"]
    result = subprocess.run(command, input=b"ba ce\n", capture_output=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == cold(run, stdin=b"ba ce\n").out
    (left,) = [p for p in psutil.process_iter() if str(place_of(run)) in _words(p)]
    assert os.getsid(left.pid) == left.pid  # a Ctrl-C at the caller's terminal is not for it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "load_runs", refuse)
        assert nmt("translate", run, "--keep-warm=0", stdin=b"ba ce\n").out == result.stdout
    left.wait(60)


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
