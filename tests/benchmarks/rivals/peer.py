"""Times one rival, in a process of its own: ``python peer.py ciw_line '{"stations": 10, ...}' 3``.

Runs under any interpreter that has the rival; imports nothing of this repository. (Ciw installs a
package named ``tests``, so it cannot live beside ours.)
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from importlib.metadata import version


def main() -> None:
    name, arguments, rounds = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    module = importlib.import_module(name)
    least, counts = float("inf"), []
    for _ in range(rounds):
        began = time.process_time()
        counts.append(module.run(**arguments))
        least = min(least, time.process_time() - began)
    if any(found != counts[0] for found in counts):
        raise SystemExit(f"{name} counted {counts}")
    package = name.partition("_")[0]
    found = {"cpu_s": least, "counts": counts[0], "version": version(package)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
