"""Random streams are pure functions of their name and index."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.engine.streams import BLOCK, Stream, mix64, stream_key, uniform, uniforms

GOLDEN_GAMMA = 0x9E37_79B9_7F4A_7C15


@given(st.lists(st.integers(0, 5000) | st.integers(0, 2**44), min_size=1, max_size=20))
def test_the_order_of_asking_changes_nothing(indices: list[int]) -> None:
    stream = Stream(1, 2, "press", "cycle")
    asked = [stream.at(i) for i in indices]
    assert asked == [uniform(1, 2, "press", "cycle", i) for i in indices]
    assert all(0.0 <= u < 1.0 for u in asked)


@pytest.mark.parametrize(
    ("seed", "published"),
    [
        # The first outputs of SplitMix64 as given on Rosetta Code and by Vigna's splitmix64.c.
        (
            1234567,
            [
                6457827717110365317,
                3203168211198807973,
                9817491932198370423,
                4593380528125082431,
                16408922859458223821,
            ],
        ),
        (0, [16294208416658607535, 7960286522194355700, 487617019471545679]),
    ],
)
def test_the_mix_is_splitmix64(seed: int, published: list[int]) -> None:
    n = len(published)
    z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN_GAMMA)
    assert mix64(z).tolist() == published
    assert uniforms(seed, GOLDEN_GAMMA, 1, n).tolist() == [(w >> 12) / 2**52 for w in published]


def test_a_key_is_the_digest_of_the_name_with_an_odd_increment() -> None:
    digest = blake2b(b"5\x1f0\x1foven\x1flife/heater", digest_size=16).digest()
    start, gamma = stream_key(5, 0, "oven", "life/heater")
    assert start == int.from_bytes(digest[:8], "little")
    assert gamma == int.from_bytes(digest[8:], "little") | 1


def test_no_increment_has_bits_that_seldom_change() -> None:
    gammas = [stream_key(0, r, "oven", "cycle")[1] for r in range(20_000)]
    assert min((g ^ g >> 1).bit_count() for g in gammas) >= 24
    assert all(g % 2 == 1 for g in gammas)


def test_a_stream_goes_on_where_its_blocks_meet_and_where_its_counter_wraps() -> None:
    stream = Stream(5, 0, "oven", "life/heater")
    whole = uniforms(stream.start, stream.gamma, 0, 3 * BLOCK + 7)
    assert [stream.at(i) for i in range(whole.size)] == whole.tolist()
    assert uniforms(stream.start, stream.gamma, 2**64 + 5, 1)[0] == whole[5]


def test_first_draws_are_pinned_so_that_results_can_be_repeated_for_years() -> None:
    assert [uniform(0, 0, "printer", "cycle", i) for i in (0, 1, 1000)] == [
        0.9181572381530689,
        0.9639575209215201,
        0.9710658132786565,
    ]


def test_every_part_of_the_name_makes_another_stream() -> None:
    names = [
        (0, 0, "a", "cycle"),
        (1, 0, "a", "cycle"),
        (0, 1, "a", "cycle"),
        (0, 0, "b", "cycle"),
        (0, 0, "a", "defect"),
        (0, 0, "ac", "ycle"),
    ]
    assert len({Stream(*name).at(0) for name in names}) == len(names)


def test_streams_of_neighbouring_names_are_uncorrelated_at_every_lag() -> None:
    n, streams = 20_000, 40
    u = np.array([uniforms(*stream_key(0, r, "a", "cycle"), 0, n) for r in range(streams)])
    lags = [np.corrcoef(u[:, : n - lag], u[:, lag:])[:streams, streams:] for lag in (0, 1, 2, 7)]
    same = np.eye(streams, dtype=bool)
    found = np.array([lags[0][~same], *(c[~same] for c in lags[1:])]).ravel()
    own = np.array([c[same] for c in lags[1:]]).ravel()
    # Largest of some 6,400 standard normals: 4.9 leaves one chance in 160 (fixed by the seed).
    assert np.abs(np.append(found, own)).max() * np.sqrt(n) < 4.9


def test_uniforms_are_uniform() -> None:
    n, cells = 400_000, 1000
    u = uniforms(*stream_key(3, 1, "a", "cycle"), 0, n)
    counts = np.bincount((u * cells).astype(int), minlength=cells)
    chi2 = float(((counts - n / cells) ** 2 / (n / cells)).sum())
    assert abs(chi2 - (cells - 1)) < 4 * np.sqrt(2 * (cells - 1))
    assert abs(u.mean() - 0.5) < 4 * np.sqrt(1 / 12 / n)
