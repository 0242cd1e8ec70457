"""Muon turns convolutions along their momentum made orthogonal; such runs go on as others do."""

from anytime_training.config import TrainConfig
from anytime_training.muon import Muon, orthogonal
from anytime_training.optimiser import Together
from anytime_training.recipes import recipe
from hypothesis import given, settings, strategies as st
import pytest
from runs_on_digits import (
    interrupted_after_an_epoch, resume, rows_of, same_weights, train)
import torch
from torch import nn

OPTIONS = ['--batch-size', '64', '--epochs', '4', '--optimiser', 'muon', '--lr', '0.02']


def convolution(out, channels, size=3):
    """Return the weights of a convolution, of the norm that Muon keeps, with a gradient."""
    weights = nn.Parameter(torch.randn(out, channels, size, size))
    weights.data.mul_(out ** 0.5 / weights.data.norm())
    weights.grad = torch.randn_like(weights)
    return weights


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2 ** 31))
def test_directions_are_those_of_the_singular_vectors(rows, columns, seed):
    torch.manual_seed(seed)
    matrix = torch.randn(rows, columns, dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.mT @ orthogonal(matrix[None])[0] @ right.mT  # diagonal, in the singular vectors
    assert torch.allclose(found, torch.diag(found.diagonal()), atol=1e-6)
    assert found.diagonal().max() < 1.25
    assert (found.diagonal()[values > 0.02 * values.norm()] > 0.6).all()


@pytest.mark.skipif(not hasattr(torch.optim, 'Muon'), reason='this PyTorch has no Muon')
@pytest.mark.parametrize('out, channels', [(8, 4), (16, 1), (32, 2)])
@pytest.mark.parametrize('nesterov', [True, False])
def test_steps_are_those_of_pytorchs_muon_but_for_the_norm(out, channels, nesterov):
    torch.manual_seed(0)
    ours = convolution(out, channels)
    matrix = nn.Parameter(ours.detach().flatten(1).clone())
    options = {'lr': 0.1, 'momentum': 0.8, 'nesterov': nesterov}
    reference = torch.optim.Muon([matrix], weight_decay=0.0, **options)
    optimiser = Muon([ours], **options)
    for _ in range(3):
        gradient = torch.randn_like(ours)
        ours.grad, matrix.grad = gradient.clone(), gradient.flatten(1).clone()
        before = matrix.detach().clone()
        optimiser.step()
        reference.step()
        matrix.data.mul_(out ** 0.5 / matrix.data.norm())
        change = (matrix - before).norm()
        assert (ours.flatten(1) - matrix).norm() < 0.05 * change  # PyTorch computes in bfloat16
        matrix.data.copy_(ours.detach().flatten(1))


@settings(max_examples=30)
@given(st.integers(1, 24), st.integers(1, 8), st.floats(1e-6, 1e6))
def test_a_step_is_a_share_of_the_norm_whatever_the_size_of_the_gradient(out, channels, size):
    torch.manual_seed(out)
    weights = convolution(out, channels)
    weights.grad *= size
    before = weights.detach().clone()
    Muon([weights], lr=0.01).step()
    turned = (weights - before).norm() / before.norm()
    assert 0 < turned < 0.0125
    assert weights.norm().item() == pytest.approx(out ** 0.5, rel=1e-5)


def test_weights_without_a_gradient_stay():
    used, unused = convolution(4, 4), convolution(4, 4)
    unused.grad = None
    before = unused.detach().clone()
    Muon([used, unused], lr=0.1).step()
    assert torch.equal(unused, before) and not torch.isnan(used).any()


def test_a_gradient_of_zeros_changes_nothing():
    weights = convolution(4, 4)
    weights.grad.zero_()
    before = weights.detach().clone()
    Muon([weights], lr=0.1).step()
    assert torch.allclose(weights, before)


@pytest.mark.parametrize('more', [[], ['--set', 'head=ladder', '--set', 'average=0.9']])
def test_a_run_that_stops_and_goes_on_ends_as_the_one_that_did_not(tmp_path, more):
    assert train(tmp_path / 'whole', *OPTIONS, *more) == 0
    whole = rows_of(tmp_path / 'whole')
    assert float(whole[-1]['loss_3']) < 0.5 * float(whole[0]['loss_3'])
    with interrupted_after_an_epoch():
        assert train(tmp_path / 'parts', *OPTIONS, *more) == 130
        assert resume(tmp_path / 'parts') == 130
    assert resume(tmp_path / 'parts') == 0
    assert same_weights(tmp_path / 'whole', tmp_path / 'parts')


@pytest.mark.parametrize('values, reason', [
    ({'backbone': 'resnet18'}, 'train the backbone resnet18 by sgd'),
    ({'weight_decay': 1e-4}, 'weight_decay is 0.0001')])
def test_what_muon_cannot_do_is_refused(values, reason):
    with pytest.raises(ValueError, match=reason):
        TrainConfig.of({'optimiser': 'muon', **values})


def test_it_has_settings_of_its_own_that_need_not_be_named():
    config = TrainConfig.of({'dataset': 'cifar10', 'optimiser': 'muon'})
    assert (config.lr, config.weight_decay) == (0.015, 0.0)
    assert recipe(config) == 'optimiser muon'
    other = TrainConfig.of({'dataset': 'cifar10', 'optimiser': 'muon', 'lr': 0.1})
    assert recipe(other) == 'optimiser muon, lr 0.1'


def test_a_checkpoint_of_another_device_leaves_what_a_cuda_graph_needs():
    def optimiser(capturable):
        return Together(torch.optim.Adam([convolution(2, 2)], 0.1, capturable=capturable),
                        Muon([convolution(2, 2)], 0.1))
    here = optimiser(True)
    here.load_state_dict(optimiser(False).state_dict())
    assert [group.get('capturable') for group in here.param_groups] == [True, None]
