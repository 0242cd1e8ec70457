"""Messages hold what the engine, the model file and the profile say, field by field."""

import math
from types import SimpleNamespace

from anytime_perception import engine, model_file
from anytime_perception.ros.node.messages import model_info_message, refinement_message
from builtin_interfaces.msg import Time
import numpy as np
import pytest
from std_msgs.msg import Header


def test_every_field_of_a_refinement():
    header = Header(frame_id='left_camera', stamp=Time(sec=3))
    refinement = engine.Refinement(
        exit_index=2, exit_count=5, network_index=1, depth=7, cost=100, cost_fraction=0.25,
        probabilities=np.array([0.25, 0.125, 0.5, 0.0625, 0.0625], np.float32), class_index=2,
        class_id='c', elapsed=0.0125, arrival=9.0, budget=0.75, status=engine.Status.BUDGET_SPENT)
    message = refinement_message(refinement, header, 'left/image', tuple('abcde'), 3)
    assert {name: getattr(message, name) for name in message.get_fields_and_field_types()} == {
        'header': header, 'image_topic': 'left/image',
        'status': message.BUDGET_SPENT, 'exit_index': 2, 'exit_count': 5,
        'network_index': 1, 'depth': 7, 'cost_fraction': 0.25, 'elapsed_ms': 12.5,
        'budget_ms': 750.0, 'confidence': 0.5, 'class_ids': ['c', 'a', 'b'],
        'scores': pytest.approx([0.5, 0.25, 0.125])}


def test_every_field_of_a_model_s_info(model_path):
    model = model_file.load(model_path)
    seconds = np.arange(1, 10) / 1e3
    info = model_info_message(
        model, 'cuda:1', SimpleNamespace(median=seconds, p99=2 * seconds), Time(sec=3))
    assert (info.stamp.sec, info.name, info.sha256) == (
        3, 'toy.safetensors', model.sha256)
    assert (info.device, info.input_size, info.class_ids) == ('cuda:1', 16, ['cat', 'dog', 'eel'])
    expected = {
        # The second network's exits count from where it is deeper than the first.
        'network_index': [0] * 3 + [1] * 6, 'depth': range(1, 10),
        'cost': [stage.cost for stage in model.network.exits],
        'cost_fraction': [stage.cost / model.network.exits[-1].cost
                          for stage in model.network.exits],
        'accuracy': [0.5 + 0.04 * index for index in range(9)], 'calibration_error': [0.01] * 9,
        'latency_median_ms': range(1, 10), 'latency_p99_ms': range(2, 20, 2)}
    for name, values in expected.items():
        assert [getattr(exit_info, name) for exit_info in info.exits] == \
            pytest.approx(list(values)), name
    assert set(expected) == set(info.exits[0].get_fields_and_field_types())


def test_what_was_not_measured_is_not_a_number(model_path):
    model = model_file.Model.bare(model_file.load(model_path).network)
    seconds = np.ones(len(model.network.exits))
    info = model_info_message(model, 'cpu', SimpleNamespace(median=seconds, p99=seconds), Time())
    assert all(math.isnan(exit_info.accuracy) and math.isnan(exit_info.calibration_error)
               for exit_info in info.exits)
