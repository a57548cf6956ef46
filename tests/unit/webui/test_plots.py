"""Plots: well-formed, with a text equivalent, safe with strangers' words, calm with odd data."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from grader.result import Series
from webui.plots import bands, bars, histogram, marks, parts, timeline
from webui.plots.data import Band, plot_data

BASE, YOU = [2.9 + i % 7 * 0.1 for i in range(120)], [1.8 + i % 5 * 0.1 for i in range(120)]
RATIO_RULE = {"op": "at_most", "threshold": 0.3, "unit": "ratio"}


def parse(html: str) -> ET.Element:
    """Return the markup as a tree; fails when it is not well-formed."""
    return ET.fromstring(f"<div>{html}</div>")


def numbers_are_finite(html: str) -> bool:
    return not re.search(r"\b(nan|inf)\b", html, re.IGNORECASE)


SERIES = {
    "histogram": Series(kind="histogram", title="First token", unit="s", app=YOU, baseline=BASE, threshold=0.87,
                        summary="Slow."),
    "timeline": Series(
        kind="timeline", title="Answered", unit="%", app=[(0, 99), (1, 50), (2, 100)], baseline=[(0, 80), (2, 70)],
        threshold=95, summary="Fine."
    ),
    "bars": Series(kind="bars", title="Per query", unit="", app=[1, 2, 3], baseline=[2, 2, 2], summary="Mixed."),
}  # fmt: skip
DRAW = {
    "histogram": histogram.two_histograms,
    "timeline": timeline.timeline_plot,
    "bars": bars.bars_plot,
}


@pytest.mark.parametrize("kind", SERIES)
@pytest.mark.parametrize("as_json", [False, True])
def test_each_plot_says_in_words_what_it_shows(kind: str, as_json: bool) -> None:
    series = SERIES[kind].model_dump(mode="json") if as_json else SERIES[kind]
    tree = parse(DRAW[kind](plot_data(series), "p1"))
    svg = tree.find(".//svg[@class='plot']")
    assert svg is not None
    assert svg.get("role") == "img"
    ids = {e.get("id"): "".join(e.itertext()) for e in tree.iter() if e.get("id")}
    described = [ids[i] for i in (svg.get("aria-labelledby") or "").split()]
    assert described == [SERIES[kind].title, SERIES[kind].summary]
    assert len(tree.findall(".//table/tbody/tr")) >= 2
    assert svg.get("viewBox") is None


@pytest.mark.parametrize("kind", SERIES)
def test_words_of_strangers_are_escaped(kind: str) -> None:
    nasty = '"><script>alert(1)</script>'
    data = plot_data({**SERIES[kind].model_dump(), "title": nasty, "summary": nasty, "unit": nasty})
    html = DRAW[kind](data, "p1")
    assert "<script" not in html
    parse(html)


@pytest.mark.parametrize("kind", SERIES)
def test_plots_have_no_style_attribute(kind: str) -> None:
    assert "style=" not in DRAW[kind](plot_data(SERIES[kind]), "p1")


@pytest.mark.parametrize(
    "sample",
    [
        [],
        [1.0],
        [0.0, 0.0],
        [5.0] * 50,
        [math.nan, math.inf, 2.0],
        [-3.0, 4.0],
        [1e-9, 1e9],
        ["x", None],
        [[1, 2, 3]],
    ],
)
@pytest.mark.parametrize("kind", SERIES)
def test_odd_data_draws_something_or_nothing(kind: str, sample: list) -> None:
    html = DRAW[kind](
        plot_data({"kind": kind, "title": "T", "unit": "s", "app": sample, "threshold": math.nan}),
        "p1",
    )
    parse(html)
    assert numbers_are_finite(html)


def test_a_plot_of_one_value_is_a_number() -> None:
    one = Series(
        kind="bars", title="Exact match", unit="share", app=[(194.9, 0.36)], summary="36 % right."
    )
    html = bars.bars_plot(plot_data(one), "p1")
    figure = parse(html)
    assert figure.find(".//rect") is None
    assert "".join(figure.find(".//dd").itertext()) == "36\N{NO-BREAK SPACE}%"
    assert "rule" not in html
    ruled = bars.bars_plot(plot_data(one.model_copy(update={"threshold": 0.5})), "p1")
    assert "rule: 50\N{NO-BREAK SPACE}%" in ruled
    beside = one.model_copy(update={"baseline": [(194.9, 0.3)]})
    assert "<rect" in bars.bars_plot(plot_data(beside), "p1"), "two can be compared"


def test_the_histogram_table_has_the_quantiles() -> None:
    rows = parse(histogram.two_histograms(plot_data(SERIES["histogram"]), "p1")).findall(
        ".//tbody/tr"
    )
    cells = [["".join(c.itertext()) for c in row] for row in rows]
    assert cells[0][0] == "Baseline"
    assert cells[1][:2] == ["Your system", "2.00\N{NO-BREAK SPACE}s"]
    assert (
        cells[2][1] == f"{parts.quantile(sorted(YOU), 0.5) / parts.quantile(sorted(BASE), 0.5):.2f}"
    )


def test_quantiles_are_interpolated() -> None:
    assert parts.quantile([1, 2, 3, 4], 0.5) == 2.5
    assert parts.quantile([7], 0.99) == 7
    with pytest.raises(ValueError, match="no values"):
        parts.quantile([], 0.5)


def test_a_spike_survives_thinning() -> None:
    calm = [(float(t), 1.0) for t in range(10_000)]
    calm[7777] = (7777.0, 99.0)
    thin = timeline._thin(calm)
    assert len(thin) <= 1300
    assert max(v for _, v in thin) == 99.0


def test_fault_bands_carry_their_name() -> None:
    html = timeline.timeline_plot(
        plot_data(SERIES["timeline"]), "p1", [Band(0.5, 1.5, "429 storm")]
    )
    assert "429 storm" in html
    assert 'fill="url(#p1h)"' in html
    assert 'id="p1h"' in html


def test_bands_that_lie_close_are_numbered_in_rows_of_their_own() -> None:
    close = [
        Band(0.5, 1.5, "429 storm"),
        Band(0.52, 1.4, "pages", "alert"),
        Band(1.2, 1.4, "late"),
        Band(9, 12, "no"),
    ]
    html = timeline.timeline_plot(plot_data(SERIES["timeline"]), "p1", close)
    assert "1 429 storm" in html
    assert "2 pages" in html
    assert html.count('class="alert"') == 2  # on the plot and in the key
    assert bands.lanes(close[:3], 0, 2) == [0, 1, 0]
    assert bands.lanes(
        [Band(0, 8, "a", "alert"), Band(2, 3, "b", "alert"), Band(9, 9.5, "c")], 0, 10
    ) == [0, 1, 0]
    assert bands.height(close[:3], 0, 2) == bands.LANE


def test_more_bands_than_a_key_can_name_are_in_the_table() -> None:
    many = [Band(i / 10, i / 10 + 0.05, f"fault {i}") for i in range(15)]
    assert bands.key(many)[-1] == ("band", "and 3 more, in the table")
    assert bands.key(many[:1]) == [("band", "Fault")]
    assert bands.key([]) == []


def test_ticks_are_round() -> None:
    assert parts.linear_ticks(0, 100) == [0, 25, 50, 75, 100]
    assert parts.log_ticks(0.4, 5) == [0.5, 1, 2, 5]


@pytest.mark.parametrize(
    ("v", "unit", "text"),
    [(0.412, "s", "412 ms"), (1.872, "s", "1.87 s"), (0.0021, "s", "2.1 ms"), (97.5, "%", "97.5 %"),
     (1.17, "ratio", "1.17 × baseline"),
     (14210, "requests", "14,210 requests")],
)  # fmt: skip
def test_values_are_written_as_people_do(v: float, unit: str, text: str) -> None:
    assert parts.value(v, unit) == text.replace(" ", "\N{NO-BREAK SPACE}")


def test_the_gauge_puts_value_and_rule_on_the_right_sides() -> None:
    html = marks.gauge({"value": 0.64, "low": 0.61, "high": 0.68, "unit": "ratio"}, RATIO_RULE)
    tree = parse(html)
    good, dot = tree.find(".//rect"), tree.find(".//circle")
    assert good is not None
    assert dot is not None
    assert good.get("x") == "0%"
    assert float(dot.get("cx", "").rstrip("%")) > float(good.get("width", "").rstrip("%"))
    assert 'aria-hidden="true"' in html


@pytest.mark.parametrize(
    ("measured", "rule"),
    [(None, RATIO_RULE), ({"value": 1}, None), ({"value": None}, RATIO_RULE), ({"value": 1, "unit": "s"}, RATIO_RULE),
     ({"value": 1}, {"op": "all", "text": "all"}), ({"value": math.nan}, RATIO_RULE)],
)  # fmt: skip
def test_no_gauge_without_something_to_compare(measured: object, rule: object) -> None:
    assert marks.gauge(measured, rule) == ""


def test_the_scale_counts_and_says_so() -> None:
    results = [
        {"outcome": "passed", "points": 60, "max_points": 60, "gate": True},
        {"outcome": "inconclusive", "points": 0, "max_points": 5},
        {"outcome": "failed", "points": 0, "max_points": 35},
    ]
    html = marks.scale(results, 70, 40)
    assert (
        'aria-label="60 points earned, 5 undecided, 35 lost. 70 are needed to pass. A failed gate would cap'
        in html
    )
    tree = parse(html)
    assert [r.get("width") for r in tree.findall(".//rect")] == ["60%", "5%", "35%"]


def test_points_beyond_the_cap_of_a_failed_gate_do_not_look_earned() -> None:
    results = [
        {"outcome": "passed", "points": 25, "max_points": 25},
        {"outcome": "passed", "points": 60, "max_points": 60},
        {"outcome": "failed", "points": 0, "max_points": 15, "gate": True},
    ]
    html = marks.scale(results, 96, 40)
    pieces = [(r.get("class"), r.get("x"), r.get("width")) for r in parse(html).findall(".//rect")]
    assert pieces == [
        ("got", "0%", "25%"),
        ("got", "25%", "15%"),
        ("capped", "40%", "45%"),
        ("lost", "85%", "15%"),
    ]
    assert "45 of the earned points do not count" in html


def test_a_failed_gate_is_said() -> None:
    assert "A failed gate caps" in marks.scale(
        [{"outcome": "failed", "points": 0, "max_points": 100, "gate": True}], 70, 40
    )


def test_a_timeline_draws_its_marks_and_names_them_in_the_table() -> None:
    marked = {
        "kind": "timeline", "title": "Right answers", "unit": "req/s", "app": [[t / 2, 10.0] for t in range(40)],
        "marks": [{"start_s": 5, "end_s": 9, "text": "db <restarted>"}, {"start_s": "soon", "end_s": 1, "text": "no"}],
    }  # fmt: skip
    html = timeline.timeline_plot(plot_data(marked), "u")
    assert "db &lt;restarted&gt;" in html
    assert "Fault" in html
    assert html.count("url(#uh)") == 1
    rows = re.findall(r"<tr>.*?</tr>", html, re.S)
    assert sum("db &lt;restarted&gt;" in row for row in rows) in (2, 3)
