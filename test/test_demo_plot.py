"""The demo's picture is drawn, whatever share of the images is right."""

from pathlib import Path
import runpy

from hypothesis import given, settings, strategies as st
import pytest

pytest.importorskip('matplotlib')
DEMO_PLOT = runpy.run_path(
    str(Path(__file__).resolve().parent.parent / 'scripts' / 'demo_plot.py'))


@given(st.integers(1, 1000), st.data())
@settings(max_examples=300)
def test_bars_never_reach_the_wrong_way(images, data):
    right = data.draw(st.sampled_from([0, images]) | st.integers(0, images))
    (below,), (above,) = DEMO_PLOT['_bars']([right / images], [images])
    assert below >= 0 and above >= 0 and below + above > 0


def test_the_picture_of_a_network_that_is_always_right(tmp_path):
    budgets = [{'budget_ms': budget, 'accuracy': accuracy, 'images': images,
                'answered_in_time': 1.0}
               for budget, accuracy, images in ((1.0, 1.0, 75), (2.0, 0.0, 65), (None, 1.0, 30),
                                                (3.0, None, 0))]
    whole = {'images': 30, 'elapsed_ms_by_exit': [1.0, 2.0], 'accuracy_by_exit': [0.5, 1.0]}
    DEMO_PLOT['plot']({'refined_to_the_end': whole, 'budgets': budgets}, tmp_path / 'x.png')
    assert (tmp_path / 'x.png').stat().st_size > 10_000
