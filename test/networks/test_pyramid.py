"""The pyramid: where its exits sit, what it costs, that files and engines keep it."""

import math

from anytime_perception import model_file
from anytime_perception.networks import AnytimePyramid, AnytimeSequence
from hypothesis import given, settings, strategies as st
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

COUNTS = st.lists(st.integers(1, 3), min_size=2, max_size=4)


@given(units=COUNTS, period=st.integers(1, 3), first_exit=st.integers(1, 2),
       input_size=st.sampled_from([16, 21, 32, 70, 130]), data=st.data())
@settings(max_examples=30)
def test_blocks_halve_the_resolution_and_the_cost_is_what_torch_counts(units, period, first_exit,
                                                                       input_size, data):
    channels, side = (data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
                      for count in (len(units), len(units) - 1))
    network = AnytimePyramid(units, channels, side, 3, period=min(period, sum(units)),
                             first_exit=first_exit, input_size=input_size).eval()
    sizes = [network.input_size]
    while sizes[0] > 64:
        sizes[0] = math.ceil(sizes[0] / 2)
    sizes[0] //= 2
    for _ in units[1:]:
        sizes.append(math.ceil(sizes[-1] / 2))
    expected = [(width, size) for count, width, size in zip(units, channels, sizes)
                for _ in range(count)]
    features = torch.zeros(network.image_shape)
    for stage in network.stages:
        with torch.no_grad():
            features, logits = stage(features)
        trunk, seen = features if isinstance(features, tuple) else (features, None)
        assert (trunk.shape[1], trunk.shape[2]) == expected[stage.depth - 1]
        assert (logits is None) == (stage.depth < first_exit) == (seen is None)
        if seen is not None:
            assert (seen.shape[1], seen.shape[2]) == (side[-1], sizes[-1])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        answers = network(torch.zeros(network.image_shape))
    assert len(answers) == len(network.exits)
    assert 2 * network.exits[-1].cost == counter.get_total_flops()


def test_the_first_look_is_a_network_of_its_own_and_later_ones_are_short():
    network = AnytimePyramid((2, 2, 1), (32, 128, 192), (64, 96), 10)
    strides = [[layer.stride[0] for layer in stage.trunk.look if hasattr(layer, 'stride')]
               for stage in network.stages]
    assert strides == [[2, 1, 2, 1], [2, 2], [2], [2], [1]]
    assert [round(stage.cost / 1e6, 1) for stage in network.exits] == [8.5, 14.3, 19.7, 32.2, 39.8]


def test_what_exits_see_is_carried_on_and_not_by_the_trunk():
    torch.manual_seed(0)
    network = AnytimePyramid((1, 2, 1), (4, 5, 6), (3, 7), 5, input_size=16).eval()
    images = torch.randn(2, 3, 16, 16)
    before = network(images)
    with torch.no_grad():
        network.stages[1].trunk.look[-1].bias += 1
    changed = [not torch.equal(a, b) for a, b in zip(before, network(images))]
    assert changed == [False, True, True, True]


def test_a_file_keeps_pyramids_and_sequences_of_them(tmp_path):
    torch.manual_seed(0)
    sequence = AnytimeSequence([
        AnytimePyramid(units, (2, 3), (4,), 3, first_exit=first, input_size=8)
        for units, first in (((1, 1), 1), ((1, 2), 3))]).eval()
    images = torch.randn(2, 3, 8, 8)
    for network in (sequence, sequence.networks[0]):
        model_file.save(tmp_path / 'model.safetensors', model_file.Model.bare(network))
        again = model_file.load(tmp_path / 'model.safetensors').network
        for expected, found in zip(network(images), again(images), strict=True):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('units, channels, side, message', [
    ((0, 1), (2, 3), (4,), r'units_per_block is \(0, 1\); a pyramid has two blocks or more'),
    ((2,), (2,), (), r'units_per_block is \(2,\); a pyramid has two blocks or more'),
    ((1, 1), (2, 3), (4, 5), r'side_channels is \[4, 5\]; .* each of 2 blocks but the first'),
    ((1, 1), (2, 3), (0,), 'each of side_channels is 0; it must be a positive integer'),
    ((1, 1), (2,), (4,), r'channels is \[2\]')])
def test_impossible_pyramids_are_refused(units, channels, side, message):
    with pytest.raises(ValueError, match=message):
        AnytimePyramid(units, channels, side, 3)
