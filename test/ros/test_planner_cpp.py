"""The example planner in C++ gets its answers; it is built where rclcpp is."""

from pathlib import Path
import signal

import pytest
from served import wait_for, WAIT_SECONDS

ament_index_python = pytest.importorskip('ament_index_python')


@pytest.fixture
def planner(start):
    prefix = ament_index_python.get_package_prefix('anytime_perception')
    if not Path(prefix, 'lib', 'anytime_perception', 'planner_cpp').exists():
        pytest.skip('needs rclcpp')
    return lambda **parameters: start('planner_cpp', decide_every_ms=50, **parameters)


def test_the_planner_in_cpp_gets_its_answers(planner, start, model_path, pictures):
    process = planner(budget_ms=500.0)  # before there is anything to talk to
    wait_for(lambda: 'waiting for /anytime_perception/preempt' in process.log())
    start('perception_node', model=model_path)
    wait_for(lambda: 'a budget of 500.0 ms reaches exit 9' in process.log())
    wait_for(lambda: 'no answer: nothing was answered yet' in process.log())
    start('camera', images=pictures)
    wait_for(lambda: any('it is a' in line and ' 0 refinements' not in line
                         for line in process.log().splitlines()))
    process.send_signal(signal.SIGINT)
    process.wait(WAIT_SECONDS)
    assert process.returncode in (0, -signal.SIGINT), process.log()


def test_the_planner_in_cpp_says_why_a_budget_is_refused(planner, start, model_path):
    start('perception_node', model=model_path)
    process = planner(budget_ms=0.00001)
    wait_for(lambda: 'shorter than the first exit' in process.log())


def test_the_planner_in_cpp_does_not_act_on_an_old_answer(planner, start, model_path, pictures):
    start('perception_node', model=model_path)
    start('camera', images=pictures)
    process = planner(budget_ms=500.0, max_age_ms=0.001)
    wait_for(lambda: 'no answer: the newest is about an image that came' in process.log())
    assert 'it is a' not in process.log()
