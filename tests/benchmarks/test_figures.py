"""How the benchmark judges a figure."""

from __future__ import annotations

from benchmarks.figures import Bar, Figure


def test_a_figure_is_judged_by_value_and_ratio() -> None:
    """A bar can ask for both, and whoever has no bar is neither good nor bad."""
    figure = Figure("a", "b", [10.0, 30.0, 20.0], [50.0], bar=Bar(least=20, ratio=0.4))
    assert (figure.value, figure.ratio, figure.met) == (20.0, 0.4, True)
    assert not Figure("a", "b", [20.0], [51.0], bar=figure.bar).met
    assert not Figure("a", "b", [19.0], [40.0], bar=figure.bar).met
    assert not Figure("a", "b", [26.0], bar=Bar(most=25)).met
    assert Figure("a", "b", [1.0]).met is None
