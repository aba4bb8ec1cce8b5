"""``python -m twin.engine`` compiles the fast engines for this machine; see ``twin.engine.warm``."""

from twin.engine.warm import compile_engines

compile_engines()
