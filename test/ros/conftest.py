"""Nodes on a domain of their own, served in the background."""

import os

from anytime_perception.engine import latency
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.model_file import Measured, Model, save
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
import pytest
import torch

rclpy = pytest.importorskip('rclpy', reason='needs ROS 2')
pytest.importorskip('anytime_perception.msg', reason='needs the built package')


@pytest.fixture(scope='session')
def model_path(tmp_path_factory):
    """Return a model file of an untrained sequence; what it answers does not matter here."""
    torch.manual_seed(0)
    network = AnytimeSequence([AnytimeNetwork(n, 4, 3, input_size=16) for n in (1, 3)]).eval()
    exits = len(network.exits)
    measured = Measured('toy', 10, tuple(0.5 - 0.04 * i for i in range(exits)), (0.01,) * exits)
    path = tmp_path_factory.mktemp('model') / 'toy.safetensors'
    save(path, Model(network, ('cat', 'dog', 'eel'), Preprocessing.default(16), measured))
    return path


@pytest.fixture(autouse=True)
def short_profile(monkeypatch):
    """Measure a toy network only briefly when a node is configured."""
    monkeypatch.setattr(latency, '_PASSES', 15)
    monkeypatch.setattr(latency, '_PAUSE', 0.001)


@pytest.fixture
def ros():
    """Initialise rclpy for one test and shut it down in the order that does not abort."""
    from served import Served
    rclpy.init(domain_id=int(os.environ.get('ROS_DOMAIN_ID', 0)) or 42)
    served = Served()
    yield served
    served.close()
    rclpy.shutdown()


@pytest.fixture
def perception(ros, model_path):
    """Return a function that makes a served perception node with some parameters."""
    from anytime_perception.ros.perception_node import PerceptionNode
    from rclpy.parameter import Parameter

    def make(cli_args=(), **parameters):
        parameters = {'model': str(model_path), 'device': 'cpu', **parameters}
        return ros.add(PerceptionNode(cli_args=list(cli_args), parameter_overrides=[
            Parameter(name, value=value) for name, value in parameters.items()]))

    return make


@pytest.fixture
def client(ros):
    """Return a served node to talk to the perception node with."""
    from served import Client
    return ros.add(Client())
