"""A torchvision backbone with exits computes what torchvision does, at the same cost."""

from anytime_perception.model_file import load, Model, save
from anytime_perception.networks import AnytimeBackbone, BACKBONES
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

models = pytest.importorskip('torchvision.models', exc_type=Exception)


def original_features(network, images):
    if hasattr(network, 'features'):
        return network.features(images)
    for name in ('conv1', 'bn1', 'relu', 'maxpool', 'layer1', 'layer2', 'layer3', 'layer4'):
        images = getattr(network, name)(images)
    return images


@pytest.mark.parametrize('name', BACKBONES)
def test_the_trunk_is_torchvision_s_and_keeps_its_weights(name):
    torch.manual_seed(0)
    original = getattr(models, name)(weights=None).eval()
    ours = AnytimeBackbone(name, 5, input_size=64, weights=original.state_dict()).eval()
    images = torch.randn(1, 3, 64, 64)
    features = images
    with torch.no_grad():
        for stage in ours.stages:
            features = stage.trunk(features)
        assert torch.allclose(features, original_features(original, images), atol=1e-5)
        logits = ours(images)
    assert len(logits) == len(ours.exits) == ours.depth > 5
    assert all(answer.shape == (1, 5) for answer in logits)


@pytest.mark.parametrize('name', ['resnet18', 'mobilenet_v3_small'])
def test_cost_is_what_torch_counts(name):
    network = AnytimeBackbone(name, 5, period=3, input_size=64).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(network.image_shape))
    assert network.exits[-1].cost == counter.get_total_flops() / 2


def test_units_are_the_residual_blocks():
    assert AnytimeBackbone('resnet18', 5).depth == 8
    assert AnytimeBackbone('resnet50', 5).depth == 16
    assert AnytimeBackbone('convnext_tiny', 5, input_size=64).depth == 18


def test_a_model_file_keeps_a_backbone(tmp_path):
    network = AnytimeBackbone('resnet18', 3, period=2, input_size=32).eval()
    save(tmp_path / 'm', Model.bare(network))
    loaded = load(tmp_path / 'm').network
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        for ours, theirs in zip(network(images), loaded(images)):
            assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize('arguments, text', [
    ({'backbone': 'alexnet'}, 'resnet18, resnet34'), ({'period': 9}, 'only 8 units deep'),
    ({'head': 'x'}, 'pool, coarse'), ({'input_size': 0}, 'input_size is 0'),
    ({'weights': {'a': torch.zeros(1)}}, 'not those of')])
def test_what_cannot_be_is_named(arguments, text):
    with pytest.raises(ValueError, match=text):
        AnytimeBackbone(**{'backbone': 'resnet18', 'num_classes': 3, **arguments})
