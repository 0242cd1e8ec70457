"""Folding changes the work, not the function."""

import copy

from anytime_perception.engine.folding import fold
from anytime_perception.networks import AnytimeBackbone, AnytimeNetwork, AnytimePyramid
from hypothesis import given, settings, strategies as st
import pytest
import torch
from torch import nn


@given(units=st.integers(1, 2), channels=st.integers(1, 6), size=st.sampled_from([7, 16, 130]),
       seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_a_folded_stage_computes_the_same(units, channels, size, seed):
    torch.manual_seed(seed)
    check_folded_stages(AnytimeNetwork(units, channels, 3, input_size=size))


def check_folded_stages(network):
    network.double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 3)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    before = copy.deepcopy(network.state_dict())
    features = torch.randn(network.image_shape, dtype=torch.float64)
    with torch.no_grad():
        for stage in network.stages:
            expected = stage.trunk(features)
            assert torch.allclose(fold(stage.trunk)(features), expected, atol=1e-9)
            features = expected
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize('backbone', ['resnet18', 'resnet50', 'mobilenet_v3_small',
                                      'convnext_tiny'])
def test_a_folded_backbone_computes_the_same_and_has_no_normalisation_of_batches_left(backbone):
    pytest.importorskip('torchvision')
    torch.manual_seed(0)
    network = AnytimeBackbone(backbone, 3, input_size=32)
    check_folded_stages(network)
    assert not any(isinstance(module, nn.BatchNorm2d)
                   for stage in network.stages for module in fold(stage.trunk).modules())


def test_a_folded_unit_has_one_normalisation_left():
    folded = fold(AnytimeNetwork(1, 2, 3).eval().stages[0].trunk)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in folded.modules()) == 1


def test_a_folded_pyramid_has_none_left():
    stages = AnytimePyramid((1, 2), (2, 3), (4,), 3).eval().stages
    assert not any(isinstance(module, nn.BatchNorm2d)
                   for stage in stages for module in fold(stage.trunk).modules())
