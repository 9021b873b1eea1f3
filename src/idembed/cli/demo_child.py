"""Reads docstrings of the standard library; run as a script of its own, never imported by idembed.

Importing a module runs it, and among the hundreds of the standard library some fail, exit, hang or print. So
``demo_rows`` runs this file in a child process away from the terminal, and starts it again behind the module
at which it ended. Each line of the output file is a JSON object: ``{"modules": n}``,
then for each module ``{"begin": index}`` and ``{"found": [...]}``, and ``{"end": true}``.

    python -I -S demo_child.py OUTPUT START
"""

import importlib
import importlib.util
import inspect
import json
import os
import os.path
import pkgutil
import re
import sys
from collections.abc import Iterator

PUBLIC_NAME = {os.path.__name__: "os.path"}
"""Modules that are documented under another name than their own."""
IMPLEMENTATION = {"genericpath", "nt", "ntpath", "posix", "posixpath"} - set(PUBLIC_NAME)
"""Public by name, but documented as ``os`` and ``os.path``."""
SKIPPED = {"antigravity", "distutils", "idlelib", "lib2to3", "test", "this", "turtledemo"} | IMPLEMENTATION
"""They open a browser, print a poem, are applications or tests, or left the library after Python 3.11."""
SKIPPED_PARTS = {"idle_test", "test", "tests"}

_ADDRESS = re.compile(r"\s+at 0x[0-9A-Fa-f]+")
_SIGNATURE = re.compile(r"[\w.]+\(.*\)(\s*--?>\s*[\w.\[\]|, ]{1,24})?|\(.*\)")


def modules() -> list[str]:
    """Every public module of the standard library by its importable name, sorted; imports none of them."""
    found: set[str] = set()
    for name in sys.stdlib_module_names:
        if not name.startswith("_") and name not in SKIPPED:
            found.add(name)
            try:
                spec = importlib.util.find_spec(name)
            except (ImportError, ValueError, AttributeError):
                continue
            if spec is not None and spec.submodule_search_locations:
                found.update(_submodules(list(spec.submodule_search_locations), f"{name}."))
    return sorted(found)


def _submodules(paths: list[str], prefix: str) -> Iterator[str]:
    for module in pkgutil.iter_modules(paths):
        if module.name.startswith("_") or module.name in SKIPPED_PARTS:
            continue
        yield prefix + module.name
        if module.ispkg:
            below = [os.path.join(path, module.name) for path in paths]
            yield from _submodules(below, f"{prefix}{module.name}.")


def document(name: str) -> list[dict[str, object]]:
    """What module ``name`` offers under public names: itself, its classes and its functions.

    Each has ``id`` (dotted name), ``kind``, ``module``, ``text`` (first paragraph of its docstring), ``key``
    (the same for one object wherever it is found) and ``rank`` (the smallest names it best).
    """
    module = importlib.import_module(name)
    public = PUBLIC_NAME.get(name, name)
    found: list[dict[str, object]] = []

    def add(dotted: str, kind: str, doc: object, key: list[str], rank: list[object]) -> None:
        if text := first_paragraph(doc):
            found.append({"id": dotted, "kind": kind, "module": public, "text": text, "key": key, "rank": rank})

    add(public, "module", module.__doc__, [public, ""], [0])
    listed = getattr(module, "__all__", None)
    names = {n for n in listed if isinstance(n, str)} if listed is not None else set(vars(module))
    for attribute in sorted(n for n in names if not n.startswith("_")):
        value = getattr(module, attribute, None)
        kind = "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else None
        if kind is None:
            continue
        home = getattr(value, "__module__", None)
        home = home if isinstance(home, str) else name
        if not _belongs(home, name, listed is not None):
            continue
        dotted = f"{public}.{attribute}"
        # An object goes by its own name, in the module it says it is from, under the shortest dotted name.
        rank = [
            getattr(value, "__name__", attribute) != attribute,
            not (home == name or home.startswith(f"{name}.")),
            dotted.count("."),
            len(dotted),
            dotted,
        ]
        key = [home, str(getattr(value, "__qualname__", attribute))]
        add(dotted, kind, getattr(value, "__doc__", None), key, rank)
    return found


def _belongs(home: str, module: str, listed: bool) -> bool:
    """Whether ``module`` offers an object whose ``__module__`` is ``home``, rather than merely using it."""
    if home == module or home.startswith((f"{module}.", "_")) or home in IMPLEMENTATION:
        return True
    return listed and home.partition(".")[0] == module.partition(".")[0]


def first_paragraph(doc: object) -> str:
    """First paragraph of a docstring as one line, after signatures such as ``len(obj, /)``; "" if none."""
    if not isinstance(doc, str):
        return ""
    paragraphs = [p for p in re.split(r"\n\s*\n", inspect.cleandoc(doc)) if p.strip()]
    for paragraph in paragraphs:
        lines = [line.strip() for line in paragraph.splitlines()]
        while lines and _SIGNATURE.fullmatch(lines[0]):
            del lines[0]
        if lines:
            return _one_line(" ".join(lines))
    return _one_line(paragraphs[0]) if paragraphs else ""


def _one_line(text: str) -> str:
    clean = _ADDRESS.sub("", " ".join(text.split()))
    return clean if any(c.isalpha() for c in clean) else ""


def main(output: str, start: int) -> None:
    """Write what was found in the modules from ``start`` on to the file ``output``, a line at a time."""
    process = os.getpid()
    with open(output, "ab", buffering=0) as file:

        def write(value: dict[str, object]) -> None:
            file.write(json.dumps(value).encode() + b"\n")

        names = modules()
        write({"modules": len(names)})
        for index, name in enumerate(names[start:], start):
            write({"begin": index})
            try:
                found = document(name)
            except BaseException:  # SystemExit and KeyboardInterrupt too: the others must not be lost
                found = []
            if os.getpid() != process:  # the module forked, and this is the copy
                os._exit(0)
            write({"found": found})
        write({"end": True})
    os._exit(0)  # whatever threads or exit handlers the modules have left behind


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
