"""Closed forms of queueing theory and reliability. Times in seconds, rates per second; no product code."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any


def mm1k(arrivals: float, service: float, room: int) -> dict[str, float]:
    """One exponential server, at most ``room`` parts waiting and served; the others are lost.

    Source:
        Kleinrock, Queueing Systems I (1975), section 3.6.
    """
    weights = [(arrivals / service) ** n for n in range(room + 1)]
    share = [w / sum(weights) for w in weights]
    taken = arrivals * (1.0 - share[-1])
    inside = sum(n * p for n, p in enumerate(share))
    return {
        "lost": share[-1],
        "throughput": taken,
        "in_system": inside,
        "time_in_system": inside / taken,
        "busy": 1.0 - share[0],
    }


def mmc(arrivals: float, service: float, servers: int) -> dict[str, float]:
    """Several exponential servers with one queue (Erlang C).

    Source:
        Kleinrock, Queueing Systems I (1975), section 3.5.
    """
    load = arrivals / service
    tail = load**servers / math.factorial(servers) / (1.0 - load / servers)
    waits = tail / (sum(load**n / math.factorial(n) for n in range(servers)) + tail)
    time = waits / (servers * service - arrivals) + 1.0 / service
    return {"waits": waits, "time_in_system": time, "in_system": arrivals * time}


def mg1_wait(arrivals: float, mean: float, second_moment: float) -> float:
    """Mean wait before one server with Poisson arrivals (Pollaczek and Khinchine).

    Source:
        Kleinrock, Queueing Systems I (1975), section 5.6.
    """
    return arrivals * second_moment / (2.0 * (1.0 - arrivals * mean))


def second_moment(law: Mapping[str, Any]) -> float:
    """Mean square of a duration law as a plant file writes it. [s2]

    Source:
        Law, Simulation Modeling and Analysis, 5th ed., section 6.2.
    """
    kind = law["law"]
    if kind == "uniform":
        a, b = law["low_s"], law["high_s"]
        return float((a * a + a * b + b * b) / 3.0)
    if kind == "triangular":
        a, c, b = law["low_s"], law["mode_s"], law["high_s"]
        return float((a * a + b * b + c * c + a * b + a * c + b * c) / 6.0)
    if kind == "empirical":
        q = law["quantiles_s"]
        steps = list(itertools.pairwise(q))
        return float(sum(a * a + a * b + b * b for a, b in steps) / 3.0 / len(steps))
    if kind == "constant":
        return float(law["value_s"] ** 2)
    return float(law["mean_s"] ** 2 * (1.0 + _squared_variation(law)))


def _squared_variation(law: Mapping[str, Any]) -> float:
    kind = law["law"]
    if kind == "weibull":
        k = law["shape"]
        return math.gamma(1.0 + 2.0 / k) / math.gamma(1.0 + 1.0 / k) ** 2 - 1.0
    if kind == "geometric":
        return float(1.0 - law["step_s"] / law["mean_s"])
    return float(
        {
            "exponential": lambda: 1.0,
            "erlang": lambda: 1.0 / law["phases"],
            "gamma": lambda: law["cv"] ** 2,
            "lognormal": lambda: law["cv"] ** 2,
        }[kind]()
    )


def jackson_time(arrivals: float, services: Sequence[float], visits: Sequence[float]) -> float:
    """Mean time from entering to leaving an open network of exponential servers.

    Source:
        Jackson, Operations Research 5 (1957) 518-521.
    """
    return sum(v / (s - arrivals * v) for s, v in zip(services, visits, strict=True))


def closed_throughput(services: Sequence[float], cards: int) -> float:
    """Parts per second of a closed loop of exponential servers: CONWIP (mean value analysis).

    Source:
        Reiser & Lavenberg, Journal of the ACM 27 (1980) 313-322.
    """
    return _closed(services, cards)[0]


def closed_time(services: Sequence[float], cards: int) -> float:
    """Mean time from the start of work at the first server to the end at the last one.

    A card that waits before the first server has no part yet.
    """
    rate, queue = _closed(services, cards)
    waiting = queue[0] - rate / services[0]
    return (cards - waiting) / rate


def _closed(services: Sequence[float], cards: int) -> tuple[float, list[float]]:
    """Throughput, and mean cards at each server."""
    queue = [0.0] * len(services)
    rate = 0.0
    for n in range(1, cards + 1):
        times = [(1.0 + q) / s for q, s in zip(queue, services, strict=True)]
        rate = n / sum(times)
        queue = [rate * t for t in times]
    return rate, queue


def normalising_throughput(services: Sequence[float], cards: int) -> float:
    """The same by the convolution of Buzen, Communications of the ACM 16 (1973) 527-531."""
    g = [1.0] + [0.0] * cards
    for s in services:
        for n in range(1, cards + 1):
            g[n] += g[n - 1] / s
    return g[cards - 1] / g[cards]


def machines_up(machines: int, crews: int, fails: float, mends: float) -> float:
    """Mean number of machines that run, each failing while it runs, mended by few crews.

    Source:
        Cox & Smith, Queues (1961), section 3.3; Palm's machine interference.
    """
    weights = [1.0]
    for down in range(1, machines + 1):
        weights.append(weights[-1] * (machines - down + 1) * fails / (min(down, crews) * mends))
    return sum((machines - n) * w for n, w in enumerate(weights)) / sum(weights)


def tended_pair(running: float, tending: float) -> float:
    """Parts per second of two machines with one operator: tended for ``tending`` s, then run alone.

    Running times are exponential of mean ``running``. After each tending the other machine waits with
    probability q = 1 - exp(-tending / running), whatever came before; so a cycle between two ends of
    tending takes tending + (1 - q) running / 2.

    Source:
        Takacs, Introduction to the Theory of Queues (1962), chapter 5 (two machines).
    """
    return 1.0 / (tending + math.exp(-tending / running) * running / 2.0)
