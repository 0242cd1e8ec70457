"""Kinds of exits: what they change, what they cost, and that files keep them."""

from anytime_perception import model_file
from anytime_perception.networks import AnytimeNetwork
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode


def test_a_coarse_head_costs_its_convolutions_more():
    pooled, coarse = (AnytimeNetwork(1, 4, 5, input_size=32, head=head).stages[0]
                      for head in ('pool', 'coarse'))
    assert coarse.cost - pooled.cost == 9 * 4 * 4 * (16 * 16 + 8 * 8)


@pytest.mark.parametrize('head', ['pool', 'coarse', 'ladder'])
def test_a_file_keeps_the_kind_of_its_heads(tmp_path, head):
    torch.manual_seed(0)
    network = AnytimeNetwork(1, 2, 3, input_size=8, head=head).eval()
    assert ('head' in network.config) == (head != 'pool')
    model_file.save(tmp_path / 'model.safetensors', model_file.Model.bare(network))
    again = model_file.load(tmp_path / 'model.safetensors').network
    images = torch.randn(2, 3, 8, 8)
    for expected, found in zip(network(images), again(images)):
        torch.testing.assert_close(found, expected)


def test_what_exits_see_is_carried_on():
    network = AnytimeNetwork(2, 4, 5, input_size=16, head='ladder').eval()
    images = torch.randn(2, 3, 16, 16)
    before = network(images)
    with torch.no_grad():  # nothing of it reaches the trunk
        network.stages[1].trunk.look[-1].bias += 1
    changed = [not torch.equal(a, b) for a, b in zip(before, network(images))]
    assert changed == [False, True, True, True, True, True]


@pytest.mark.parametrize('size', [8, 17, 32])
@pytest.mark.parametrize('period', [1, 2, 4])
def test_a_ladder_fits_every_size_and_period_and_its_cost_is_counted(size, period):
    network = AnytimeNetwork(2, 4, 5, period=period, input_size=size, head='ladder').eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        answers = network(torch.randn(network.image_shape))
    assert len(answers) == len(network.exits) and answers[-1].shape == (1, 5)
    assert 2 * network.exits[-1].cost == counter.get_total_flops()


def test_an_unknown_head_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="head is 'odd'; it must be one of pool, coarse, ladder"):
        AnytimeNetwork(1, 2, 3, head='odd')
