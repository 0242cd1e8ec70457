"""Shipping: what is written is what was measured, and the card tells how to make it again."""

import dataclasses
import hashlib
import json
import os
import re
import shlex
import shutil

from anytime_perception import model_file
from anytime_training import cli
import pytest
from runs_on_digits import same_weights, train
import torch


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Return the folder of a sequence that carries answers over."""
    folder = tmp_path_factory.mktemp('runs') / 'run'
    assert train(folder, '--units-per-block', '1,2', '--batch-size', '64', '--set', 'carry=0.5',
                 '--set', 'calibrate=true') == 0
    return folder


def ship(run, output, *options):
    return cli.main(['ship', str(run), '--output', str(output), '--device', 'cpu', *options])


def commands_of(card):
    block = re.search(r'```bash\n(.*?)```', card.read_text(), re.DOTALL).group(1)
    return [shlex.split(line) for line in block.splitlines()]


@pytest.mark.parametrize('half', [False, True])
def test_the_file_is_measured_as_it_is(run, tmp_path, capsys, half):
    path = tmp_path / 'models' / 'digits.safetensors'
    assert ship(run, path, *['--half'] * half) == 0
    trained, shipped = model_file.load(run / 'model.safetensors'), model_file.load(path)
    before, after = trained.network.state_dict(), shipped.network.state_dict()
    for name, tensor in before.items():
        expected = tensor.half().float() if half and tensor.is_floating_point() else tensor
        assert torch.equal(after[name], expected)
    assert shipped.carry == trained.carry and len(shipped.carry) == 6
    size = path.stat().st_size
    assert (size < 0.65 * (run / 'model.safetensors').stat().st_size) == half
    assert path.stat().st_mode & 0o444 == 0o444 & ~_mask()
    capsys.readouterr()
    assert cli.main(['evaluate', '--json', str(path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['error'] == pytest.approx(shipped.measured.error)
    card = path.with_suffix('.md').read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    for index, error in enumerate(found['error']):
        row = re.search(rf'^\| {index} \|.*$', card, re.MULTILINE).group()
        assert f'| {error:.2%} |' in row
    assert f'{found["lost"]:.2%} of the images' in card
    for hysteresis in ('1', '5'):
        assert cli.main(['evaluate', '--json', '--hysteresis', hysteresis, str(path)]) == 0
        held = json.loads(capsys.readouterr().out)
        row = [f'{value:.2%}' for value in (held['error'][-1], held['average_error'],
                                            held['lost'], max(held['calibration_error']))]
        assert f'| {hysteresis} | {" | ".join(row)} |' in card
        assert (held['lost'] < found['lost']) == (hysteresis == '5')
    assert cli.main(['evaluate', '--hysteresis', '0.5', str(path)]) == 2
    assert 'at least 1' in capsys.readouterr().err
    assert 'CC BY 4.0' in card and '1295 training images' in card and str(run) not in card


def test_what_was_trained_on_is_not_measured_on(tmp_path, capsys):
    whole, flat, run = tmp_path / 'whole', tmp_path / 'flat', tmp_path / 'run'
    assert cli.main(['dataset', 'digits', '--output', str(whole)]) == 0
    for picture in whole.glob('*/[01]/*.png'):  # not split: a fifth is held out
        place = flat / picture.parent.name / f'{picture.parent.parent.name}-{picture.name}'
        place.parent.mkdir(parents=True, exist_ok=True)
        picture.rename(place)
    count = len(list(flat.glob('*/*')))
    assert train(run, '--dataset', 'folder', '--data', flat, '--epochs', '1') == 0
    assert ship(run, tmp_path / 'a.safetensors') == 0
    trained = int(re.search(r'(\d+) training images', (tmp_path / 'a.md').read_text()).group(1))
    assert 0.75 * count < trained < 0.85 * count
    capsys.readouterr()
    assert cli.main(['evaluate', str(run)]) == 0
    assert capsys.readouterr().err == ''
    shutil.copy(next(flat.glob('0/*')), flat / '0' / 'another.png')  # the fifth is another one
    assert cli.main(['evaluate', str(run)]) == 0
    warning = capsys.readouterr().err
    assert 'trained on' in warning and warning.count('\n') == 1
    assert ship(run, tmp_path / 'b.safetensors') == 2
    assert f'remove {run / "data.json"}' in capsys.readouterr().err
    assert not (tmp_path / 'b.safetensors').exists()
    (run / 'data.json').unlink()  # as of a run of an older version, which knows nothing of them
    assert ship(run, tmp_path / 'c.safetensors') == 0
    assert 'their number not recorded' in (tmp_path / 'c.md').read_text()


def _mask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_commands_in_the_card_make_the_model_again(run, tmp_path, monkeypatch):
    path = tmp_path / 'digits.safetensors'
    assert ship(run, path, '--half', '--data-name', 'my digits', '--data-note', 'All mine.') == 0
    monkeypatch.chdir(tmp_path)
    first, again = commands_of(path.with_suffix('.md'))
    assert first[:2] == ['anytime', 'train'] and again[:2] == ['anytime', 'ship']
    assert cli.main([*first[1:], '--quiet', '--device', 'cpu']) == 0
    assert same_weights(run, tmp_path / 'runs' / 'digits')
    content, card = path.read_bytes(), path.with_suffix('.md').read_text()
    path.unlink()
    assert cli.main([*again[1:], '--device', 'cpu']) == 0
    assert path.read_bytes() == content and path.with_suffix('.md').read_text() == card
    assert 'my digits' in card and 'All mine.' in card


def test_weights_that_float16_cannot_hold_are_named(run, tmp_path, capsys):
    model = model_file.load(run / 'model.safetensors')
    name, weight = next(iter(model.network.named_parameters()))
    weight[0] = 1e6
    broken = tmp_path / 'broken'
    broken.mkdir()
    (broken / 'config.json').write_text((run / 'config.json').read_text())
    model_file.save(broken / 'model.safetensors', dataclasses.replace(model))
    assert ship(broken, tmp_path / 'x.safetensors', '--half') == 2
    assert name in capsys.readouterr().err
    assert not (tmp_path / 'x.safetensors').exists()
    assert ship(broken, tmp_path / 'x.safetensors') == 0


def test_what_is_said_of_the_data_does_not_break_the_card(run, tmp_path):
    path = tmp_path / 'x.safetensors'
    assert ship(run, path, '--data-name', 'a|b', '--data-note', 'mine | yours\nand theirs') == 0
    card = path.with_suffix('.md').read_text()
    assert '\n| data | mine \\| yours and theirs |\n' in card
    assert ' training images of a\\|b |\n' in card


def test_the_runs_own_model_is_not_overwritten(run, tmp_path, capsys):
    before = (run / 'model.safetensors').read_bytes()
    (tmp_path / 'link').symlink_to(run)
    assert ship(run, tmp_path / 'link' / 'model.safetensors', '--half') == 2
    assert 'another --output' in capsys.readouterr().err
    assert (run / 'model.safetensors').read_bytes() == before


@pytest.mark.parametrize('source, output, said', [
    ('nowhere', 'x.safetensors', 'nowhere is no folder of a run'),
    (__file__, 'x.safetensors', 'test_ship.py is no folder of a run'),
    (None, 'x.pt', '.safetensors')])
def test_mistakes_are_explained(run, tmp_path, capsys, source, output, said):
    assert ship(source or run, tmp_path / output) == 2
    error = capsys.readouterr().err
    assert said in error and error.count('\n') == 1
    assert not list(tmp_path.iterdir())
