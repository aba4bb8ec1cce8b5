"""The command line: ``linetwin``."""

from connectors.cli.main import main

__all__ = ["main"]
