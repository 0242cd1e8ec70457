"""`anytime profile` measures every exit and writes it down."""

import json

from anytime_perception.model_file import Model, save
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from anytime_training.cli import main
import pytest


@pytest.mark.parametrize('runner', ['torch', 'auto'])
def test_every_exit_is_measured_and_written_beside_the_model(tmp_path, capsys, runner):
    sequence = AnytimeSequence([AnytimeNetwork(n, 2, 3, input_size=8) for n in (1, 2)])
    path = tmp_path / 'toy.safetensors'
    save(path, Model.bare(sequence.eval()))
    assert main(['profile', str(path), '--device', 'cpu', '--images', '5', '--rate', '200',
                 '--runner', runner]) == 0
    result = json.loads((tmp_path / 'toy.profile.json').read_text())
    assert [row['depth'] for row in result['exits']] == [s.depth for s in sequence.exits]
    medians = [row['median_ms'] for row in result['exits']]
    assert medians == sorted(medians) and medians[0] > 0
    assert all(row['median_ms'] <= row['p99_ms'] for row in result['exits'])
    assert (tmp_path / 'toy.profile.png').stat().st_size > 1000
    assert f'toy.safetensors on cpu ({result["runner"]}' in capsys.readouterr().out


@pytest.mark.parametrize('rate', ['0', '-1', 'nan', 'often'])
def test_an_impossible_rate_is_refused(tmp_path, capsys, rate):
    with pytest.raises(SystemExit):
        main(['profile', str(tmp_path / 'none'), f'--rate={rate}'])
    assert f"'{rate}' is not a positive number" in capsys.readouterr().err


def test_a_missing_model_is_named(tmp_path, capsys):
    assert main(['profile', str(tmp_path / 'none')]) == 2
    assert 'none' in capsys.readouterr().err
