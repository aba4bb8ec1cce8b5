"""Experiments: what-if, sweeps and the best of several, in pairs on common random numbers."""

from twin.scenarios.arguments import Execution, RunArguments
from twin.scenarios.best import select_best
from twin.scenarios.blocks import run_plants
from twin.scenarios.cache import RunCache, code_version
from twin.scenarios.changes import Change, apply_changes, parse_change
from twin.scenarios.comparison import Comparison, KpiComparison, compare
from twin.scenarios.scenario import Scenario, parse_scenario, scenario_of
from twin.scenarios.selection import Alternative, Elimination, Selection
from twin.scenarios.sweep import Sweep, SweepPoint, sweep, sweep_points

__all__ = [
    "Alternative",
    "Change",
    "Comparison",
    "Elimination",
    "Execution",
    "KpiComparison",
    "RunArguments",
    "RunCache",
    "Scenario",
    "Selection",
    "Sweep",
    "SweepPoint",
    "apply_changes",
    "code_version",
    "compare",
    "parse_change",
    "parse_scenario",
    "run_plants",
    "scenario_of",
    "select_best",
    "sweep",
    "sweep_points",
]
