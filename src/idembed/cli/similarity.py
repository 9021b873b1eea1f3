"""``idembed similarity``: how alike texts are."""

from __future__ import annotations

import math
from operator import mul
from typing import Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, clean, cut
from idembed.cli.progress import Bars
from idembed.errors import OptionError

__all__ = ["similarity"]


def similarity(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT TEXT…", help="Two or more texts.")],
    model: options.Model = options.DEFAULT_MODEL,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare every text with every other.

    1 is the same meaning, 0 is nothing in common (for models whose vectors have length 1).
    """
    if len(texts) < 2:
        raise OptionError("similarity compares at least two texts", hint='idembed similarity "a cat" "a kitten"')
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed import models
        from idembed.models.texts import raise_refused

        with Bars(quiet=quiet) as bars:
            bars.update(f"loading {model}")
            loaded = models.load(model)
            embedded = loaded.embed(texts)
            raise_refused(embedded)
        vectors = [vector.tolist() for vector in embedded.vectors]
        truncated = sum(receipt.truncated for receipt in embedded.receipts)
        # fsum rounds once, so that the matrix is the same on every machine and exactly symmetric.
        matrix = [[math.fsum(map(mul, a, b)) for b in vectors] for a in vectors]
        out.result(
            {
                "model": loaded.name,
                "similarity": loaded.space.similarity,
                "texts": texts,
                "truncated": truncated,
                "matrix": matrix,
            }
        )
        if truncated:
            out.warn(cut(truncated))
        if not as_json:
            _show(texts, matrix)


def _show(texts: list[str], matrix: list[list[float]]) -> None:
    label = len(str(len(texts)))
    cells = [[f"{value:.3f}" for value in row] for row in matrix]
    width = max(len(cell) for row in cells for cell in row) + 2
    print(" " * label + "".join(f"{number:>{width}}" for number in range(1, len(texts) + 1)))
    for number, (row, text) in enumerate(zip(cells, texts, strict=True), 1):
        print(f"{number:>{label}}" + "".join(f"{cell:>{width}}" for cell in row) + f"  {clean(text)}")
