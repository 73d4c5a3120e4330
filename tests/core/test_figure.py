from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from refsolve.core.figure import array_of, finish, value_of


@pytest.mark.parametrize("make", [dict, SimpleNamespace])
def test_values_are_found_by_attribute_and_by_key(make):
    thing = make(s=[1, 2], name="x")
    assert value_of(thing, "name") == "x"
    assert value_of(thing, "other", 3) == 3
    assert array_of(thing, "s").dtype == np.float64
    assert array_of(thing, "e", 0.5) == 0.5
    with pytest.raises(ValueError, match="has no 'absent'"):
        array_of(thing, "absent")


def test_a_legend_stands_above_the_axes_when_it_is_asked_for():
    ax = plt.figure().add_subplot()
    ax.plot([0, 1], label="line")
    assert finish(ax).get_legend() is None
    assert not ax.spines["top"].get_visible()
    legend = finish(ax, columns=2).get_legend()
    ax.figure.canvas.draw()
    assert legend.get_window_extent().y0 >= ax.get_window_extent().y1
