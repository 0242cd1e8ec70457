"""The sequence follows the paper's reporting rule and costs what is really run."""

from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from anytime_perception.networks.stage import run_stages
from hypothesis import given, settings, strategies as st
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

units_lists = st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True).map(sorted)


def make(units, period=1):
    torch.manual_seed(0)
    return AnytimeSequence([AnytimeNetwork(n, 2, 3, period=min(period, 3 * n), input_size=8)
                            for n in units]).eval()


@given(units=units_lists, period=st.integers(1, 4))
@settings(max_examples=20)
def test_only_exits_deeper_than_the_previous_network_are_reported(units, period):
    sequence = make(units, period)
    expected, previous = [], 0
    for index, n in enumerate(units):
        step = min(period, 3 * n)
        expected += [(index, d) for d in range(previous + 1, 3 * n + 1) if (3 * n - d) % step == 0]
        previous = 3 * n
    assert [(stage.network_index, stage.depth) for stage in sequence.exits] == expected


@given(units=units_lists)
@settings(max_examples=10)
def test_answers_are_those_of_the_members(units):
    sequence = make(units)
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        answers = sequence(images)
        expected, previous = [], 0
        for network in sequence.networks:
            expected += [logits for stage, logits in zip(network.exits, network(images))
                         if stage.depth > previous]
            previous = network.depth
    assert len(answers) == len(expected)
    assert all(torch.equal(answer, other) for answer, other in zip(answers, expected))


def test_cost_counts_earlier_networks_but_no_unreported_heads():
    sequence = make([1, 2, 4])
    image = torch.zeros(sequence.image_shape)
    for count in range(1, len(sequence.stages) + 1):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            list(run_stages(sequence.stages[:count], image))
        assert sequence.stages[count - 1].cost == counter.get_total_flops() / 2


def test_weights_are_shared_with_the_members_and_registered_once():
    sequence = make([1, 2])
    own = sum(len(network.state_dict()) for network in sequence.networks)
    assert len(sequence.state_dict()) == own
    assert sequence.stages[0].trunk is sequence.networks[0].stages[0].trunk


@pytest.mark.parametrize('networks, text', [
    ([], 'at least one'),
    ([AnytimeNetwork(2, 2, 3), AnytimeNetwork(2, 2, 3)], r'\[6, 6\]'),
    ([AnytimeNetwork(1, 2, 3), AnytimeNetwork(2, 2, 4)], 'num_classes'),
    ([AnytimeNetwork(1, 2, 3), AnytimeNetwork(2, 2, 3, input_size=16)], 'image_shape')])
def test_networks_that_do_not_fit_together_are_refused(networks, text):
    with pytest.raises(ValueError, match=text):
        AnytimeSequence(networks)
