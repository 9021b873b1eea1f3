"""``python -m idembed``."""

import sys

from idembed.cli import main

if __name__ == "__main__":
    sys.exit(main())
