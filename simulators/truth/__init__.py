"""What the practice plant really did and sent."""

from simulators.truth.accounts import Accounts

__all__ = ["Accounts"]
