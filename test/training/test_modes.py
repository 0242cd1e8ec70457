"""Training modes, objectives and their combinations; each resumable after any epoch."""

import math

from anytime_perception import model_file
from anytime_perception.networks import AnytimeNetwork
from anytime_training import weights
from anytime_training.averaging import MovingAverage
from anytime_training.config import TrainConfig
from anytime_training.objective import exit_losses, mix
from anytime_training.phases import MODES, plan, run_phase, scale_gradient, set_phase
from anytime_training.strategies import STRATEGIES
from anytime_training.train import _start_phase, new_network, save_checkpoint
from hypothesis import given, settings, strategies as st
import pytest
from runs_on_digits import (
    interrupted_after_an_epoch, rows_of, same_weights, train, weights_of)
from scipy.stats import beta
import torch


def run(folder, *options):
    return train(folder, '--channels', '2', '--batch-size', '256', '--set', 'average=0', *options)


@pytest.mark.parametrize('strategy', STRATEGIES)
@pytest.mark.parametrize('scheme', weights.SCHEMES)
def test_every_scheme_goes_with_every_strategy(tmp_path, scheme, strategy):
    assert run(tmp_path, '--epochs', '1', '--weights', scheme, '--strategy', strategy) == 0
    row, = rows_of(tmp_path)
    trained = [3] if scheme == 'optimal' else [1, 2, 3]
    for index in (1, 2, 3):
        assert (row[f'loss_{index}'] != '') == (index in trained)
    if strategy not in ('none', 'adaloss') and scheme != 'optimal':
        assert sum(int(row[f'chosen_{index}']) for index in trained) == 1438 // 256


INTERRUPTIBLE = [
    ['--mode', 'midfeat'], ['--mode', 'no_grad'], ['--mode', 'mixed'], ['--strategy', 'exp3'],
    ['--set', 'average=0.9', '--set', 'mixup=0.4'], ['--strategy', 'adaloss'],
    ['--mode', 'midfeat', '--set', 'average=0.9'],
    ['--mode', 'no_grad', '--set', 'head=ladder'],
    ['--mode', 'midfeat', '--optimiser', 'muon'],  # its heads have no convolutions
    ['--mode', 'no_grad', '--optimiser', 'muon', '--set', 'head=coarse'],
    ['--mode', 'mixed', '--optimiser', 'muon', '--set', 'head=ladder'],
    ['--mode', 'no_grad', '--set', 'average=0.9'],
    ['--optimiser', 'muon', '--set', 'side_channels=[4,6]'],
    ['--units-per-block', '1,2', '--set', 'side_channels=[4,6]', '--set', 'late_exits=true'],
    ['--mode', 'mixed', '--set', 'average=0.9'],
    ['--set', 'boosted=true', '--set', 'calibrate=true'],
    ['--set', 'lighting=true', '--set', 'cutout=4', '--set', 'padding=0.25']]


@pytest.mark.parametrize('options', INTERRUPTIBLE, ids=' '.join)
def test_interrupted_after_any_epoch_the_result_is_the_same(tmp_path, options):
    options = ['--epochs', '2', *options]
    assert run(tmp_path / 'whole', *options) == 0
    with interrupted_after_an_epoch() as saved:
        while run(tmp_path / 'broken', *options, '--resume') == 130:
            pass
    expected = {'midfeat': 4, 'mixed': 4, 'no_grad': 6, '1,2': 4}.get(options[3], 2)
    assert len(saved) == expected
    assert same_weights(tmp_path / 'whole', tmp_path / 'broken')


@pytest.mark.parametrize('mode, kept', [('midfeat', 'stages.2.'), ('no_grad', 'stages.0.')])
def test_a_phase_starts_from_the_average_of_the_one_before(tmp_path, monkeypatch, mode, kept):
    averages = []

    def save(path, state):
        averages.append({name: tensor.clone() for name, tensor in state['average'].items()})
        save_checkpoint(path, state)
    monkeypatch.setattr('anytime_training.train.save_checkpoint', save)
    assert run(tmp_path, '--epochs', '2', '--mode', mode, '--set', 'average=0.9') == 0
    result = weights_of(tmp_path)
    # What the first phase trained and all later ones freeze: its average, after two epochs.
    names = [name for name in result if name.startswith(kept) and name.endswith('weight')]
    assert names and all(torch.equal(result[name], averages[1][name]) for name in names)


def network_and_images():
    torch.manual_seed(0)
    return AnytimeNetwork(2, 3, 5, input_size=8), torch.randn(7, 3, 8, 8)


def test_a_phase_begins_without_gradients_of_the_one_before():
    network, images = network_and_images()
    config = TrainConfig(units_per_block=(2,), channels=3, mode='midfeat')
    first, second = plan('midfeat', network, weights.sieve(6))
    set_phase(network, first)
    sum(logits.sum() for logits in run_phase(network, first, images)).backward()
    assert any(parameter.grad is not None for parameter in network.parameters())
    _start_phase(config, network, second, 1, 0, graph=False)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize('mode', MODES)
