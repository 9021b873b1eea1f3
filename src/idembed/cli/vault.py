"""``idembed vault stats | merge | gc``: the folder of vectors that were computed once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, number_of
from idembed.cli.progress import Bars
from idembed.errors import OptionError

__all__ = ["vault"]

vault = typer.Typer(help="Look at, merge and clean the vault: vectors that were computed once, by address.")

Folder = Annotated[
    Path | None, typer.Option("--vault", metavar="FOLDER", help="Which vault (else $IDEMBED_VAULT, or the user's).")
]


@vault.command()
def stats(folder: Folder = None, as_json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Show what is in the vault, by space. In a pipe: space, vectors, dimensions, files, bytes."""
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.vault import Vault

        opened = Vault(folder)
        found = opened.stats()
        out.result(
            {
                "vault": str(opened.path),
                "spaces": [
                    {"space": s.space_id, "vectors": s.vectors, "dim": s.dim, "segments": s.segments, "size": s.size}
                    for s in found
                ],
                "damaged": {path.name: reason for path, reason in opened.damaged.items()},
            }
        )
        if as_json:
            return
        if out.styled and not found:
            out.line(f"{opened.path} is empty")
        for s in found:
            if out.styled:
                out.line(f"{s.space_id[:12]}  {s.vectors:>12,} vectors of {s.dim} dimensions, {s.size / 1e6:,.1f} MB")
            else:
                out.line(s.space_id, str(s.vectors), str(s.dim), str(s.segments), str(s.size))


@vault.command()
def merge(
    other: Annotated[Path, typer.Argument(metavar="FOLDER", help="Another vault.")],
    folder: Folder = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Copy what another vault has into this one. Who writes a vault is trusted."""
    with Output(as_json=as_json, quiet=quiet) as out:
        if not other.is_dir():
            raise OptionError(f"there is no folder {other}", hint="name the folder of a vault")

        from idembed.vault import Vault

        if not Vault(other).spaces():
            raise OptionError(f"there is no vault in {other}", hint="name the folder of a vault")
        opened = Vault(folder)
        with Bars(quiet=quiet) as bars:
            bars.update("copying")
            copied = opened.merge(other)
        out.result({"vault": str(opened.path), "from": str(other), "segments": copied})
        if out.talks:
            out.line(f"copied {number_of(copied, 'file')} into {opened.path}")
        for path, reason in opened.damaged.items():
            out.warn(f"{path}: {reason}")


@vault.command()
def gc(
    indexes: Annotated[list[str], typer.Argument(metavar="INDEX…", help="Every index whose vectors are to be kept.")],
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Only what was written so long ago: 30d, 12h.")
    ] = "30d",
    folder: Folder = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove it; else it is only counted.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Remove vectors that none of these indexes holds, and files that are damaged as a whole.

    Without --yes it only shows what would go. Name every index that uses the vault: vectors of the others would have to
    be paid for again. A file that merely cannot be opened stays.
    """
    age = options.age(older_than, "--older-than")
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index.kept import addresses_of
        from idembed.vault import Vault

        opened = Vault(folder)
        with Bars(quiet=quiet) as bars:
            bars.update("looking")
            report = opened.gc(addresses_of(indexes), older_than=age, dry_run=not yes)
        out.result({"vault": str(opened.path), **asdict(report), "removed": yes})
        if out.talks:
            what = f"{number_of(report.vectors, 'vector')}, {report.size / 1e6:,.1f} MB"
            if report.unreadable:
                what += f"; {number_of(report.unreadable, 'unreadable file')}, {report.unreadable_size / 1e6:,.1f} MB"
            out.line(f"removed {what}" if yes else f"{what} would be removed; --yes removes them")
