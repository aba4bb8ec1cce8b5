"""What-if: changes to the plant file's values, and their effect under common random numbers."""

from twin.scenarios.changes import Change, apply_changes, parse_change
from twin.scenarios.comparison import Comparison, KpiComparison, compare

__all__ = ["Change", "Comparison", "KpiComparison", "apply_changes", "compare", "parse_change"]
