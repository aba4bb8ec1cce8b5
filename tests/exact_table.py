"""Run the exact cases and print the table of docs/explanation/engine-validation.md.

``python -m tests.exact_table ENGINE [part of a name] [relative standard error]``: with an error, every line is
played for as long as that takes, which for queues is minutes.
"""

from __future__ import annotations

import sys
import time

from tests.exact_blocking import LINES
from tests.exact_breakdowns import BREAKDOWNS
from tests.exact_cases import ENGINES, Case, Estimate
from tests.exact_queues import QUEUES
from twin.engine.choose import Engine

CASES: tuple[Case, ...] = (*LINES, *QUEUES, *BREAKDOWNS)


def rows(engine: Engine, part: str = "", relative: str = "") -> None:
    """One line of the table per figure, as soon as it is known."""
    sys.stdout.write(
        "| line | figure | exact | simulated | error | off by | source |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    for case in CASES:
        if part not in case.name:
            continue
        began = time.process_time()
        run = case.run(engine, relative=float(relative) if relative else None)
        took = time.process_time() - began
        for fact in case.facts:
            seen = Estimate.of(fact.reads(run))
            off = (seen.mean - fact.exact) / seen.error
            sys.stdout.write(
                f"| {case.name} | {fact.what} | {fact.exact:.6f} | {seen.mean:.6f} "
                f"| {seen.error / fact.exact:.1e} | {off:+.1f} | {case.source} |\n"
            )
        sys.stderr.write(f"{took:6.1f} s {case.name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    chosen = next(e for e in ENGINES if e == sys.argv[1])
    rows(chosen, *sys.argv[2:4])
