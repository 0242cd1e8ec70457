"""A network whose stages wait for the test: every order of events can be tried, untimed."""

import threading

from anytime_perception.networks import AnytimeNetwork
from torch import nn

WAIT_SECONDS = 20


class Gate(nn.Module):
    """Lets features through; once `closed`, only one by one. Raises `error` if there is one."""

    def __init__(self):
        super().__init__()
        self.closed = False
        self.error = None
        self._reached = threading.Semaphore(0)
        self._permits = threading.Semaphore(0)

    def __deepcopy__(self, _memo):
        return self  # the engine runs a copy of the network; the test must hold the same gate

    def forward(self, features):
        if self.closed and features.device.type != 'meta':
            self._reached.release()
            assert self._permits.acquire(timeout=WAIT_SECONDS)
        if self.error is not None:
            raise self.error
        return features

    def wait_until_reached(self):
        assert self._reached.acquire(timeout=WAIT_SECONDS)

    def was_reached(self):
        return self._reached.acquire(blocking=False)

    def let_through(self):
        self._permits.release()


def gated_network(units=2, classes=3):
    """Return a network and the gates in front of each of its stages."""
    network = AnytimeNetwork(units, 2, classes, input_size=8).eval()
    return network, insert_gates(network)


def insert_gates(network):
    """Put a gate in front of each stage of `network`, and return them."""
    gates = []
    for stage in network.stages:
        gates.append(Gate())
        stage.trunk.insert(0, gates[-1])
    return gates
