"""What is measured is what is written: results, tables and plots."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.children import read_settings, write_settings
from benchmarks.measure import Line, Point, Settings
from benchmarks.page import BEGIN, END, PAGE, figures, plots
from benchmarks.results import (
    RESULTS,
    Run,
    dump_lines,
    load_lines,
    load_runs,
    merge_runs,
)
from benchmarks.svg import Plot, draw

POINTS = (Point("length", "a", 1, 1.5),)
LINES = [
    Line(
        "W2  N = 1 / floor", 1.5, "ms", 1.0, "<= 2.0 x", (Point("length", "a", 1, 1.5),)
    ),
    Line("W2  N = 100 / floor", 400.0, "ms", 100.0, "<= 2.0 x"),
    Line("W2  plain", 12_345.6, "plans/s"),
]
RUN: Run = {"facts": {"date": "2027-01-15"}, "lines": dump_lines(LINES)}


def test_lines_come_back_from_json() -> None:
    assert load_lines(json.loads(json.dumps(dump_lines(LINES)))) == [
        *LINES[:2],
        Line("W2  plain", 12_346.0, "plans/s"),
    ]


def test_a_run_takes_the_place_of_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    other: Run = {"facts": {"date": "2027-01-16"}, "lines": []}

    merge_runs(path, {"W1": RUN, "W2": RUN})
    merge_runs(path, {"W2": other})

    assert load_runs(path) == {"W1": RUN, "W2": other}


def test_a_table_says_what_is_met_and_what_is_not() -> None:
    page = figures({"W2": RUN})

    assert "| N = 1 / floor | 1.50 ms | 1.00 | 1.50 | at most 2.0 x | yes |" in page
    assert "| N = 100 / floor | 400 ms | 100 | 4.00 | at most 2.0 x | **no** |" in page
    assert "| plain | 12,346 plans/s |  |  |  |  |" in page
    assert "](performance/length.svg)" in page
    assert "date: 2027-01-15." in page


@pytest.mark.parametrize("log", [True, False])
def test_a_plot_is_an_image_with_every_point(log: bool) -> None:  # noqa: FBT001
    curves = {"ours & theirs": [(1, 0.5), (100, 50)], "floor": [(1, 0.2)]}

    root = ET.fromstring(draw(Plot("t", "x", "y", curves, log=log)))  # noqa: S314 - our own

    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}circle")) == 3
    assert "ours & theirs" in {text.text for text in root.iter(f"{space}text")}
    for circle in root.iter(f"{space}circle"):
        assert 70 <= float(circle.attrib["cx"]) <= 700
        assert 40 <= float(circle.attrib["cy"]) <= 340


def test_a_lower_figure_is_drawn_lower() -> None:
    svg = draw(Plot("t", "x", "y", {"a": [(0, 1), (10, 2), (100, 8)]}))

    heights = [float(found) for found in re.findall(r'cy="([\d.]+)"', svg)]
    places = [float(found) for found in re.findall(r'cx="([\d.]+)"', svg)]
    assert heights == sorted(heights, reverse=True)
    assert places == sorted(places)


def test_the_page_and_the_plots_are_those_of_the_results() -> None:
    """`python -m benchmarks.page` brings them in line."""
    runs = load_runs(RESULTS)
    text = PAGE.read_text("utf-8")

    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip() == (
        figures(runs).strip()
    )
    for name, svg in plots(runs).items():
        assert RESULTS.with_name(f"{name}.svg").read_text("utf-8") == svg


@pytest.mark.parametrize("kept", [None, Path("there")])
def test_settings_reach_another_process(kept: Path | None) -> None:
    settings = Settings(Path("here"), 1, 2, callers=(1, 8), history_folder=kept)

    assert read_settings(write_settings(settings)) == settings