def test_a_phase_moves_only_what_it_trains(mode):
    network, images = network_and_images()
    for phase in plan(mode, network, weights.sieve(6)):
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        set_phase(network, phase)
        network.zero_grad(set_to_none=True)
        sum(logits.sum() for logits in run_phase(network, phase, images)).backward()
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.grad is not None:
                    parameter -= parameter.grad
        moved = {name for name, tensor in network.state_dict().items()
                 if not torch.equal(tensor, before[name])}
        for index, stage in enumerate(network.stages):
            trunk = any(name.startswith(f'stages.{index}.trunk') for name in moved)
            head = any(name.startswith(f'stages.{index}.head') for name in moved)
            assert head == (index in phase.exits)
            assert trunk == (phase.first_trained <= index <= phase.exits[-1])


def test_plans_of_the_modes():
    network, _ = network_and_images()
    joint, = plan('joint', network, weights.sieve(6))
    assert joint.exits == (0, 1, 2, 3, 4, 5) and joint.alternates
    opt, = plan('joint', network, weights.optimal(6, 2))
    assert opt.exits == (2,) and opt.weights.tolist() == [1.0] and not opt.alternates
    first, second = plan('mixed', network, weights.sieve(6))
    assert first.exits == (5,) and second.exits == joint.exits and second.alternates
    final, heads = plan('midfeat', network, weights.sieve(6))
    assert final.exits == (5,) and heads.exits == (0, 1, 2, 3, 4) and heads.first_trained == 6
    assert [phase.exits for phase in plan('no_grad', network, weights.sieve(6))] == [
        (index,) for index in range(6)]


def test_run_phase_computes_what_the_network_does():
    network, images = network_and_images()
    network.eval()
    phase, = plan('joint', network, weights.sieve(6))
    for equal in (False, True):
        for expected, found in zip(network(images), run_phase(network, phase, images, equal)):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('mode', MODES)
def test_a_phase_can_be_compiled_as_one_program(mode):
    network, images = network_and_images()
    for phase in plan(mode, network, weights.sieve(6)):
        torch.compiler.reset()
        compiled = torch.compile(run_phase, backend='eager', fullgraph=True, dynamic=False)
        set_phase(network, phase)
        network.eval()
        for expected, found in zip(run_phase(network, phase, images, True),
                                   compiled(network, phase, images, True)):
            torch.testing.assert_close(found, expected)
            assert found.requires_grad == expected.requires_grad


def test_gradient_equilibrium_gives_every_exit_its_share():
    # In the first unit, exit i of K has the product of the scales on its way; they are all 1/K.
    network, images = network_and_images()
    phase, = plan('joint', network, weights.constant(6))
    set_phase(network, phase)
    stem = network.stages[0].trunk[0][-1].weight
    for index in range(6):
        plain, scaled = (torch.autograd.grad(
            run_phase(network, phase, images, equal)[index].square().sum(), stem)[0]
            for equal in (False, True))
        torch.testing.assert_close(scaled, plain / 6, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('kind', [torch.float32, torch.bfloat16])
def test_scale_gradient_changes_the_gradient_only(kind):
    draws = torch.Generator().manual_seed(3)
    value = torch.randn(1000, generator=draws).to(kind).requires_grad_()
    for exits in range(1, 28):
        factor = 1 / exits
        scaled = scale_gradient(value, factor)
        assert torch.equal(scaled, value)
        found, = torch.autograd.grad(scaled.sum(), value)
        assert torch.equal(found, torch.full_like(value, factor))


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(1, 8), st.integers(2, 6), st.floats(0, 0.9),
       st.booleans(), st.integers(0, 99))
def test_losses_by_hand(exits, images, classes, distillation, taught, seed):
    draws = torch.Generator().manual_seed(seed)
    logits = [torch.randn(images, classes, generator=draws) for _ in range(exits)]
    labels = torch.randint(classes, (images,), generator=draws)
    theirs = torch.randn(images, classes, generator=draws) if taught else None
    losses, errors = exit_losses(logits, labels, distillation=distillation, temperature=2.0,
                                 taught=theirs)
    teacher = ((theirs if taught else logits[-1]) / 2).softmax(1)
    for index, answer in enumerate(logits):
        entropy = -sum(math.log(answer[i].softmax(0)[labels[i]]) for i in range(images)) / images
        student = (answer / 2).log_softmax(1)
        divergence = (teacher * (teacher.log() - student)).sum().item() / images
        share = distillation if taught or index < exits - 1 else 0
        expected = (1 - share) * entropy + share * 4 * divergence
        assert losses[index].item() == pytest.approx(expected, rel=1e-3, abs=1e-4)
        assert errors[index].item() == pytest.approx(
            (answer.argmax(1) != labels).float().mean().item())


