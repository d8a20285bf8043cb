"""The report: one HTML file that needs nothing else, not even a network."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import plotly.graph_objects as go
from hdrh.histogram import HdrHistogram
from plotly.offline import get_plotlyjs

from .charts import BEATS_SHOWN, distribution, over_time, percentiles
from .meter import EXCHANGE, quantiles_ms
from .result import Result

_COLUMNS = ("count", "mean", "p50", "p90", "p95", "p99", "p99.9", "max")


def write_html(path: Path, result: Result) -> None:
    """Write the report of a run.

    Raises:
        OSError: it cannot be written.
    """
    path.write_text(render(result), encoding="utf-8")


def render(result: Result) -> str:
    """Return the report of a run as a page."""
    options = result.options
    template = Template(files(__package__).joinpath("report.html").read_text(encoding="utf-8"))
    began = datetime.fromtimestamp(result.began_at, UTC)
    return template.substitute(
        title=escape(f"Load test: {options.scenario}, {options.users} users"),
        when=f"{began:%Y-%m-%d %H:%M:%S} UTC, {result.elapsed_s:.1f} s",
        verdict=_verdict(result),
        tiles=_tiles(result),
        marked=_marked(result),
        over_time=f"<script>{get_plotlyjs()}</script>{_chart(over_time(result), 'over-time')}",
        distribution=_chart(distribution(result), "distribution"),
        percentiles=_chart(percentiles(result), "percentiles"),
        latencies=_latencies(result),
        settings=_list({name: value for name, value in asdict(options).items() if value is not None}),
        machine=_list(
            {
                **asdict(result.machine),
                "load generator": f"{result.workers} process(es), the busiest at {result.busiest:.0%} of a core",
            }
        ),
    )


def _chart(figure: go.Figure, name: str) -> str:
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config={"displayModeBar": False, "responsive": True}
    )
    return html


def _marked(result: Result) -> str:
    """Say how many expiries are marked, if not all are."""
    beats = len(result.beats_s)
    return f" (the first {BEATS_SHOWN} of {beats:,} times)" if beats > BEATS_SHOWN else ""


def _verdict(result: Result) -> str:
    counts, failures = result.total.counts, result.failures()
    word = "Failed" if failures else "Passed"
    tokens = f"{counts.refreshes:,} refreshes for {counts.expected:,} access tokens that ran out"
    lines = [f"<strong>{word}</strong> {counts.requests:,} requests, {counts.failed:,} failed; {tokens}."]
    lines += [f'<p class="bad">{escape(failure)}</p>' for failure in failures]
    lines += [
        f'<p class="bad">{number:,} times: {escape(kind)}</p>' for kind, number in result.total.errors.most_common(20)
    ]
    lines += [f'<p class="note">{escape(remark)}</p>' for remark in result.remarks()]
    return f'<section class="verdict{" failed" if failures else ""}" role="status">{"".join(lines)}</section>'


def _tiles(result: Result) -> str:
    counts = result.total.counts
    q = quantiles_ms(result.total.latency()) or {}
    tiles = {
        "requests/s": f"{result.per_second:,.0f}",
        "p50": _ms(q.get("p50")),
        "p99": _ms(q.get("p99")),
        "max": _ms(q.get("max")),
        "401s": f"{counts.unauthorized:,}",
        "refreshes": f"{counts.refreshes:,}",
        "waited for another's refresh": f"{counts.coalesced:,}",
    }
    return "".join(
        f'<div class="tile"><b>{value}</b><span class="faint">{name}</span></div>' for name, value in tiles.items()
    )


def _latencies(result: Result) -> str:
    total = result.total
    rows = [("all requests", total.latency())]
    rows += [(f"of these: {kind}", total.latency(what=kind)) for kind in total.kinds() if len(total.kinds()) > 1]
    rows += [
        ("of these: met no refresh", total.latency(met=False)),
        ("of these: met a refresh", total.latency(met=True)),
        (f"{EXCHANGE}, the call itself", total.latency(what=EXCHANGE)),
    ]
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(_rows(rows))}</tbody></table>"


def _rows(rows: Iterable[tuple[str, HdrHistogram]]) -> Iterable[str]:
    for name, values in rows:
        if (q := quantiles_ms(values)) is not None:
            cells = "".join(f"<td>{q[key]:,.0f}</td>" if key == "count" else f"<td>{q[key]:,.2f}</td>" for key in q)
            yield f"<tr><th>{escape(name)}</th>{cells}</tr>"


def _list(values: Mapping[str, object]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{escape(str(value))}</td></tr>"
        for name, value in values.items()
    )
    return f'<table class="list"><tbody>{rows}</tbody></table>'


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:,.1f} ms"
