"""A planner's client: typed calls, and errors that say what is wrong."""

from concurrent.futures import ThreadPoolExecutor
import dataclasses
import math
import subprocess
import sys
import threading
import time

from anytime_perception.action import Classify
from anytime_perception.engine.refiner import Refiner
from anytime_perception.msg import ModelInfo, Refinement
from anytime_perception.ros.client import AnytimeClient, PerceptionError
from anytime_perception.ros.client import calls
from anytime_perception.ros.client.action_client import ThreadedActionClient
from anytime_perception.ros.qos import LATCHED
from anytime_perception.ros.spin import serving
from anytime_perception.srv import Preempt, SetBudget
import cv2
import numpy as np
import pytest
import rclpy
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import Image
from served import (child_environment, CLASS_IDS, compressed_message, image_message, result_of,
                    say_latencies, send, wait_for, WAIT_SECONDS)


@pytest.fixture
def anytime(ros, client):
    anytime = AnytimeClient(client, timeout=WAIT_SECONDS)
    yield anytime
    anytime.close()


def test_budget_and_preemption(perception, client, anytime):
    node = perception()
    assert anytime.wait_for_model(20).class_ids == list(CLASS_IDS)
    assert anytime.preempt() is None
    expected = anytime.set_budget(None)
    assert expected.exit_index == len(anytime.info.exits) - 1
    assert 0 < expected.latency <= expected.latency_p99
    assert expected.accuracy == pytest.approx(anytime.info.exits[-1].accuracy)
    anytime.set_budget(0.5)
    assert node.get_parameter('budget_ms').value == 500.0
    with pytest.raises(PerceptionError, match='shorter than the first exit'):
        anytime.set_budget(1e-7)
    with pytest.raises(PerceptionError, match='no image is in flight'):
        anytime.set_budget(0.9, current_only=True)
    assert node.get_parameter('budget_ms').value == 500.0
    send(client, image_message(stamp=3)[0])
    wait_for(lambda: anytime.newest is not None
             and anytime.newest.status != Refinement.REFINING)
    assert anytime.preempt() == anytime.newest == anytime.preempt(max_age=100.0)
    assert anytime.preempt(max_age=0.0) is None


def test_a_network_that_failed_for_good_gives_no_old_answer(perception, client, anytime):
    node = perception()
    send(client, image_message(stamp=3)[0])
    wait_for(lambda: anytime.newest is not None)
    node.engine._worker.failure = RuntimeError('the GPU fell off the bus')
    for ask in (anytime.preempt, lambda: anytime.set_budget(0.5),
                lambda: anytime.set_budget(0.5, current_only=True)):
        with pytest.raises(PerceptionError, match='fell off the bus.*clean up and configure'):
            ask()


@pytest.fixture
def silent(ros, anytime):
    """Return a node of the same name that nobody spins, so its services never answer."""
    silent = Node('anytime_perception')
    for kind, name in ((Preempt, 'preempt'), (SetBudget, 'set_budget')):
        silent.create_service(kind, f'~/{name}', lambda request, response: response)
    for own in (anytime._preempt_client, anytime._budget_client):
        assert own.wait_for_service(WAIT_SECONDS)
    yield silent
    silent.destroy_node()


def test_a_call_ends_with_its_own_timeout_and_leaves_nothing(silent, anytime):
    with pytest.raises(PerceptionError, match='did not answer within 0.2 s'):
        anytime.preempt(timeout=0.2)
    assert not anytime._preempt_client._pending_requests


def test_a_request_that_was_lost_with_an_ended_node_is_sent_again(silent, perception, anytime):
    answers = []
    caller = threading.Thread(target=lambda: answers.append(anytime.set_budget(0.5)))
    caller.start()
    wait_for(lambda: anytime._budget_client._pending_requests)
    silent.destroy_node()
    perception()
    caller.join(WAIT_SECONDS)
    assert [answer.budget for answer in answers] == [0.5]
    assert not anytime._budget_client._pending_requests


def test_a_budget_for_the_image_in_flight_is_sent_once(silent, anytime, monkeypatch):
    """The second time, it could change another image's."""
    monkeypatch.setattr(calls, 'AGAIN_SECONDS', 0.01)
    own, sent = anytime._budget_client, []
    call_async = own.call_async
    monkeypatch.setattr(own, 'call_async', lambda request: sent.append(request.scope)
                        or call_async(request))
    for current_only in (True, False):
        with pytest.raises(PerceptionError, match='did not answer within 0.1 s'):
            anytime.set_budget(0.5, current_only=current_only, timeout=0.1)
        with pytest.raises(PerceptionError, match='did not answer within 0.2 s'):
            result_of(anytime.set_budget_async(0.5, current_only=current_only, timeout=0.2))
    assert sent.count(SetBudget.Request.CURRENT_IMAGE) == 2
    assert sent.count(SetBudget.Request.EVERY_IMAGE) > 1


