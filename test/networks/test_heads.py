"""Kinds of exits: what they change, what they cost, and that files keep them."""

from anytime_perception import model_file
from anytime_perception.networks import AnytimeNetwork
import pytest
import torch


def test_a_coarse_head_costs_its_convolutions_more():
    pooled, coarse = (AnytimeNetwork(1, 4, 5, input_size=32, head=head).stages[0]
                      for head in ('pool', 'coarse'))
    assert coarse.cost - pooled.cost == 9 * 4 * 4 * (16 * 16 + 8 * 8)


@pytest.mark.parametrize('head', ['pool', 'coarse'])
def test_a_file_keeps_the_kind_of_its_heads(tmp_path, head):
    torch.manual_seed(0)
    network = AnytimeNetwork(1, 2, 3, input_size=8, head=head).eval()
    assert ('head' in network.config) == (head != 'pool')
    model_file.save(tmp_path / 'model.safetensors', model_file.Model.bare(network))
    again = model_file.load(tmp_path / 'model.safetensors').network
    images = torch.randn(2, 3, 8, 8)
    for expected, found in zip(network(images), again(images)):
        torch.testing.assert_close(found, expected)


def test_an_unknown_head_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="head is 'odd'; it must be one of pool, coarse"):
        AnytimeNetwork(1, 2, 3, head='odd')
