"""Fixed-step physics of the practice line, with hidden wear; never the twin's engine."""

from simulators.physics.emission import Emission
from simulators.physics.faults import InjectedFault
from simulators.physics.plant import PracticePlant

__all__ = ["Emission", "InjectedFault", "PracticePlant"]
