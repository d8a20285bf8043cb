"""The charts of the report, as plotly figures. Colours are those that hold on white and on black."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import plotly.graph_objects as go
from hdrh.histogram import HdrHistogram
from plotly.subplots import make_subplots

from .result import Result

BLUE, CYAN, ORANGE, GREEN, RED, VIOLET = "#3b82f6", "#06b6d4", "#f59e0b", "#10b981", "#ef4444", "#a855f7"
BEATS_SHOWN: Final = 120  # the report says so; more lines would hide what they mark
BINS: Final = 48
# Shares of requests that were faster, up to where 99.999 % were.
_SHARES: Final = [0.0, *(100 * (1 - 10 ** (-step / 16)) for step in range(1, 81))]


def over_time(result: Result) -> go.Figure:
    """Throughput, latency, and refreshes over time, one above the other; expiries as dotted lines."""
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.32, 0.44, 0.24],
        subplot_titles=("Requests per second", "Latency (ms)", "Refreshes and 401s"),
    )  # fmt: skip
    length = result.options.interval_s
    x = [point.at_s + length / 2 for point in result.points]
    # While the last requests are waited for no new ones are begun: a rate of these intervals would show a fall.
    begun_until = min(result.elapsed_s, result.options.duration_s or result.elapsed_s)
    rates = [point.per_second if point.at_s + length / 2 < begun_until else None for point in result.points]
    figure.add_trace(
        go.Scatter(
            x=x, y=rates, name="requests/s", mode="lines",
            line={"color": BLUE, "width": 2}, fill="tozeroy", fillcolor="rgba(59,130,246,0.15)",
        ),
        row=1, col=1,
    )  # fmt: skip
    failed = [point.failed / length for point in result.points]
    if any(failed):
        figure.add_trace(go.Bar(x=x, y=failed, name="failed/s", marker_color=RED), row=1, col=1)
    for name, colour in (("p50", GREEN), ("p95", CYAN), ("p99", ORANGE), ("max", RED)):
        y = [getattr(point, name) for point in result.points]
        line = {"color": colour, "width": 1 if name == "max" else 2, "dash": "dot" if name == "max" else "solid"}
        figure.add_trace(go.Scatter(x=x, y=y, name=name, mode="lines", line=line), row=2, col=1)
    for name, colour in (("unauthorized", ORANGE), ("refreshes", VIOLET)):
        label = "401s" if name == "unauthorized" else name
        y = [getattr(point, name) for point in result.points]
        figure.add_trace(go.Bar(x=x, y=y, name=label, marker_color=colour), row=3, col=1)
    figure.update_layout(shapes=[_beat(beat, row) for beat in result.beats_s[:BEATS_SHOWN] for row in ("", "2", "3")])
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(type="log", dtick="D2", row=2, col=1)
    figure.update_xaxes(title_text="seconds since the first request", row=3, col=1)
    return _finished(figure, height=740, top=72, hovermode="x unified")


def _beat(at_s: float, row: str) -> dict[str, object]:
    """Return a dotted line from top to bottom of a row; ``add_vline`` takes a minute for many of them."""
    return {
        "type": "line", "xref": f"x{row}", "yref": f"y{row} domain", "x0": at_s, "x1": at_s, "y0": 0, "y1": 1,
        "line": {"color": VIOLET, "width": 1, "dash": "dot"}, "opacity": 0.7,
    }  # fmt: skip


def distribution(result: Result) -> go.Figure:
    """How many requests took how long, those that met a refresh beside those that did not."""
    figure = go.Figure()
    groups = _groups(result)
    longest = max((values.get_max_value() for _, _, values in groups), default=1)
    shortest = min((values.get_value_at_percentile(0.0) for _, _, values in groups), default=1)
    edges = _edges(max(shortest, 1), max(longest, 2))
    centres = [(low * high) ** 0.5 / 1000 for low, high in pairwise(edges)]
    for name, colour, values in groups:
        figure.add_trace(
            go.Bar(
                x=centres, y=_shares(values, edges), name=name, marker_color=colour, opacity=0.75,
                hovertemplate="%{x:.3g} ms: %{y:.2f} %",
                width=[(high - low) / 1000 for low, high in pairwise(edges)],
            )
        )  # fmt: skip
    figure.update_xaxes(type="log", dtick="D2", title_text="latency (ms)")
    figure.update_yaxes(title_text="% of the requests of their group")
    return _finished(figure, height=380, barmode="overlay")


def percentiles(result: Result) -> go.Figure:
    """Latency by percentile, the far end stretched, as HdrHistogram's plots show it."""
    figure = go.Figure()
    for name, colour, values in _groups(result):
        number = values.get_total_count()
        # Of a hundred requests there is no 99.9th percentile.
        shares = [share for share in _SHARES if (100 - share) / 100 * number >= 1] or [0.0]
        figure.add_trace(
            go.Scatter(
                x=[1 / (1 - share / 100) for share in shares],
                y=[values.get_value_at_percentile(share) / 1000 for share in shares],
                customdata=shares, hovertemplate="%{customdata:.4g} %: %{y:.4g} ms", name=name, mode="lines",
                line={"color": colour, "width": 2},
            )
        )  # fmt: skip
    ticks = ("0", "90", "99", "99.9", "99.99", "99.999")
    figure.update_xaxes(
        type="log", title_text="percentile", tickvals=[10**n for n in range(len(ticks))],
        ticktext=[f"{tick} %" for tick in ticks],
    )  # fmt: skip
    figure.update_yaxes(title_text="latency (ms)", rangemode="tozero")
    return _finished(figure, height=380)


def _groups(result: Result) -> list[tuple[str, str, HdrHistogram]]:
    groups = (("met no refresh", BLUE, False), ("met a refresh", ORANGE, True))
    found = [(name, colour, result.total.latency(met=met)) for name, colour, met in groups]
    return [group for group in found if group[2].get_total_count()]


def _edges(shortest: int, longest: int) -> list[float]:
    """Return the borders of bins that are equally wide on a logarithmic axis, in microseconds."""
    step = (longest * 1.001 / shortest) ** (1 / BINS)
    return [shortest * step**n for n in range(BINS + 1)]


def _shares(values: HdrHistogram, edges: Sequence[float]) -> list[float]:
    """Return how many per cent of *values* fall between each two *edges*."""
    counts = [0] * (len(edges) - 1)
    at = 0
    for item in values.get_recorded_iterator():
        while at < len(counts) - 1 and item.value_iterated_to >= edges[at + 1]:
            at += 1
        counts[at] += item.count_at_value_iterated_to
    total = values.get_total_count()
    return [100 * count / total for count in counts]


def _finished(figure: go.Figure, *, height: int, top: int = 40, **layout: object) -> go.Figure:
    figure.update_layout(
        template="none", height=height, margin={"l": 64, "r": 24, "t": top, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", bargap=0.1,
        legend={"orientation": "h", "y": 1 + (top - 36) / height, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        **layout,
    )  # fmt: skip
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)
    return figure
