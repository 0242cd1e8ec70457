"""What tests of training are given."""

import multiprocessing
from multiprocessing import forkserver

import pytest


@pytest.fixture(scope='module')
def server():
    """
    Return what starts processes that have all imported already.

    No thread of PyTorch's is lost in them, as it is by fork. The server ends with the tests of a
    module: it holds all that was imported, and lives on otherwise.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['anytime_training.cli', 'sklearn.datasets', 'torch._dynamo'])
    yield context
    forkserver._forkserver._stop()  # not a public name of Python's, whose own tests use it
