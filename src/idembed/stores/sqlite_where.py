"""Filters as SQL: each condition becomes an expression in which every key and value is a bound parameter.

The meaning is that of ``filters.matches``. Not every version of SQLite reads decimal numbers to the last bit, so
a float in the metadata that is within a few bits of the wanted one is decided by Python, on the row's own JSON.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from idembed.filters import Condition, Scalar

__all__ = ["Clause", "compile_conditions", "install"]

_SQL_OPERATOR: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_MANY: Final = 200
"""More values than this in one ``in`` go through a temporary table: SQLite limits parameters and depth."""
# The JSON of a row whose metadata another program edited may be anything at all.
_METADATA: Final = "CASE WHEN r.metadata_hash IS NOT NULL OR json_valid(r.metadata) THEN r.metadata ELSE '{}' END"


@dataclass(frozen=True, slots=True)
class Clause:
    """SQL over ``rows AS r`` (or ``parts_<n> AS p``) with its parameters, in order."""

    sql: str
    parameters: tuple[Scalar, ...]


def install(connection: sqlite3.Connection) -> None:
    """Give the connection what compiled filters call."""
    connection.create_function("idembed_number_holds", 4, _number_holds, deterministic=True)


def compile_conditions(
    connection: sqlite3.Connection, conditions: Sequence[Condition]
) -> tuple[Clause | None, Clause | None]:
    """All conditions on rows as one clause over ``r``, and all on parts as one over ``p``; None without any."""
    connection.execute("CREATE TABLE IF NOT EXISTS temp.wanted (condition INTEGER, value)")
    connection.execute("DELETE FROM temp.wanted")
    rows: list[Clause] = []
    parts: list[Clause] = []
    for number, condition in enumerate(conditions):
        compiler = _Compiler(connection, number, condition)
        if condition.key in ("$id", "$scope"):
            rows.append(compiler.string(f"r.{condition.key[1:]}"))
        elif condition.key == "$tokens":
            parts.append(compiler.integer("p.tokens"))
        elif condition.key == "$truncated":
            parts.append(compiler.boolean("p.truncated"))
        else:
            rows.append(compiler.metadata())
    return _all(rows), _all(parts)


def _all(clauses: list[Clause]) -> Clause | None:
    if not clauses:
        return None
    return Clause(
        " AND ".join(f"({clause.sql})" for clause in clauses),
        tuple(value for clause in clauses for value in clause.parameters),
    )


class _Compiler:
    """One condition; ``number`` tells its values in the temporary table from others'."""

    def __init__(self, connection: sqlite3.Connection, number: int, condition: Condition) -> None:
        self._connection = connection
        self._number = number
        self._condition = condition
        values = condition.values
        self._strings = [v for v in values if isinstance(v, str)]
        self._booleans = sorted({v for v in values if isinstance(v, bool)})
        self._numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        self._null = any(v is None for v in values)

    # Columns whose values all have one kind ----------------------------------------------------------

    def string(self, column: str) -> Clause:
        return self._typed(column, self._strings)

    def integer(self, column: str) -> Clause:
        return self._typed(column, self._numbers)

    def boolean(self, column: str) -> Clause:
        return self._typed(column, [int(v) for v in self._booleans])

    def _typed(self, column: str, values: Sequence[Scalar]) -> Clause:
        """Values of another kind than the column's are equal to none of its values."""
        operator = self._condition.operator
        if operator == "in":
            return self._among(column, values)
        if operator == "ne":
            return Clause(f"{column} <> ?", (values[0],)) if values else Clause("TRUE", ())
        return Clause(f"{column} {_SQL_OPERATOR[operator]} ?", (values[0],)) if values else Clause("FALSE", ())

    # A key of the metadata, which may hold anything ----------------------------------------------------

    def metadata(self) -> Clause:
        """Whether the key is there with a value that satisfies the condition. json_each gives keys unescaped."""
        holds = self._equal() if self._condition.operator in ("in", "ne") else self._ordered()
        if self._condition.operator == "ne":
            holds = Clause(f"NOT ({holds.sql})", holds.parameters)
        return Clause(
            f"EXISTS (SELECT 1 FROM json_each({_METADATA}) AS j WHERE j.key = ? AND ({holds.sql}))",
            (self._condition.key, *holds.parameters),
        )

    def _equal(self) -> Clause:
        """Never NULL, so that ``ne`` may negate it."""
        choices = []
        if self._strings:
            among = self._among("j.value", self._strings)
            choices.append(Clause(f"j.type = 'text' AND {among.sql}", among.parameters))
        if self._numbers:
            integers = [v for v in self._numbers if float(v).is_integer()]
            if integers:
                among = self._among("j.value", integers)
                choices.append(Clause(f"j.type = 'integer' AND {among.sql}", among.parameters))
            choices.append(self._equal_real())
        choices.extend(Clause(f"j.type = '{'true' if value else 'false'}'", ()) for value in self._booleans)
        if self._null:
            choices.append(Clause("j.type = 'null'", ()))
        return Clause(
            " OR ".join(f"({choice.sql})" for choice in choices) or "FALSE",
            tuple(value for choice in choices for value in choice.parameters),
        )

    def _equal_real(self) -> Clause:
        """CASE, because SQLite may compute both sides of an AND, and the call costs 3 µs."""
        exact = self._exact("=", json.dumps(self._numbers))
        if len(self._numbers) > 16:
            return Clause(f"CASE j.type WHEN 'real' THEN {exact.sql} ELSE FALSE END", exact.parameters)
        near = " OR ".join("j.value BETWEEN ? AND ?" for _ in self._numbers)
        bounds = tuple(bound for value in self._numbers for bound in _around(value))
        return Clause(
            f"CASE WHEN j.type <> 'real' THEN FALSE WHEN {near} THEN {exact.sql} ELSE FALSE END",
            (*bounds, *exact.parameters),
        )

    def _ordered(self) -> Clause:
        operator, wanted = _SQL_OPERATOR[self._condition.operator], self._condition.values[0]
        if isinstance(wanted, str):
            return Clause(f"j.type = 'text' AND j.value {operator} ?", (wanted,))
        assert isinstance(wanted, int | float)  # parse_where lets only numbers and strings be ordered
        low, high = _around(wanted)
        exact = self._exact(operator, json.dumps(wanted))
        beyond = Clause("j.value > ?", (high,)) if ">" in operator else Clause("j.value < ?", (low,))
        return Clause(
            f"CASE WHEN j.type = 'integer' THEN j.value {operator} ? WHEN j.type <> 'real' THEN FALSE "
            f"WHEN {beyond.sql} THEN TRUE WHEN j.value BETWEEN ? AND ? THEN {exact.sql} ELSE FALSE END",
            (wanted, *beyond.parameters, low, high, *exact.parameters),
        )

    def _exact(self, operator: str, wanted: str) -> Clause:
        return Clause("idembed_number_holds(r.metadata, ?, ?, ?)", (self._condition.key, operator, wanted))

    def _among(self, expression: str, values: Sequence[Scalar]) -> Clause:
        if len(values) <= _MANY:
            return Clause(f"{expression} IN ({', '.join('?' * len(values))})", tuple(values))
        self._connection.executemany(
            "INSERT INTO temp.wanted VALUES (?, ?)", ((self._number, value) for value in values)
        )
        return Clause(f"{expression} IN (SELECT value FROM temp.wanted WHERE condition = ?)", (self._number,))


def _around(value: float) -> tuple[float, float]:
    """Bounds that no reader of decimal numbers could miss ``value`` by."""
    low = high = float(value)
    for _ in range(8):
        low, high = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    return low, high


def _number_holds(metadata: str, key: str, operator: str, wanted: str) -> bool:
    """The comparison, made on the numbers as Python reads them; ``wanted`` is JSON."""
    value: Any = json.loads(metadata)[key]
    right = json.loads(wanted)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False  # the same key twice, written by another program
    if operator == "=":
        return value in right
    if operator in (">", ">="):
        return bool(value > right or (operator == ">=" and value == right))
    return bool(value < right or (operator == "<=" and value == right))
