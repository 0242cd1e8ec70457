"""A listener hears everything once and in order, whichever threads add it."""

import threading

from anytime_perception.engine.delivery import Delivery
import pytest


class Held:
    """A listener that waits with its first answer until it may go on."""

    def __init__(self):
        self.heard = []
        self.entered, self.go_on = threading.Event(), threading.Event()

    def __call__(self, answer):
        self.entered.set()
        self.go_on.wait()
        self.heard.append(answer)


@pytest.fixture
def busy():
    """Return a history of two, its delivery, held in another thread with the first, and who is."""
    history, listener = ['first'], Held()
    delivery = Delivery(history, listener)
    worker = threading.Thread(target=delivery.deliver)
    worker.start()
    listener.entered.wait()
    history.append('second')
    yield history, delivery, listener
    worker.join()
    assert listener.heard == history


def test_a_thread_that_finds_another_handing_over_leaves_it_the_rest(busy):
    _, delivery, listener = busy
    delivery.deliver()  # does not wait
    assert listener.heard == []
    listener.go_on.set()


def test_settling_waits_for_the_listener_and_leaves_it_nothing_to_hear(busy):
    history, delivery, listener = busy
    threading.Timer(0.05, listener.go_on.set).start()
    delivery.settle()
    assert listener.heard == history


def test_what_is_added_while_settling_lets_go_is_heard_of():
    history, heard = [], []
    delivery = Delivery(history, heard.append)
    lock = delivery._delivering

    class Late:
        """Has an answer added at the very last moment that the lock is held."""

        def __enter__(self):
            lock.acquire()

        def __exit__(self, *_exception):
            history.append('late')
            delivery.deliver()  # finds the lock held
            lock.release()

        acquire, release = lock.acquire, lock.release

    delivery._delivering = Late()
    delivery.settle()
    assert heard == ['late']


def test_a_failing_listener_harms_nobody():
    history, heard = [1, 2], []

    def fail(answer):
        heard.append(answer)
        raise RuntimeError('a bug in a callback')

    Delivery(history, fail).deliver()
    assert heard == history
