"""Which commands there are, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from idembed.cli import (
    ann,
    copy,
    demo,
    encode,
    export,
    judge,
    lock,
    plan,
    prove,
    pull,
    rebuild,
    search,
    similarity,
    spend,
    status,
    switch,
    sync,
    train,
    upgrade,
    verify,
)
from idembed.cli.confirm import DeclinedError
from idembed.cli.models import models
from idembed.cli.output import abandon_output, prepare_streams, print_error
from idembed.cli.vault import vault
from idembed.errors import IdembedError

__all__ = ["app", "main"]

INTERRUPTED = 130
_ClickException: Any = typer.BadParameter.__mro__[2]  # click's, or that of the click in newer typers

app = typer.Typer(
    name="idembed",
    help="Same text, same vector: embeddings that do not move, and a search index built on them.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib import metadata  # 50 ms that no other command needs

        print(f"idembed {metadata.version('idembed')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


for command in (
    demo.demo,
    encode.encode,
    similarity.similarity,
    pull.pull,
    sync.sync,
    search.search,
    ann.ann,
    plan.plan,
    status.status,
    verify.verify,
    prove.prove,
    lock.lock,
    upgrade.upgrade,
    judge.judge,
    switch.switch,
    switch.rollback,
    switch.drop,
    rebuild.rebuild,
    copy.copy,
    copy.adopt,
    export.export,
    train.train,
    spend.spend,
):
    app.command()(command)
app.add_typer(models, name="models")
app.add_typer(vault, name="vault")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (docs/cli.md). ``arguments`` default to ``sys.argv[1:]``."""
    prepare_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json, code = "--json" in given, 0
    try:
        code = _run(given)
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_output()
        return code
    except KeyboardInterrupt as stop:  # a command that knows better says what there is
        there_is = str(stop) or "what was committed is kept"
        print_error(f"interrupted; {there_is}", code=INTERRUPTED, as_json=as_json)
        return INTERRUPTED
    except IdembedError as error:
        declined = isinstance(error, DeclinedError)
        if declined and not as_json:
            print(error.message, file=sys.stderr)
            return error.exit_code
        _traceback()
        print_error(
            error.message,
            hint=error.hint,
            kind="RefusedError" if declined else type(error).__name__,
            facts=error.facts,
            code=error.exit_code,
            as_json=as_json,
        )
        return error.exit_code
    except Exception as error:
        _traceback()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            where = error.filename or "the output"
            print_error(f"{where}: {error.strerror}", hint="free some space", kind="OSError", code=5, as_json=as_json)
            return 5
        print_error(
            f"{type(error).__name__}: {error}",
            hint="this is unexpected: set IDEMBED_DEBUG=1 to see where it happened, and please report it",
            kind=type(error).__name__,
            as_json=as_json,
        )
        return 1
    return code


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    if "_IDEMBED_COMPLETE" in os.environ:  # the shell asks for completions
        command.main(arguments, prog_name="idembed")
    try:
        with command.make_context("idembed", arguments or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _ClickException as error:
        where = getattr(error, "ctx", None)
        path = where.command_path if where is not None else "idembed"
        print_error(
            error.format_message(),
            hint=f"try: {path} --help",
            kind="UsageError",
            code=2,
            as_json="--json" in arguments,
        )
        return 2
    return 0


def _traceback() -> None:
    if os.environ.get("IDEMBED_DEBUG"):
        traceback.print_exc()
