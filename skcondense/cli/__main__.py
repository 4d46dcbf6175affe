"""``python -m skcondense.cli`` is ``skcondense``."""

import sys

from skcondense.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
