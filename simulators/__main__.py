"""``python -m simulators``: the practice plant from the command line."""

import sys

from simulators.cli import main

if __name__ == "__main__":
    sys.exit(main())
