"""A judgement as one HTML file, to be sent to whoever decides: no script, nothing fetched, light and dark.

What comes from data is cleaned, shortened and escaped in one place, ``_shown``; the page's own policy forbids
the browser to load or run anything, should that ever fail.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from idembed.judge.judgement import Change, Contender, Found, Judgement, Metric
from idembed.judge.plots import plot_changes, plot_intervals, plot_latencies, plot_scores, signed
from idembed.judge.stylesheet import STYLESHEET
from idembed.judge.verdict import MIN_QUESTIONS, Verdict
from idembed.shown import short_revisions, shorten

__all__ = ["html_report"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_ADVICE = {
    Verdict.GO: ("go", "✓", "The new generation can take over."),
    Verdict.NO_GO: ("no-go", "✕", "The old generation should stay."),
    Verdict.INCONCLUSIVE: ("inconclusive", "?", "These questions cannot tell the two apart."),
}
_MINUS = re.compile(r"-(?=\d)")


def html_report(judgement: Judgement, title: str, about: Mapping[str, str]) -> str:
    """The whole page. ``about`` names what a reader must know to repeat it (index, questions, version, …).

    The same arguments give the same bytes: the page has no date but what ``about`` says.
    """
    body = [
        f"<h1>{_bdi(title, 120)}</h1>",
        _verdict(judgement),
        *(f'<p class="caveat"><strong>Note.</strong> {_shown(caveat, 400)}</p>' for caveat in judgement.caveats),
        _contenders(judgement),
        _metrics(judgement),
        _questions(judgement),
        _latency(judgement),
        _changes("Questions that gain most", judgement.winners, judgement.won),
        _changes("Questions that lose most", judgement.losers, judgement.lost),
        _about(about),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{judgement.verdict}: {_shown(title, 120)}</title>\n<style>\n{STYLESHEET}</style>\n</head>\n"
        "<body>\n<main>\n" + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
    )


def _verdict(judgement: Judgement) -> str:
    kind, mark, advice = _ADVICE[judgement.verdict]
    return (
        f'<section class="verdict {kind}"><span class="mark" aria-hidden="true">{mark}</span><div>'
        f'<p class="word">{judgement.verdict}</p><p class="advice">{advice}</p>'
        f"<p>{_minus(_shown(judgement.reason, 400))}</p></div></section>"
    )


def _contenders(judgement: Judgement) -> str:
    cards = _card("Old", judgement.old) + _card("New", judgement.new)
    return f'<section class="cards">{cards}</section>'


def _card(name: str, contender: Contender) -> str:
    return (
        f'<div class="card {name.lower()}"><h2>{name}: generation {contender.generation}</h2>'
        f'<p class="model">{_bdi(short_revisions(contender.model), 80)}</p>'
        f"<p>{_bdi(contender.label, 40)}, space <code>{_shown(contender.space_id[:12], 12)}</code></p></div>"
    )


def _metrics(judgement: Judgement) -> str:
    level = judgement.metrics[0].difference.percent
    floor = f"{0.0 - judgement.margin:g}"
    rows = "".join(map(_metric_row, judgement.metrics))
    return (
        "<section><h2>Quality</h2>"
        '<div class="wide"><table class="numbers"><thead><tr><th>metric</th><th>old</th><th>new</th>'
        f"<th>change</th><th>{level} interval</th><th>new is</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f'<div class="wide">{plot_intervals(judgement.metrics, judgement.margin)}</div>'
        f'<p class="fine">Means over {len(judgement.scores):,} questions, and the {level} interval of a paired '
        "bootstrap over them. nDCG@10 alone decides: GO when all of its interval lies at or above "
        f"{_minus(floor)} (the band in the plot is the loss that is accepted), NO-GO when all of it lies below 0."
        "</p></section>"
    )


def _metric_row(metric: Metric) -> str:
    interval = metric.difference
    span = f"{signed(interval.low)} to {signed(interval.high)}" if interval.is_bounded else "too few questions"
    reading = "higher" if interval.low > 0 else "lower" if interval.high < 0 else "not told apart"
    if interval.questions < MIN_QUESTIONS:
        reading = "not known"
    cells = (_decimals(metric.old), _decimals(metric.new), _decimals(interval.mean, sign=True), span, reading)
    return f'<tr><th scope="row">{metric.name}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _questions(judgement: Judgement) -> str:
    overlap = f"{judgement.overlap:.0%}" if judgement.scores else "—"
    figures = (
        (f"{judgement.won:,}", "won"),
        (f"{judgement.lost:,}", "lost"),
        (f"{judgement.tied:,}", "tied"),
        (overlap, "of the first ten rows are the same"),
        (f"{judgement.rows_compared:,}", f"of {judgement.rows_total:,} rows compared"),
    )
    shown = "".join(f"<div><b>{number}</b><span>{name}</span></div>" for number, name in figures)
    return (
        f'<section><h2>Question by question</h2><div class="figures">{shown}</div>'
        f'<div class="pair"><figure>{plot_changes(judgement.scores)}<figcaption>Questions by their change; '
        f"those without one ({judgement.tied:,}) are left out.</figcaption></figure>"
        f"<figure>{plot_scores(judgement.scores)}<figcaption>Every question; a larger bubble is more of them. "
        "Above the line the new generation is better.</figcaption></figure></div></section>"
    )


def _latency(judgement: Judgement) -> str:
    return (
        f'<section><h2>Latency</h2><div class="wide">{plot_latencies(judgement.old, judgement.new)}</div>'
        '<p class="fine">Embedding the question and searching, as measured during this comparison. '
        "It has no part in the verdict.</p></section>"
    )


def _changes(title: str, changes: Sequence[Change], count: int) -> str:
    if not changes:
        return f"<section><h2>{title}</h2><p>There are none.</p></section>"
    rows = "".join(map(_change_row, changes))
    shown = f"{len(changes)} of {count:,}" if len(changes) < count else f"All {count}"
    return (
        f'<section><h2>{title}</h2><p class="fine">{shown}. ✓ marks a relevant row.</p>'
        '<div class="wide"><table class="changes"><thead><tr><th>question</th><th>nDCG@10</th>'
        f"<th>old finds first</th><th>new finds first</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _change_row(change: Change) -> str:
    wanted = ", ".join(_bdi(row, 40) for row in change.relevant)
    return (
        f'<tr><td><p dir="auto">{_shown(change.text, 240)}</p>'
        f'<p class="fine">{_bdi(change.id, 40)}; relevant: {wanted}</p></td>'
        f'<td class="number">{change.old:.2f} → {change.new:.2f}</td>'
        f"<td>{_top(change.old_top)}</td><td>{_top(change.new_top)}</td></tr>"
    )


def _top(found: Iterable[Found]) -> str:
    rows = "".join(
        f'<li class="hit">{_bdi(row.id, 40)} <span>✓</span></li>' if row.gain else f"<li>{_bdi(row.id, 40)}</li>"
        for row in found
    )
    return f"<ol>{rows}</ol>" if rows else "nothing"


def _about(about: Mapping[str, str]) -> str:
    if not about:
        return ""
    facts = "".join(f"<dt>{_bdi(name, 40)}</dt><dd>{_bdi(value, 300)}</dd>" for name, value in about.items())
    return f"<section><h2>About this report</h2><dl>{facts}</dl></section>"


def _shown(text: str, limit: int) -> str:
    """``text`` as HTML that shows it and does nothing else."""
    return escape(shorten(text, limit))


def _bdi(text: str, limit: int) -> str:
    """The same, for text whose direction must not turn what stands beside it."""
    return f"<bdi>{_shown(text, limit)}</bdi>"


def _decimals(value: float, *, sign: bool = False) -> str:
    return "—" if math.isnan(value) else signed(value) if sign else f"{value:.3f}"


def _minus(words: str) -> str:
    return _MINUS.sub("−", words)
