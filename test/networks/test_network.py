"""The anytime network is the paper's: where its exits sit, what it costs, what it computes."""

import math

from anytime_perception.networks import AnytimeNetwork, layers
from anytime_perception.networks.stage import run_stages
from hypothesis import given, settings, strategies as st
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sizes = st.integers(1, 4)


@given(units=sizes, period=st.integers(1, 12), first_exit=st.integers(1, 12))
@settings(max_examples=40)
def test_exits_are_counted_from_the_end(units, period, first_exit):
    depth = 3 * units
    if period > depth or first_exit > depth:
        with pytest.raises(ValueError, match=f'only {depth} units deep'):
            AnytimeNetwork(units, 2, 3, period=period, first_exit=first_exit, input_size=8)
        return
    network = AnytimeNetwork(units, 2, 3, period=period, first_exit=first_exit, input_size=8)
    expected = [d for d in range(1, depth + 1) if (depth - d) % period == 0 and d >= first_exit]
    assert [stage.depth for stage in network.exits] == expected
    assert network.exits[-1].depth == depth


@given(units=sizes, channels=st.integers(1, 5), period=st.integers(1, 3),
       input_size=st.sampled_from([8, 13, 32, 70, 130]))
@settings(max_examples=12)
def test_cost_is_what_torch_counts(units, channels, period, input_size):
    network = AnytimeNetwork(units, channels, 3, period=period, input_size=input_size).eval()
    image = torch.zeros(network.image_shape)
    for count in range(1, len(network.stages) + 1):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            list(run_stages(network.stages[:count], image))
        assert network.stages[count - 1].cost == counter.get_total_flops() / 2


def test_every_unit_costs_the_same_and_convolutions_are_6n_plus_3():
    n, c = 5, 16
    network = AnytimeNetwork(n, c, 10)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 6 * n + 3  # section 4.1
    costs = [stage.cost for stage in network.stages]
    unit = 2 * 9 * c * c * 32 * 32
    steps = [later - earlier for earlier, later in zip(costs, costs[1:])]
    assert {step - c * 10 for step in steps[:n - 1]} == {unit}
    assert {step - 4 * c * 10 for step in steps[2 * n:]} == {unit}


def test_blocks_double_channels_and_halve_resolution():
    network = AnytimeNetwork(2, 3, 4).eval()
    features = torch.zeros(1, 3, 32, 32)
    shapes = []
    for stage in network.stages:
        features, _ = stage(features)
        shapes.append(tuple(features.shape[1:]))
    assert shapes == [(3, 32, 32)] * 2 + [(6, 16, 16)] * 2 + [(12, 8, 8)] * 2


@given(units=st.lists(st.integers(0, 3), min_size=1, max_size=4), last=st.integers(1, 3),
       period=st.integers(1, 3), head=st.sampled_from(['pool', 'ladder']), data=st.data())