def test_a_node_that_is_not_there_is_no_long_wait(anytime):
    with pytest.raises(PerceptionError, match='preempt is not there'):
        anytime.preempt(timeout=0.05)


def in_a_callback(node, call):
    """Return what `call` does in a timer's callback of `node`, or raise what it raises."""
    outcome = Future()

    def decide():
        if not outcome.done():
            try:
                outcome.set_result(call())
            except Exception as error:
                outcome.set_exception(error)
    timer = node.create_timer(0.01, decide)
    try:
        return result_of(outcome)
    finally:
        timer.cancel()


@pytest.mark.parametrize('call', [
    lambda anytime: anytime.preempt(), lambda anytime: anytime.set_budget(0.5),
    lambda anytime: anytime.classify(image_message()[0], 0.5)],
    ids=['preempt', 'set_budget', 'classify'])
def test_a_callback_that_would_wait_for_itself_is_told_so(client, anytime, call):
    with pytest.raises(RuntimeError, match='wait for itself.*the only thread that serves client'):
        in_a_callback(client, lambda: call(anytime))


def test_who_does_not_wait_for_itself_is_answered(perception, ros):
    """Neither another executor's callback nor a thread that has served the node once does."""
    perception()
    node, executor, over = Node('planner'), SingleThreadedExecutor(), threading.Event()
    anytime = AnytimeClient(node, timeout=WAIT_SECONDS)
    executor.add_node(node)
    while anytime.info is None:
        executor.spin_once(timeout_sec=1.0)

    def spin():
        while not over.is_set():
            executor.spin_once(timeout_sec=0.1)
    thread = threading.Thread(target=spin)
    thread.start()
    try:
        assert anytime.set_budget(0.5).budget == 0.5
        other = ros.add(Node('other'))
        assert in_a_callback(other, lambda: anytime.set_budget(0.25)).budget == 0.25
    finally:
        over.set()
        thread.join()
        anytime.close()
        node.destroy_node()


def test_the_one_thread_of_a_pool_would_wait_for_itself_too(ros):
    """Without a number of threads, a MultiThreadedExecutor has one where there is one core."""
    with pytest.warns(UserWarning, match='single thread'):
        executor = MultiThreadedExecutor(1)
    node = Node('planner')
    anytime = AnytimeClient(node, timeout=WAIT_SECONDS)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match='wait for itself.*the only thread that serves'):
            in_a_callback(node, anytime.preempt)
    finally:
        executor.shutdown()
        thread.join()
        node.destroy_node()


def test_callbacks_of_an_executor_with_more_threads_may_wait(perception):
    perception()
    node, executor = Node('planner'), MultiThreadedExecutor(2)
    anytime = AnytimeClient(node, timeout=WAIT_SECONDS)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        assert in_a_callback(node, lambda: anytime.set_budget(0.5)).budget == 0.5
        assert in_a_callback(node, anytime.preempt) is None
        answer = in_a_callback(node, lambda: anytime.classify(image_message(stamp=6)[0], None))
        assert answer.header.stamp.sec == 6
    finally:
        executor.shutdown()
        thread.join()
        node.destroy_node()


def test_a_callback_has_its_answer_later(perception, client, anytime):
    perception()
    anytime.wait_for_model(WAIT_SECONDS)
    granted = in_a_callback(client, lambda: anytime.set_budget_async(0.5))
    assert result_of(granted).budget == 0.5
    refused = in_a_callback(client, lambda: anytime.set_budget_async(1e-7))
    with pytest.raises(PerceptionError, match='shorter than the first exit'):
        result_of(refused)
    send(client, image_message(stamp=3)[0])
    wait_for(lambda: anytime.newest is not None
             and anytime.newest.status != Refinement.REFINING)
    answers = []

    async def decide():
        if not answers:
            answers.append(await anytime.preempt_async())
            answers.append(await anytime.preempt_async(max_age=0.0))
    client.create_timer(0.01, decide)
    wait_for(lambda: len(answers) == 2)
    assert answers == [anytime.newest, None]


def test_futures_end_with_their_timeout_and_leave_nothing(silent, client, anytime):
    given_up = anytime.preempt_async()
    with pytest.raises(PerceptionError, match='did not answer within 0.2 s'):
        result_of(anytime.preempt_async(timeout=0.2))
    given_up.cancel()
    wait_for(lambda: not anytime._preempt_client._pending_requests and not list(client.timers))
    late = anytime.preempt_async()
    anytime.close()
    assert late.cancelled()
    with pytest.raises(PerceptionError, match='the client is closed'):
        anytime.preempt_async()


