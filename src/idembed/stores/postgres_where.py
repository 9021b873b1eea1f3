"""Filters as SQL for Postgres: every key and value is a bound parameter, the meaning that of ``filters.matches``.

A key of the metadata is read as jsonb, whose equality never mixes types and compares numbers by value, exactly; strings
are ordered by code point ("C"). Metadata is canonical, so that a decimal number there is that of one float.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from idembed.canonical import canonical_json
from idembed.filters import Condition, Scalar

__all__ = ["Clause", "compile_conditions"]

_SQL_OPERATOR: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, slots=True)
class Clause:
    """SQL over ``rows AS r`` and ``vectors_<n> AS v`` with its parameters, in order."""

    sql: str
    parameters: tuple[Any, ...]


def compile_conditions(conditions: Sequence[Condition]) -> Clause:
    """All conditions as one clause."""
    clauses = [_compile(condition) for condition in conditions]
    return Clause(
        " AND ".join(f"({clause.sql})" for clause in clauses) or "TRUE",
        tuple(value for clause in clauses for value in clause.parameters),
    )


def _compile(condition: Condition) -> Clause:
    values = condition.values
    if condition.key in ("$id", "$scope"):
        return _typed(f"r.{condition.key[1:]}", "text", condition, [v for v in values if isinstance(v, str)])
    if condition.key == "$tokens":
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        return _typed("v.tokens::numeric", "numeric", condition, [_decimal(v) for v in numbers])
    if condition.key == "$truncated":
        return _typed("v.truncated", "boolean", condition, [v for v in values if isinstance(v, bool)])
    return _metadata(condition)


def _typed(column: str, kind: str, condition: Condition, values: Sequence[Any]) -> Clause:
    """Values of another kind than the column's are equal to none of its values."""
    operator = condition.operator
    if operator == "in":
        return Clause(f"{column} = ANY(%s::{kind}[])", (list(values),))
    if operator == "ne":
        return Clause(f"{column} <> %s::{kind}", (values[0],)) if values else Clause("TRUE", ())
    return Clause(f"{column} {_SQL_OPERATOR[operator]} %s::{kind}", (values[0],)) if values else Clause("FALSE", ())


def _metadata(condition: Condition) -> Clause:
    """A key that is missing gives NULL, which satisfies nothing."""
    key, value = condition.key, "(r.attributes -> %s::text)"
    wanted = [canonical_json(v) for v in condition.values]
    if condition.operator == "in":
        return Clause(f"{value} = ANY(%s::jsonb[])", (key, wanted))
    if condition.operator == "ne":
        return Clause(f"{value} <> %s::jsonb", (key, wanted[0]))
    operator, first = _SQL_OPERATOR[condition.operator], condition.values[0]
    # CASE, because Postgres may compute both sides of an AND, and the cast of what is no number is an error.
    if isinstance(first, str):
        text = '((r.attributes ->> %s::text) COLLATE "C")'
        return Clause(
            f"CASE jsonb_typeof({value}) WHEN 'string' THEN {text} {operator} %s::text ELSE FALSE END",
            (key, key, first),
        )
    return Clause(
        f"CASE jsonb_typeof({value}) WHEN 'number' THEN {value}::numeric {operator} %s::numeric ELSE FALSE END",
        (key, key, _decimal(first)),
    )


def _decimal(value: Scalar) -> str:
    """As metadata writes it, so that it is compared with the same decimal number."""
    return canonical_json(value)
