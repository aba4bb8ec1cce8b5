"""The running product: composition root, the chain of steps, and the desk that answers for them."""

from connectors.runtime.runtime import Companion, Runtime, open_stores

__all__ = ["Companion", "Runtime", "open_stores"]