def test_a_future_s_request_that_was_lost_is_sent_again(silent, perception, client, anytime):
    granted = anytime.set_budget_async(0.5)
    assert anytime._budget_client._pending_requests
    silent.destroy_node()
    perception()
    assert result_of(granted).budget == 0.5
    assert not anytime._budget_client._pending_requests


def test_a_future_of_a_node_that_is_not_there_says_so(anytime):
    with pytest.raises(PerceptionError, match='preempt is not there'):
        result_of(anytime.preempt_async(timeout=0.05))


def test_a_budget_that_is_doubtful_says_so(perception, anytime):
    node = perception()
    say_latencies(node)
    assert dataclasses.asdict(anytime.set_budget(0.5)) == {
        'budget': 0.5, 'exit_index': 3, 'latency': pytest.approx(0.4),
        'latency_p99': pytest.approx(0.45), 'accuracy': pytest.approx(0.5 + 3 * 0.04),
        'message': ''}
    node.engine.profile.p99 = node.engine.profile.p99 + 3.0
    expected = anytime.set_budget(0.5)
    assert expected.exit_index is None and 'at present' in expected.message


def test_an_image_is_classified(perception, anytime):
    perception()
    heard = []

    def every_exit():  # the first goals may end before feedback has found its way
        heard.clear()
        answer = anytime.classify(image_message(stamp=6)[0], None, on_refinement=heard.append)
        assert answer.status == Refinement.COMPLETE and answer.header.stamp.sec == 6
        time.sleep(0.05)
        return [message.exit_index for message in heard] == list(range(answer.exit_count))
    wait_for(every_exit)
    stop = threading.Event()
    stop.set()
    assert anytime.classify(image_message(stamp=7)[0], None, stop=stop).header.stamp.sec == 7
    assert all(math.isinf(message.budget_ms) for message in heard)
    picture = compressed_message(cv2.imencode('.jpg', image_message()[1])[1])
    assert anytime.classify(picture, None).status == Refinement.COMPLETE
    with pytest.raises(PerceptionError, match='purple8'):
        anytime.classify(image_message(encoding='purple8')[0], 1.0)


def test_an_answer_that_comes_before_it_is_noted_that_it_was_asked_for_counts(
        perception, anytime, monkeypatch):
    """The thread that asks may lose the processor as soon as it has sent the request."""
    perception()

    def pause_after_sending():
        time.sleep(0.3)
        return Future()
    monkeypatch.setattr(rclpy.action.client, 'Future', pause_after_sending)
    answer = anytime.classify(image_message()[0], 5.0, stop=threading.Event())
    assert answer.status == Refinement.COMPLETE


def test_images_of_many_threads_at_once_are_all_classified(perception, client, anytime):
    node, busy = perception(), threading.Event()
    anytime.classify(image_message()[0], None)
    client.executor.create_task(busy.wait)
    with ThreadPoolExecutor(16) as threads:
        asked = [threads.submit(anytime.classify, image_message()[0], None) for _ in range(16)]
        wait_for(lambda: node.engine.counts.started == 17)
        busy.set()
        assert all(answer.result().status == Refinement.COMPLETE for answer in asked)


def test_feedback_that_waits_when_the_result_comes_is_heard(perception, anytime):
    perception()
    heard = []

    def once():  # the first goals may end before feedback has found its way
        anytime.classify(image_message()[0], None, on_refinement=heard.append)
        return heard
    wait_for(once)
    heard.clear()

    def hear(message):
        heard.append(message.exit_index)
        time.sleep(0.2)  # all other answers, and the result, come meanwhile
    answer = anytime.classify(image_message()[0], None, on_refinement=hear)
    assert heard == list(range(answer.exit_count))


def test_an_image_that_fails_midway_has_no_answer(perception, anytime, monkeypatch):
    perception()
    make = Refiner._refinement

    def fail_at_the_third(self, image_pass, index, *arguments):
        if index == 2:
            raise RuntimeError('out of memory')
        return make(self, image_pass, index, *arguments)
    with monkeypatch.context() as patch:
        patch.setattr(Refiner, '_refinement', fail_at_the_third)
        with pytest.raises(PerceptionError, match='out of memory'):
            anytime.classify(image_message()[0], None)
    assert anytime.classify(image_message()[0], None).status == Refinement.COMPLETE


