"""The command line: ``idembed …`` and ``python -m idembed``. Each command is one thin file."""

from idembed.cli.app import main

__all__ = ["main"]
