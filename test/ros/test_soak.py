"""The soak, shortened; and that what it checks would be noticed."""

import json
from pathlib import Path
import subprocess
import sys

from anytime_perception.msg import Refinement
import numpy as np
import pytest
from served import child_environment

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.fixture
def checks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import soak_checks
    return soak_checks


def test_a_short_soak_finds_nothing_wrong(tmp_path):
    output, log = tmp_path / 'soak.json', tmp_path / 'log'
    # Every fault once, however little time that leaves.
    with open(log, 'w') as file:
        process = subprocess.Popen(
            [sys.executable, str(BENCHMARKS / 'ros_soak.py'), '--minutes', '0.01', '--output',
             str(output)], env=child_environment(ROS_LOG_DIR=str(tmp_path)), stdout=file,
            stderr=subprocess.STDOUT)
    try:
        assert process.wait(240) == 0, log.read_text()
    finally:
        process.terminate()  # not killed: it has a node of its own to end
        process.wait(60)
    result = json.loads(output.read_text())
    assert result['passed'] and not result['wrong'] and result['node_exit_status'] == 0
    assert result['answers_checked'] > 100 and result['images_accounted'] > 100
    assert all(result['done'].values())


def answer(checks, name, exit_index, probabilities):
    message = Refinement(exit_index=exit_index)
    message.header.frame_id = name
    order = np.argsort(probabilities)[::-1]
    message.class_ids = [str(index) for index in order]
    message.scores = [float(probabilities[index]) for index in order]
    return message


def test_an_answer_under_another_header_is_noticed(checks):
    kinds = checks.kinds_of_images()
    generator = np.random.default_rng(0)
    expected = {name: list(generator.dirichlet(np.ones(10), 3)) for name in kinds}
    answers = checks.Answers(kinds, expected)
    first, second = list(kinds)[:2]
    answers.check(answer(checks, first, 2, expected[first][2]))
    assert not +answers.wrong
    answers.check(answer(checks, first, 2, expected[second][2]))
    answers.check(answer(checks, first, 1, expected[first][2]))
    answers.check(answer(checks, first, 2, expected[first][2][::-1]))  # other labels
    answers.check(answer(checks, 'purple', 2, expected[first][2]))
    assert dict(+answers.wrong) == {
        'an answer under the header of another image': 3,
        'an answer about an image that was never sent': 1}


def test_an_image_that_is_not_accounted_for_is_noticed(checks):
    answers = checks.Answers({}, {})
    health = {'images_received': '9', 'images_started': '6', 'images_replaced': '2',
              'images_bad': '1', 'images_failed': '0', 'exit 0 images': '2', 'exit 1 images': '4',
              'exit 1 median_ms': '0.5'}
    answers.account(health)
    assert not +answers.wrong and answers.accounted == 9
    for change in ({'images_received': '10'}, {'exit 1 images': '3'}, {'images_failed': '1'}):
        before = answers.wrong.total()
        answers.account({**health, **change})
        assert answers.wrong.total() == before + 1


def test_growth_is_noticed_after_the_first_quarter(checks):
    process = checks.Process(1)
    process.memory_mb = [0.0] * 4 + [100.0] * 12
    process.threads, process.files = [8] * 16, [9] * 16
    assert process.grown() == []
    process.memory_mb[12:] = [140.0] * 4
    process.threads[12:] = [9] * 4
    assert [text.split()[0] for text in process.grown()] == ['memory_mb', 'threads']