def test_a_listener_that_raises_harms_no_later_call(perception, client):
    def fail(message):
        heard.append(message)
        raise KeyError('zebra')
    heard = []
    perception()
    anytime = AnytimeClient(client, timeout=WAIT_SECONDS, on_refinement=fail)
    anytime.wait_for_model(WAIT_SECONDS)
    send(client, image_message()[0])
    wait_for(lambda: len(heard) >= len(anytime.info.exits))
    answer = anytime.classify(image_message()[0], None, on_refinement=fail)
    assert answer.status == Refinement.COMPLETE and anytime.preempt() is not None
    anytime.close()


def test_a_planner_is_told_when_the_node_has_a_model_anew(perception, client, said):
    def tell(info):
        told.append(info.name)
        if len(told) == 2:
            raise KeyError('zebra')
    told = []
    node = perception()
    anytime = AnytimeClient(client, timeout=WAIT_SECONDS, on_model=tell)
    for count in (1, 2, 3):
        wait_for(lambda count=count: len(told) == count)
        if count == 1:
            node.trigger_deactivate()
        node.trigger_cleanup()
        node.trigger_configure()
    assert set(told) == {anytime.info.name}
    assert any('on_model raised' in text and 'zebra' in text for text in said.errors)
    anytime.close()


def test_a_budget_that_is_no_number_harms_no_later_call(perception, client):
    perception(budget_ms='20ms')  # so it cannot be configured
    for _ in range(2):
        granted = client.call(SetBudget, '/anytime_perception/set_budget',
                              SetBudget.Request(budget_ms=10.0))
        assert not granted.accepted and 'budget_ms' in granted.message
        assert math.isnan(granted.budget_ms)


class Deaf(Node):
    """Accepts goals after some seconds, and never answers."""

    def __init__(self, name='anytime_perception', seconds=0.0):
        super().__init__(name)
        self.cancelled = threading.Event()
        self._seconds = seconds
        self.server = ActionServer(self, Classify, '~/classify', self._execute,
                                   goal_callback=self._accept, cancel_callback=self._cancel)

    def _accept(self, _goal):
        print('asked', flush=True)
        time.sleep(self._seconds)
        return GoalResponse.ACCEPT

    async def _execute(self, _handle):
        await Future()

    def _cancel(self, _handle):
        self.cancelled.set()
        return CancelResponse.ACCEPT


@pytest.mark.parametrize('seconds, stopped', [(0.1, False), (None, True)])
def test_a_goal_without_an_answer_is_cancelled(ros, client, seconds, stopped):
    deaf, anytime, stop = ros.add(Deaf()), AnytimeClient(client, timeout=4.0), threading.Event()
    if stopped:
        stop.set()
    with pytest.raises(PerceptionError, match='did not answer in time'):
        anytime.classify(image_message()[0], seconds, stop=stop)
    assert deaf.cancelled.wait(WAIT_SECONDS)
    anytime.close()


def test_a_goal_that_is_accepted_too_late_is_cancelled(ros, client):
    deaf, anytime = ros.add(Deaf(seconds=2.5)), AnytimeClient(client, timeout=1.5)
    with pytest.raises(PerceptionError, match='did not answer within'):
        anytime.classify(image_message()[0], None)
    assert not deaf.cancelled.is_set()
    assert deaf.cancelled.wait(WAIT_SECONDS)
    anytime.close()


