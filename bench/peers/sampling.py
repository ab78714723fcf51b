"""Times contenders in turns, as src/bench/sampling.ts does. It knows nothing of what they are."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

WARM_UP_MS = 100
SAMPLE_MS = 2
ROUND_MS = 40
MAX_SAMPLES_PER_ROUND = 4

Row = dict[str, Any]
"""A measurement, as src/bench/types.ts names its parts."""


@dataclass(frozen=True)
class Contender:
    """Something that is timed."""

    identity: Row
    bytes: int
    """That it cannot avoid moving."""
    check: Callable[[], "str | None"]
    """Runs it, and says what is wrong with the result, if anything is. Called before `run`."""
    run: Callable[[], Any]
    """Runs it once, to its end."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: no round is begun after `seconds` beyond the least."""

    min_rounds: int
    max_rounds: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    run: Callable[[], Any]
    calls: int
    """That make one sample: more than one where a call is shorter than the clock is good for."""
    samples_per_round: int


def measure(
    contenders: Sequence[Contender], effort: Effort, on_step: Callable[[str], None] = lambda _: None
) -> list[Row]:
    """Checks every contender, then times those that are right, in turns. A wrong one is failed, never fast."""
    failures = []
    for contender in contenders:
        identity = contender.identity
        on_step(f"checking {identity['label']} {identity['pass']}, {identity['variant']}")
        failures.append(failure_of(contender))
    right = [contender for contender, failure in zip(contenders, failures) if failure is None]
    samples = iter(interleave([contender.run for contender in right], effort, on_step))
    return [
        {**contender.identity, **timed(contender.bytes, next(samples)), "ok": True}
        if failure is None
        else {**contender.identity, "ok": False, "failure": failure}
        for contender, failure in zip(contenders, failures)
    ]


def failure_of(contender: Contender) -> str | None:
    try:
        return contender.check()
    except Exception as error:  # whatever a contender throws is its failure, not the benchmark's
        return first_line(error)


def first_line(error: BaseException) -> str:
    """An error as a line that may leave this machine."""
    lines = str(error).replace(str(Path.home()), "~").strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:200]


def interleave(
    runs: Sequence[Callable[[], Any]], effort: Effort, on_step: Callable[[str], None]
) -> list[list[float]]:
    """Each contender's samples, in milliseconds a call; round-robin, so that a slow while slows all of them down."""
    plans = [warm_up(run) for run in runs]
    samples: list[list[float]] = [[] for _ in runs]
    began = time.perf_counter()
    for number in range(effort.max_rounds):
        if number >= effort.min_rounds and time.perf_counter() - began > effort.seconds:
            break
        on_step(f"round {number + 1}")
        for plan, taken in zip(plans, samples):
            if plan.samples_per_round > 1:
                plan.run()  # untimed: the threads of the contender before may still be spinning
            taken.extend(sample(plan.run, plan.calls) for _ in range(plan.samples_per_round))
    return samples


def warm_up(run: Callable[[], Any]) -> Plan:
    began = time.perf_counter()
    shortest = sample(run, 1)
    while (time.perf_counter() - began) * 1e3 < WARM_UP_MS:
        shortest = min(shortest, sample(run, 1))
    shortest = max(shortest, 1e-4)
    calls = math.ceil(SAMPLE_MS / shortest)
    fitting = int(ROUND_MS / (calls * shortest))
    return Plan(run, calls, min(max(fitting, 1), MAX_SAMPLES_PER_ROUND))


def sample(run: Callable[[], Any], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - began) * 1e3 / calls


def timed(moved: int, samples: Sequence[float]) -> Row:
    """The spread of samples, and the rate at the median."""
    p20, p50, p80 = (significant(percentile(samples, q)) for q in (0.2, 0.5, 0.8))
    rate = significant(moved / p50 / 1e6)
    return {"ms_p20": p20, "ms_p50": p50, "ms_p80": p80, "samples": len(samples), "gb_per_s": rate}


def percentile(samples: Sequence[float], q: float) -> float:
    """The value below which a share `q` lies, interpolated between neighbours."""
    ordered = sorted(samples)
    at = q * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def significant(value: float) -> float:
    """Four digits: more than a timing has."""
    return float(f"{value:.4g}")
