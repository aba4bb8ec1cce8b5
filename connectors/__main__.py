"""``python -m connectors`` is ``linetwin``."""

from connectors.cli import main

if __name__ == "__main__":
    main()