def test_a_boosted_exit_learns_what_the_earlier_leave():
    draws = torch.Generator().manual_seed(5)
    logits = [torch.randn(6, 4, generator=draws).requires_grad_() for _ in range(3)]
    labels = torch.randint(4, (6,), generator=draws)
    losses, errors = exit_losses(logits, labels, boosted=True)
    for index in range(3):
        given = sum(earlier.detach() for earlier in logits[:index])
        alone = logits[index].detach().clone().requires_grad_()
        expected = -(given + alone).log_softmax(1)[torch.arange(6), labels].mean()
        assert losses[index].item() == pytest.approx(expected.item(), abs=1e-6)
        assert errors[index] == ((given + alone).argmax(1) != labels).float().mean()
        # No other exit's loss has a gradient in these logits.
        mine, = torch.autograd.grad(losses.sum(), logits[index], retain_graph=True)
        torch.testing.assert_close(mine, torch.autograd.grad(expected, alone)[0])


def test_smoothing_spreads_a_share_of_the_target():
    logits = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    losses, _ = exit_losses([logits], torch.tensor([0]), smoothing=0.4)
    target = torch.tensor([0.7, 0.1, 0.1, 0.1])
    assert losses.item() == pytest.approx(-(target * logits[0].log_softmax(0)).sum().item())


def test_mixup_blends_images_and_losses_alike():
    draws = torch.Generator().manual_seed(2)
    labels = torch.arange(6)
    images = labels.float()[:, None, None, None].expand(6, 3, 4, 4)
    blends, (others, share) = mix(images, labels, 0.5, draws)
    expected = share * labels + (1 - share) * others
    torch.testing.assert_close(blends[:, 0, 0, 0], expected)
    logits = torch.randn(6, 6)
    (loss,), _ = exit_losses([logits], labels, mixed=(others, share))
    log = logits.log_softmax(1)
    rows = torch.arange(6)
    by_hand = -(share * log[rows, labels] + (1 - share) * log[rows, others]).mean()
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-5)


@pytest.mark.parametrize('alpha', [0.001, 0.01, 0.2, 1, 50, 1000])
def test_shares_of_mixup_are_spread_as_scipy_has_it(alpha):
    """Of small ones most are so near to 0 or 1 that float32 can't tell; none is a half instead."""
    count = 10_000
    draws = torch.Generator().manual_seed(3)
    _, (_, share) = mix(torch.zeros(count, 1, 1, 1), torch.zeros(count), alpha, draws)
    for edge in 0.01, 0.3, 0.5, 0.52, 0.99:
        expected = beta(alpha, alpha).cdf(edge)
        assert (share <= edge).double().mean() == pytest.approx(expected, abs=0.02)


def test_the_average_forgets_its_start_and_follows():
    layer = torch.nn.Linear(1, 1)
    average = MovingAverage(layer, decay=0.9)
    expected = layer.weight.item()
    for step in range(20):
        with torch.no_grad():
            layer.weight += 1
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.weight.item()
    assert average.network.weight.item() == pytest.approx(expected, rel=1e-5)


def test_members_of_a_late_sequence_answer_only_where_they_are_deeper(tmp_path):
    assert run(tmp_path, '--epochs', '1', '--units-per-block', '1,2', '--set',
               'late_exits=true') == 0
    network = model_file.load(tmp_path / 'model.safetensors').network
    assert [member.config['first_exit'] for member in network.networks] == [1, 4]
    assert [stage.depth for stage in network.networks[1].exits] == [4, 5, 6]
    assert [stage.depth for stage in network.exits] == [1, 2, 3, 4, 5, 6]


def test_members_of_a_sequence_have_one_period_or_each_its_own():
    def depths(period):
        config = TrainConfig(units_per_block=(1, 2, 3), channels=2, input_size=8, period=period)
        return [[stage.depth for stage in new_network(config, number, 10, 0).exits]
                for number in range(3)]
    assert depths((3,)) == [[3], [3, 6], [3, 6, 9]]
    assert depths((1, 2, 4)) == [[1, 2, 3], [2, 4, 6], [1, 5, 9]]


def test_networks_may_say_how_many_units_and_channels_each_block_has(tmp_path):
    assert run(tmp_path, '--epochs', '1', '--set', 'units_per_block=[[0,1,1],[1,1,2]]', '--set',
               'channels=[4,6,12]') == 0
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {'n0-1-1', 'n1-1-2'}
    members = model_file.load(tmp_path / 'model.safetensors').network.networks
    assert [[stage.head.fc.in_features for stage in member.exits] for member in members] == [
        [6, 12], [4, 6, 12, 12]]


@pytest.mark.parametrize('head', ['coarse', 'ladder'])
def test_heads_and_calibration_reach_the_model_file(tmp_path, head):
    assert run(tmp_path, '--epochs', '1', '--set', f'head={head}', '--set', 'calibrate=true') == 0
    model = model_file.load(tmp_path / 'model.safetensors')
    assert model.network.config['head'] == head
    assert model.recipe['calibrate'] and model.measured.images == 359