def test_a_node_that_goes_away_is_noticed(client):
    script = 'import rclpy, test_client; rclpy.init(); rclpy.spin(test_client.Deaf("leaving"))'
    process = subprocess.Popen([sys.executable, '-c', script], env=child_environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def end_when_asked():
        process.stdout.readline()
        process.terminate()
    end = threading.Thread(target=end_when_asked)
    end.start()
    try:
        anytime = AnytimeClient(client, 'leaving', timeout=4.0)
        assert anytime._goals._client.wait_for_server(WAIT_SECONDS)
        with pytest.raises(PerceptionError, match='leaving has gone'):
            anytime.classify(image_message()[0], 60.0)
        anytime.close()
        process.wait(WAIT_SECONDS)
    finally:
        process.kill()
        process.wait()
        end.join()


def test_a_node_that_was_started_again_has_forgotten_its_goals(ros, client):
    """The action looks served all the time: a wait until complete would never end."""
    deaf, anytime = ros.add(Deaf()), AnytimeClient(client, timeout=3.0)
    announcements = deaf.create_publisher(ModelInfo, '~/model_info', LATCHED)
    announcements.publish(ModelInfo())
    assert anytime.wait_for_model(WAIT_SECONDS)

    class Stop(threading.Event):
        """Looked at only once the answer is waited for."""

        def is_set(self):
            if anytime._goals.announced == 1:
                announcements.publish(ModelInfo())
            return False
    with pytest.raises(PerceptionError, match='has gone'):
        anytime.classify(image_message()[0], 60.0, stop=Stop())
    anytime.close()


def test_a_node_that_goes_away_before_it_accepts_is_noticed(ros, client):
    silent, anytime = Deaf('leaving'), AnytimeClient(client, 'leaving', timeout=2.0)
    assert anytime._goals._client.wait_for_server(WAIT_SECONDS)

    def leave():
        silent.server.destroy()
        silent.destroy_node()
    end = threading.Timer(0.5, leave)
    end.start()
    with pytest.raises(PerceptionError, match='leaving has gone'):
        anytime.classify(image_message()[0], 60.0)
    end.join()
    anytime.close()


def test_a_client_leaves_nothing_and_hears_nothing_more_when_it_is_closed(perception, client):
    node, heard = perception(), []
    publisher = client.create_publisher(Image, 'image', 1)

    def counts():
        return [len(list(kind)) for kind in (client.subscriptions, client.clients,
                                             client.waitables)]
    before = counts()
    anytime = AnytimeClient(client, on_refinement=heard.append)
    assert counts() != before

    def send_and_hear():
        publisher.publish(image_message()[0])
        return heard
    wait_for(send_and_hear)
    anytime.close()
    anytime.close()
    assert counts() == before
    wait_for(lambda: node.statistics.received == sum(node.statistics.exits.values())
             + node.statistics.replaced)
    count, answered = len(heard), sum(node.statistics.exits.values())
    publisher.publish(image_message(stamp=9)[0])
    wait_for(lambda: sum(node.statistics.exits.values()) > answered)
    assert len(heard) == count
    for call in (anytime.preempt, lambda: anytime.set_budget(0.5),
                 lambda: anytime.classify(image_message()[0], 0.5)):
        with pytest.raises(PerceptionError, match='the client is closed'):
            call()


@pytest.mark.parametrize('make', [SingleThreadedExecutor, lambda: MultiThreadedExecutor(2)])
def test_closing_clients_never_harms_the_executor_that_serves_their_node(ros, make):
    node, executor = Node('planner'), make()
    node.create_timer(0.0005, lambda: None)  # so that it begins to wait again and again
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        for _ in range(60):
            AnytimeClient(node).close()
        time.sleep(0.1)
        assert thread.is_alive()
    finally:
        executor.shutdown()
        thread.join()
        node.destroy_node()


def test_nothing_of_a_client_can_be_destroyed_just_before_an_executor_waits_for_it(ros):
    """As events of its subscriptions could; how often that happens depends on the middleware."""
    node = Node('planner')
    before = list(node.waitables)
    anytime = AnytimeClient(node)
    assert [type(waitable) for waitable in node.waitables if waitable not in before] == [
        ThreadedActionClient]
    anytime.close()
    node.destroy_node()


def test_a_client_may_be_closed_when_its_node_is_served_no_more(ros):
    with serving(Node('alone')) as node:
        anytime = AnytimeClient(node)
    anytime.close()


def test_a_budget_that_the_robot_s_speed_cuts_short_says_so(perception, anytime):
    perception(speed_budgets='0:900, 2:400')  # without a speed, the shortest
    expected = anytime.set_budget(0.8)
    assert expected.budget == pytest.approx(0.4) and 'allows 400 ms' in expected.message
    for seconds in (0.3, 0.1001, 0.1003):  # no rounding makes these shorter
        expected = anytime.set_budget(seconds)
        assert expected.budget == pytest.approx(seconds) and expected.message == ''


@pytest.mark.parametrize('seconds', [0.0, -1.0, math.nan])
def test_an_impossible_time_is_refused(anytime, seconds):
    with pytest.raises(ValueError, match='above 0'):
        anytime.classify(image_message()[0], seconds)


def test_an_array_is_no_image_message(anytime):
    with pytest.raises(TypeError, match='is a ndarray; it must be a message'):
        anytime.classify(np.zeros((4, 4, 3), np.uint8), 1.0)


def test_a_node_that_is_not_there_is_named(ros):
    with serving(Node('alone')) as node:
        anytime = AnytimeClient(node, 'nobody', timeout=0.2)
        assert anytime.wait_for_model(0.01) is None
        for call in (anytime.preempt, lambda: anytime.set_budget(0.1),
                     lambda: anytime.classify(image_message()[0], 0.1)):
            with pytest.raises(PerceptionError, match='nobody'):
                call()