@settings(max_examples=30)
def test_blocks_have_the_units_and_channels_they_are_given(units, last, period, head, data):
    units = [*units, last]
    channels = data.draw(st.lists(st.integers(1, 4), min_size=len(units), max_size=len(units)))
    network = AnytimeNetwork(units, channels, 3, input_size=16, head=head,
                             period=min(period, sum(units))).eval()
    expected = [(width, math.ceil(16 / 2 ** block))
                for block, width in enumerate(channels) for _ in range(units[block])]
    assert network.depth == len(expected)
    features = torch.zeros(network.image_shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for stage in network.stages:
            features, logits = stage(features)
            seen = features[0] if isinstance(features, tuple) else features
            assert (seen.shape[1], seen.shape[2]) == expected[stage.depth - 1]
            assert logits.shape == (1, 3)
    assert network.exits[-1].cost == counter.get_total_flops() / 2


@given(units=sizes, early=st.integers(1, 4))
@settings(max_examples=12)
def test_a_unit_costs_the_same_in_every_block(units, early):
    early = min(early, units)
    paper, moved = (AnytimeNetwork(each, 2, 3, input_size=8)
                    for each in (units, (early, early, 3 * units - 2 * early)))
    heads = [sum(stage.head.fc.weight.numel() for stage in network.exits)
             for network in (paper, moved)]
    assert moved.exits[-1].cost - heads[1] == paper.exits[-1].cost - heads[0]


def test_a_unit_is_what_the_paper_says():
    torch.manual_seed(0)
    network = AnytimeNetwork(1, 4, 3, input_size=8).double().eval()
    unit = network.stages[0].trunk[-1]
    for norm in (unit.norm1, unit.norm2, unit.norm3):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)

    def norm(values, layer):
        shape = (1, -1, 1, 1)
        deviation = (layer.running_var + layer.eps).sqrt().view(shape)
        scaled = (values - layer.running_mean.view(shape)) / deviation
        return scaled * layer.weight.view(shape) + layer.bias.view(shape)

    def convolve(values, kernel):
        padded = nn.functional.pad(values, (1, 1, 1, 1))
        windows = padded.unfold(2, 3, 1).unfold(3, 3, 1)
        return torch.einsum('nchwij,ocij->nohw', windows, kernel)

    with torch.no_grad():
        hidden = norm(convolve(norm(x, unit.norm1), unit.conv1.weight), unit.norm2).clamp(min=0)
        expected = x + norm(convolve(hidden, unit.conv2.weight), unit.norm3)
        assert torch.allclose(unit(x), expected, atol=1e-12)


@pytest.mark.parametrize('kernel, stride', [(3, 1), (3, 2), (4, 2)])
def test_convolutions_start_with_the_variance_of_he_by_fan_out(kernel, stride):
    torch.manual_seed(0)
    weights = layers.convolution(32, 128, kernel, stride).weight
    assert weights.std().item() == pytest.approx((2 / (kernel ** 2 * 128)) ** 0.5, rel=0.02)
    assert abs(weights.mean().item()) < 0.02 * weights.std().item()


@pytest.mark.parametrize('size, map_size', [(8, 8), (64, 64), (65, 33), (224, 56), (512, 64)])
def test_large_inputs_are_brought_down_to_64_pixels(size, map_size):
    network = AnytimeNetwork(1, 2, 3, input_size=size).eval()
    features, _ = network.stages[0](torch.zeros(1, 3, size, size))
    assert features.shape[-1] == map_size


@pytest.mark.parametrize('arguments, text', [
    ({'units_per_block': 0}, 'units_per_block is 0'), ({'channels': 1.5}, 'channels is 1.5'),
    ({'units_per_block': [1, 1, 0]}, 'the last block must have one'),
    ({'units_per_block': [1, -1, 1]}, r'units_per_block is \[1, -1, 1\]'),
    ({'units_per_block': []}, 'the last block'), ({'channels': [4, 8]}, 'each of 3 blocks'),
    ({'channels': [4, 8, 0]}, 'must be positive'),
    ({'num_classes': True}, 'num_classes is True'), ({'input_size': -3}, 'input_size is -3')])
def test_impossible_sizes_are_named(arguments, text):
    with pytest.raises(ValueError, match=text):
        AnytimeNetwork(**{'units_per_block': 1, 'channels': 2, 'num_classes': 3, **arguments})


def test_one_gradient_step_lowers_every_exit_s_loss():
    torch.manual_seed(1)
    network = AnytimeNetwork(1, 4, 3, input_size=8)
    images, labels = torch.randn(16, 3, 8, 8), torch.randint(3, (16,))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)

    def losses():
        return torch.stack([nn.functional.cross_entropy(logits, labels)
                            for logits in network(images)])

    before = losses()
    for _ in range(10):
        optimizer.zero_grad()
        losses().sum().backward()
        optimizer.step()
    assert (losses() < before).all()
