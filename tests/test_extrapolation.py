"""Power laws: found again where they are, bounded, and no surer than the points allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmt.extrapolation import (
    BLEU,
    CROSS_ENTROPY,
    Family,
    Panel,
    draw,
    extrapolate,
)

SIZES = [1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0]
LAWS = [(CROSS_ENTROPY, 1.2, 9.0, 0.25), (BLEU, 45.0, -300.0, 0.35), (CROSS_ENTROPY, 0, 50.0, 0.4)]


def law(limit: float, amplitude: float, exponent: float) -> list[float]:
    return [limit + amplitude * size**-exponent for size in SIZES]


@pytest.mark.parametrize(("family", "limit", "amplitude", "exponent"), LAWS)
def test_a_law_without_noise_is_found_again(
    family: Family, limit: float, amplitude: float, exponent: float
) -> None:
    fit = extrapolate(SIZES, law(limit, amplitude, exponent), 0.001, family)
    assert fit is not None
    assert fit.law.limit.item() == pytest.approx(limit, abs=0.3)
    assert fit.law.exponent.item() == pytest.approx(exponent, rel=0.05)
    for size in (32_000, 64_000):
        assert fit.at(size).value == pytest.approx(limit + amplitude * size**-exponent, abs=0.05)
    assert fit.foretold == pytest.approx(law(limit, amplitude, exponent)[-1], abs=0.05)
    gain = limit + amplitude * 32_000**-exponent - law(limit, amplitude, exponent)[-1]
    assert fit.gain(32_000).value == pytest.approx(gain, abs=0.05)


def test_the_range_holds_the_truth_about_as_often_as_it_says() -> None:
    truth, held = 45.0 - 300.0 * 32_000**-0.35, 0
    generator = np.random.default_rng(3)
    for _ in range(60):
        seen = np.array(law(45.0, -300.0, 0.35)) + generator.normal(0, 0.5, len(SIZES))
        fit = extrapolate(SIZES, seen.tolist(), 0.5, BLEU)
        assert fit is not None
        held += fit.at(32_000).low <= truth <= fit.at(32_000).high
    assert 45 <= held <= 60


def test_more_noise_and_more_distance_make_it_less_sure() -> None:
    def width(noise: float, size: float) -> float:
        fit = extrapolate(SIZES, law(45.0, -300.0, 0.35), noise, BLEU)
        assert fit is not None
        return fit.at(size).high - fit.at(size).low

    assert width(0.2, 32_000) < width(0.8, 32_000)
    assert width(0.4, 32_000) < width(0.4, 128_000)


def test_points_that_lie_off_every_law_make_it_less_sure() -> None:
    crooked = np.array(law(45.0, -300.0, 0.35)) + np.array([0, 3.0, -3.0, 3.0, 0])
    fit = extrapolate(SIZES, crooked.tolist(), 0.1, BLEU)
    assert fit is not None
    assert fit.noise > 1


@pytest.mark.parametrize("scores", [[1.0, 5.0, 20.0, 50.0, 90.0], [30.0, 29.0, 31.0, 28.0, 30.0]])
def test_bleu_never_passes_100_and_never_falls(scores: list[float]) -> None:
    fit = extrapolate(SIZES, scores, 1.0, BLEU)
    assert fit is not None
    far = fit.refits.at(1e12)
    assert (far <= 100 + 1e-6).all()
    assert (fit.refits.at(32_000.0) >= fit.refits.at(16_000.0) - 1e-9).all()


def test_two_points_go_towards_the_bound_and_one_tells_nothing() -> None:
    fit = extrapolate([1_000, 2_000], [4.0, 3.0], 0.1, CROSS_ENTROPY)
    assert fit is not None
    assert fit.law.limit.item() == 0
    assert fit.at(4_000).value == pytest.approx(9 / 4, abs=0.02)
    assert fit.foretold is None
    assert extrapolate([1_000], [4.0], 0.1, CROSS_ENTROPY) is None


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_it_is_drawn(suffix: str, count: int, tmp_path: Path) -> None:
    scores = law(1.2, 9.0, 0.25)[:count]
    fit = extrapolate(SIZES[:count], scores, 0.02, CROSS_ENTROPY)
    draw([Panel("perplexity", SIZES[:count], scores, fit, np.exp)], tmp_path / f"x{suffix}")
    assert (tmp_path / f"x{suffix}").stat().st_size > 5_000
