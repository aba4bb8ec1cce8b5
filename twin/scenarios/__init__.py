"""Experiments: what-if, sweeps and the best of several, in pairs on common random numbers."""

from twin.scenarios.arguments import Execution, RunArguments
from twin.scenarios.best import select_best
from twin.scenarios.blocks import run_plants
from twin.scenarios.bottleneck import Bottleneck, StationShare, bottleneck
from twin.scenarios.cache import RunCache, code_version
from twin.scenarios.changes import Change, apply_changes, parse_change
from twin.scenarios.comparison import Comparison, KpiComparison, compare
from twin.scenarios.critical_path import CriticalPath, PathStep, critical_path
from twin.scenarios.parameters import Parameter
from twin.scenarios.precision import PreciseRun, Precision, run_until
from twin.scenarios.scenario import Scenario, parse_scenario, scenario_of
from twin.scenarios.selection import Alternative, Elimination, Selection
from twin.scenarios.sensitivity import Sensitivities, Sensitivity, sensitivities
from twin.scenarios.sweep import Sweep, SweepPoint, sweep, sweep_points
from twin.scenarios.warmup import Truncation, WarmUp, choose_warm_up, mser5, warm_up

__all__ = [
    "Alternative",
    "Bottleneck",
    "Change",
    "Comparison",
    "CriticalPath",
    "Elimination",
    "Execution",
    "KpiComparison",
    "Parameter",
    "PathStep",
    "PreciseRun",
    "Precision",
    "RunArguments",
    "RunCache",
    "Scenario",
    "Selection",
    "Sensitivities",
    "Sensitivity",
    "StationShare",
    "Sweep",
    "SweepPoint",
    "Truncation",
    "WarmUp",
    "apply_changes",
    "bottleneck",
    "choose_warm_up",
    "code_version",
    "compare",
    "critical_path",
    "mser5",
    "parse_change",
    "parse_scenario",
    "run_plants",
    "run_until",
    "scenario_of",
    "select_best",
    "sensitivities",
    "sweep",
    "sweep_points",
    "warm_up",
]
