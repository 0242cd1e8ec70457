"""Nodes on a domain of their own, served in the background or as processes."""

import subprocess
from types import SimpleNamespace

from anytime_perception.engine import latency
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.model_file import Measured, Model, save
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
import cv2
import numpy as np
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
    from served import DOMAIN_ID, Served
    rclpy.init(domain_id=DOMAIN_ID)
    served = Served()
    try:
        yield served
        served.close()
    finally:
        rclpy.shutdown()


@pytest.fixture
def perception(ros, model_path):
    """Return a function that makes a served perception node with some parameters."""
    from anytime_perception.ros.node.perception_node import PerceptionNode
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
    return ros.add(Client(ros))


@pytest.fixture
def said(monkeypatch):
    """Return the `infos`, the `warnings` and the `errors` that nodes log."""
    from rclpy.impl.rcutils_logger import RcutilsLogger
    said = SimpleNamespace(infos=[], warnings=[], errors=[])
    for level, texts in (
            ('info', said.infos), ('warning', said.warnings), ('error', said.errors)):
        monkeypatch.setattr(RcutilsLogger, level,
                            lambda _self, text, texts=texts, **_: texts.append(text))
    return said


@pytest.fixture
def start(tmp_path):
    """Return a function that starts an executable of the package; all end with the test."""
    from anytime_perception.ros.large_images import large_images
    from served import child_environment
    index = pytest.importorskip('ament_index_python')
    prefix = index.get_package_prefix('anytime_perception')
    environment = child_environment(PYTHONUNBUFFERED='1')
    environment.update(large_images(environment))
    processes = []

    def run(name, **parameters):
        arguments = []
        for key, value in parameters.items():
            arguments += ['-p', f'{key}:={value}']
        path = tmp_path / f'{name}.log'
        with open(path, 'w') as log:
            process = subprocess.Popen(
                [f'{prefix}/lib/anytime_perception/{name}', '--ros-args', *arguments],
                env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        process.log = path.read_text
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def pictures(tmp_path):
    """Return a folder of pictures of each class."""
    for class_id in ('cat', 'dog', 'eel'):
        (tmp_path / 'pictures' / class_id).mkdir(parents=True)
        for number in range(3):
            picture = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / 'pictures' / class_id / f'{number}.png'), picture)
    return tmp_path / 'pictures'
