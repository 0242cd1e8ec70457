"""The node over DDS: refinements, budget, preemption, transitions, and what users do wrong."""

import array
import gc
import logging
import math
import threading
import time
from types import SimpleNamespace

from anytime_perception import engine, model_file
from anytime_perception.msg import ModelInfo, Refinement, Trace
from anytime_perception.ros.node import camera_images
from anytime_perception.ros.node.promise import last_exit
from anytime_perception.ros.qos import LATCHED
from anytime_perception.srv import Preempt, SetBudget
import cv2
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
import numpy as np
import pytest
from rclpy.parameter import Parameter
from served import (change_state, CLASS_IDS, compressed_message, finals, hold, image_message, NAME,
                    say_latencies, send, state, wait_for, WAIT_SECONDS)


def test_an_image_is_refined_exit_by_exit(perception, client, model_path):
    perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    message, pixels = image_message(stamp=7)
    send(client, message)
    wait_for(lambda: finals(heard))
    with engine.AnytimeEngine(model_file.load(model_path)) as reference:
        expected = list(reference.refine(pixels))
    assert [m.exit_index for m in heard] == [r.exit_index for r in expected]
    assert [m.status for m in heard] == [int(r.status) for r in expected]
    for message, refinement in zip(heard, expected):
        assert (message.header.stamp.sec, message.header.frame_id) == (7, 'left_camera')
        order = np.argsort(-refinement.probabilities)
        assert message.class_ids == [CLASS_IDS[index] for index in order]
        assert np.allclose(message.scores, refinement.probabilities[order], atol=1e-5)
        assert message.confidence == pytest.approx(refinement.confidence, abs=1e-5)
        assert message.cost_fraction == pytest.approx(refinement.cost_fraction)
        assert message.network_index == refinement.network_index
        assert message.depth == refinement.depth
        assert message.exit_count == len(expected) and math.isinf(message.budget_ms)
    elapsed = [m.elapsed_ms for m in heard]
    assert elapsed == sorted(elapsed)


@pytest.mark.parametrize('kind', ['raw', 'compressed'])
def test_the_network_sees_the_region_of_each_picture(perception, client, model_path, kind):
    node = perception(region='0.5, 0, 0.5, 1', image_transport=kind)
    heard = client.listen(Refinement, f'{NAME}/refinements')
    with engine.AnytimeEngine(model_file.load(model_path)) as reference:
        for stamp, (text, seen) in enumerate({
                'at start': (slice(None), slice(10, 20)), '': (slice(None), slice(None)),
                '0, 0.25, 1, 0.5': (slice(3, 9), slice(None))}.items(), start=1):
            if text != 'at start':
                assert node.set_parameters([Parameter('region', value=text)])[0].successful
            message, pixels = image_message(stamp=stamp)
            if kind == 'compressed':
                header = message.header
                message = compressed_message(cv2.imencode('.png', pixels[:, :, ::-1])[1], 'png')
                message.header = header
            send(client, message)
            wait_for(lambda: len(finals(heard)) == stamp)
            expected = list(reference.refine(pixels[seen]))[-1]
            assert heard[-1].confidence == pytest.approx(expected.confidence, abs=1e-5)
            assert heard[-1].class_ids[0] == expected.class_id


def test_what_runs_the_network_is_as_the_parameters_say(perception):
    node = perception(threads=2, runner='torch', precision='bfloat16')
    assert (node.engine.runner, node.engine.precision) == ('torch', 'bfloat16')
    assert cv2.getNumThreads() == 2


def test_model_info_reaches_late_subscribers(perception, client, model_path):
    node = perception()
    heard = client.listen(ModelInfo, f'{NAME}/model_info', LATCHED)
    info = wait_for(lambda: heard)[0]
    model = model_file.load(model_path)
    assert (info.name, info.sha256, info.device) == (model.name, model.sha256, 'cpu')
    assert info.class_ids == list(CLASS_IDS) and info.input_size == 16
    assert [e.cost for e in info.exits] == [stage.cost for stage in model.network.exits]
    assert [e.accuracy for e in info.exits] == pytest.approx([1 - e for e in model.measured.error])
    latencies = [e.latency_median_ms for e in info.exits]
    assert latencies == sorted(latencies) and latencies[0] > 0
    assert node.get_parameter('budget_ms').value == math.inf


def test_a_model_that_was_freed_is_announced_no_more(perception, client):
    perception()
    before = client.listen(ModelInfo, f'{NAME}/model_info', LATCHED)
    wait_for(lambda: before)
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    assert change_state(client, Transition.TRANSITION_CLEANUP)
    wait_for(lambda: not client.count_publishers(f'{NAME}/model_info'))
    assert change_state(client, Transition.TRANSITION_CONFIGURE)
    wait_for(lambda: len(before) == 2)


def test_preempt_returns_the_newest_answer(perception, client):
    perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    response = client.call(Preempt, f'{NAME}/preempt', Preempt.Request())
    assert not response.success and 'nothing was answered' in response.message
    assert math.isnan(response.age_ms)
    send(client, image_message(stamp=3)[0])
    wait_for(lambda: finals(heard))
    response = client.call(Preempt, f'{NAME}/preempt', Preempt.Request())
    assert response.success and response.refinement == finals(heard)[-1]
    assert response.age_ms > response.refinement.elapsed_ms


@pytest.mark.parametrize('budget_ms, text', [
    (-5.0, 'is -5.0; allowed: above 0'), (math.nan, 'is nan; allowed: above 0'),
    (0.0, 'is 0.0; allowed: above 0'),
    (1e-6, 'shorter than the first exit')])
@pytest.mark.parametrize('scope', [SetBudget.Request.EVERY_IMAGE, SetBudget.Request.CURRENT_IMAGE])
def test_an_impossible_budget_gets_a_reasoned_answer(perception, client, budget_ms, text, scope):
    node = perception(budget_ms=500.0)
    response = client.call(SetBudget, f'{NAME}/set_budget',
                           SetBudget.Request(budget_ms=budget_ms, scope=scope))
    assert not response.accepted and text in response.message
    assert response.budget_ms == node.get_parameter('budget_ms').value == 500.0


def test_a_budget_is_not_refused_because_the_node_was_slow_a_moment_ago(perception, client):
    node = perception()
    node.engine.profile.p99 = node.engine.profile.p99 + 3.0
    response = client.call(SetBudget, f'{NAME}/set_budget', SetBudget.Request(budget_ms=500.0))
    assert response.accepted and response.exit_index == -1
    assert 'at present' in response.message
    assert math.isnan(response.expected_latency_ms) and math.isnan(response.expected_p99_ms)
    assert node.get_parameter('budget_ms').value == 500.0


def test_a_budget_is_answered_with_what_to_expect(perception, client, model_path):
    node = perception()
    measured = model_file.load(model_path).measured
    response = client.call(SetBudget, f'{NAME}/set_budget', SetBudget.Request(budget_ms=math.inf))
    assert response.accepted and response.exit_index == len(measured.error) - 1
    assert response.expected_accuracy == pytest.approx(1 - measured.error[-1])
    assert 0 < response.expected_latency_ms <= response.expected_p99_ms
    response = client.call(SetBudget, f'{NAME}/set_budget', SetBudget.Request(budget_ms=1000.0))
    assert response.accepted and response.budget_ms == 1000.0
    assert node.get_parameter('budget_ms').value == 1000.0
    heard = client.listen(Refinement, f'{NAME}/refinements')
    send(client, image_message()[0])
    assert wait_for(lambda: finals(heard))[0].budget_ms == 1000.0


def test_a_budget_that_ends_midway_is_answered_with_what_that_exit_gives(perception, client,
                                                                         model_path):
    say_latencies(perception())
    response = client.call(SetBudget, f'{NAME}/set_budget', SetBudget.Request(budget_ms=500.0))
    assert response.accepted and not response.message and response.exit_index == 3
    assert response.expected_latency_ms == pytest.approx(400)
    assert response.expected_p99_ms == pytest.approx(450)
    assert response.expected_accuracy == pytest.approx(
        1 - model_file.load(model_path).measured.error[3])


@pytest.mark.parametrize('budget_ms, period, index, said', [
    (500.0, 0.26, 1, 'images come every 260 ms'), (math.inf, 0.26, 1, 'every 260 ms'),
    (500.0, 0.05, 0, 'every 50 ms'),  # who was started has a first answer
    (300.0, 0.26, 1, ''), (500.0, 0.5, 3, '')])
def test_of_a_budget_that_outlasts_the_camera_s_period_no_more_is_promised(
        perception, client, budget_ms, period, index, said):
    node = perception()
    say_latencies(node)
    soon = time.monotonic() + 1000  # so that no pause has come since
    for number in range(5):
        node.statistics.count_arrival('image', soon + period * number, 0.0)
    response = client.call(SetBudget, f'{NAME}/set_budget', SetBudget.Request(budget_ms=budget_ms))
    assert response.accepted and response.budget_ms == budget_ms
    assert response.exit_index == index
    assert response.expected_p99_ms == pytest.approx(100 * (index + 1) + 50)
    assert said in response.message and bool(response.message) == bool(said)


def test_the_image_in_flight_has_until_its_own_camera_s_next(perception, client, monkeypatch):
    go = hold(monkeypatch, camera_images)
    node = perception(image_topics=['front', 'rear'])
    say_latencies(node)
    send(client, image_message()[0], 'rear')
    wait_for(lambda: node.engine.counts.started)
    soon = time.monotonic() + 1000
    for number in range(5):
        node.statistics.count_arrival('front', soon + 0.26 * number, 0.0)
    for scope, index, said in ((SetBudget.Request.CURRENT_IMAGE, 3, ''),
                               (SetBudget.Request.EVERY_IMAGE, 1, 'every 260 ms')):
        response = client.call(SetBudget, f'{NAME}/set_budget', SetBudget.Request(
            budget_ms=500.0, scope=scope))
        assert response.accepted and response.exit_index == index and said in response.message
    go.set()


@pytest.mark.parametrize('budget_ms, spent, period, index, texts', [
    (350, 0.0, math.inf, 2, []), (350, 0.1, math.inf, 1, ['have spent 100.0 ms']),
    (350, 0.01, math.inf, 2, []),  # it costs no exit
    (350, 0.1, 0.15, 0, ['have spent 100.0 ms', 'every 150 ms']),
    (150, 0.1, 0.01, None, ['have spent 100.0 ms', 'a budget of 50 ms is shorter']),
    (150, 0.2, math.inf, None, ['a budget of 0 ms is shorter']),
    (50, 0.0, 0.01, None, ['a budget of 50 ms is shorter'])])
def test_what_images_spend_before_they_arrive_is_not_promised(budget_ms, spent, period, index,
                                                              texts):
    profile = engine.LatencyProfile(np.tile([0.1, 0.2, 0.3], (50, 1)))
    running = SimpleNamespace(profile=profile, supersede=True)
    reached, message = last_exit(running, budget_ms, spent, period)
    assert reached == index
    assert all(text in message for text in texts) and bool(message) == bool(texts)


@pytest.mark.parametrize('budget_ms, period, index, text', [
    (350, math.inf, 2, ''), (math.inf, 0.15, 2, ''), (500, 0.15, 2, ''), (350, 0.32, 2, ''),
    (350, 0.12, 1, 'every 120 ms, and wait'), (350, 0.25, 1, 'every 250 ms, and wait'),
    (150, 0.09, 0, '')])
def test_images_that_wait_for_the_one_in_flight_are_promised_what_is_left(budget_ms, period, index,
                                                                          text):
    profile = engine.LatencyProfile(np.tile([0.1, 0.2, 0.3], (50, 1)))
    running = SimpleNamespace(profile=profile, supersede=False)
    reached, message = last_exit(running, budget_ms, 0.0, period)
    assert reached == index and text in message and bool(message) == bool(text)


def test_the_budget_of_the_image_in_flight_may_be_set_while_there_is_one(perception, client,
                                                                         monkeypatch):
    go = hold(monkeypatch, camera_images)
    node = perception(budget_ms=500.0)
    heard = client.listen(Refinement, f'{NAME}/refinements')

    def ask():
        return client.call(SetBudget, f'{NAME}/set_budget', SetBudget.Request(
            budget_ms=9000.0, scope=SetBudget.Request.CURRENT_IMAGE))
    response = ask()
    assert not response.accepted and response.message.startswith('no image is in flight')
    assert response.budget_ms == 500.0
    send(client, image_message()[0])
    wait_for(lambda: node.engine.counts.started)
    response = ask()
    assert response.accepted and response.budget_ms == 9000.0
    go.set()
    assert wait_for(lambda: finals(heard))[0].budget_ms == 9000.0
    assert node.get_parameter('budget_ms').value == 500.0
    assert not ask().accepted


def test_of_a_budget_from_the_stamp_less_is_left_the_older_an_image_is(
        perception, client, monkeypatch):
    go = hold(monkeypatch, camera_images)
    node = perception(budget_from='stamp', budget_ms=900e3)
    traces = client.listen(Trace, f'{NAME}/trace')
    publisher = send(client, image_message(stamp=int(time.time()) - 3)[0])
    wait_for(lambda: node.engine.counts.started)
    response = client.call(SetBudget, f'{NAME}/set_budget', SetBudget.Request(
        budget_ms=800e3, scope=SetBudget.Request.CURRENT_IMAGE))
    assert response.accepted and response.budget_ms == 800e3
    go.set()
    current, = wait_for(lambda: traces)
    assert current.age_ms >= 3000
    assert current.budget_ms == pytest.approx(800e3 - current.age_ms, abs=1)
    publisher.publish(image_message(stamp=int(time.time()) - 3)[0])
    following = wait_for(lambda: traces[1:])[0]
    assert following.budget_ms == pytest.approx(900e3 - following.age_ms, abs=1)
    assert node.statistics.spent(1.0) * 1e3 == pytest.approx(
        max(current.age_ms, following.age_ms), abs=1)
    assert node.set_parameters([Parameter('budget_from', value='arrival')])[0].successful
    publisher.publish(image_message(stamp=int(time.time()) - 3)[0])
    assert wait_for(lambda: traces[2:])[0].budget_ms == 900e3


@pytest.mark.parametrize('stamp, text', [
    (0, 'no stamp'), (2**31 - 1, 'later than its arrival'), (1, 's before its arrival')])
def test_a_budget_from_a_stamp_that_cannot_be_is_from_the_arrival(perception, client, said,
                                                                  stamp, text):
    perception(budget_from='stamp', budget_ms=5000.0)
    heard = client.listen(Refinement, f'{NAME}/refinements')
    publisher = send(client, image_message(stamp=stamp)[0])
    wait_for(lambda: finals(heard))
    publisher.publish(image_message(stamp=stamp)[0])
    assert [message.budget_ms for message in wait_for(
        lambda: len(finals(heard)) == 2 and finals(heard))] == [5000.0] * 2
    warning, = [warning for warning in said.warnings if 'budget_from' in warning]
    assert text in warning and '/image' in warning


@pytest.mark.parametrize('age', [-0.04, -1e-6, 0.0])
def test_a_stamp_that_is_hardly_later_than_its_arrival_is_not_warned_of(perception, said, age):
    """As from a camera on another machine, or where /clock comes every 40 ms only."""
    node = perception(budget_from='stamp', budget_ms=5000.0)
    assert node.images._spent('image', age) == 0.0
    assert not [warning for warning in said.warnings if 'budget_from' in warning]


def test_an_image_older_than_its_budget_has_its_first_answer_and_is_said_once(
        perception, client, said):
    node = perception(budget_from='stamp', budget_ms=1000.0)
    heard = client.listen(Refinement, f'{NAME}/refinements')
    publisher = send(client, image_message(stamp=int(time.time()) - 3)[0])
    wait_for(lambda: finals(heard))
    publisher.publish(image_message(stamp=int(time.time()) - 3)[0])
    for message in wait_for(lambda: len(finals(heard)) == 2 and finals(heard)):
        assert (message.exit_index, message.status) == (0, Refinement.BUDGET_SPENT)
        assert message.budget_ms < -1900
    wait_for(lambda: node.statistics.missed == 2)
    warning, = [warning for warning in said.warnings if 'budget_from' in warning]
    assert 'first answer only' in warning


def test_an_unknown_scope_is_refused_with_those_that_are_known(perception, client):
    node = perception(budget_ms=500.0)
    response = client.call(SetBudget, f'{NAME}/set_budget',
                           SetBudget.Request(budget_ms=90.0, scope=2))
    assert not response.accepted and 'CURRENT_IMAGE' in response.message
    assert node.get_parameter('budget_ms').value == response.budget_ms == 500.0


def test_bad_images_are_dropped_counted_and_said_once(perception, client, said):
    node = perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    status = client.listen(DiagnosticArray, '/diagnostics')
    publisher = send(client, image_message(width=0)[0])
    wait_for(lambda: node.statistics.received == 1)
    for count, change in enumerate([{'step': 1}, {'step': 2}, {'data': array.array('B', b'abc')},
                                    {'encoding': 'purple8'}, {'encoding': 'purple8'}], start=2):
        publisher.publish(image_message(**change)[0])
        wait_for(lambda count=count: node.statistics.received == count)
    assert dict(node.statistics.bad) == {
        'empty': 1, 'step': 2, 'truncated': 1, 'encoding': 2}
    assert len(said.errors) == 4
    publisher.publish(image_message(stamp=9)[0])
    wait_for(lambda: finals(heard))
    assert {m.header.stamp.sec for m in heard} == {9}
    values = wait_for(lambda: [
        {v.key: v.value for v in m.status[0].values} for m in status
        if any(v.key == 'images_started' and v.value == '1' for v in m.status[0].values)])[-1]
    assert values['images_bad'] == '6' and values['images_bad (step)'] == '2'
    assert float(values['peak_memory_mb']) > 0


def test_encodings_that_all_differ_are_one_reason_and_one_line(perception, client, said):
    node = perception()
    publisher = send(client, image_message(encoding='0')[0])
    for count in range(1, 20):
        wait_for(lambda count=count: node.statistics.received == count)
        publisher.publish(image_message(encoding=f'\n\x1b[31m{count}' * 1000)[0])
    wait_for(lambda: node.statistics.bad['encoding'] == 20)
    assert dict(node.statistics.bad) == {'encoding': 20} and len(said.errors) == 1


def test_what_a_message_says_is_one_readable_line_of_the_log(perception, client, said):
    perception()
    send(client, image_message(encoding='\n\x1b[31mé' * 1000)[0])
    line, = wait_for(lambda: said.errors)
    assert line.isprintable() and 'é' in line and len(line) < 1000


def test_the_log_tells_of_every_transition(perception, client, said):
    perception('-r rear:=/back/image_raw'.split(), autostart=False, image_topics=['front', 'rear'])
    for transition, text in ((Transition.TRANSITION_CONFIGURE, 'toy.safetensors on cpu'),
                             (Transition.TRANSITION_ACTIVATE, 'of /front, /back/image_raw'),
                             (Transition.TRANSITION_DEACTIVATE, 'inactive'),
                             (Transition.TRANSITION_CLEANUP, 'unconfigured')):
        assert change_state(client, transition)
        assert text in said.infos[-1]


def test_every_transition_again_and_again(perception, client):
    node = perception(autostart=False)
    assert state(client) == State.PRIMARY_STATE_UNCONFIGURED
    for _ in range(3):
        assert change_state(client, Transition.TRANSITION_CONFIGURE)
        assert gc.get_freeze_count() > 0
        for _ in range(2):
            assert change_state(client, Transition.TRANSITION_ACTIVATE)
            assert node.count_subscribers('image') == 1
            assert change_state(client, Transition.TRANSITION_DEACTIVATE)
            assert state(client) == State.PRIMARY_STATE_INACTIVE
            assert node.count_subscribers('image') == 0
        assert change_state(client, Transition.TRANSITION_CLEANUP)
        assert gc.get_freeze_count() == 0
        assert state(client) == State.PRIMARY_STATE_UNCONFIGURED
    assert change_state(client, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert state(client) == State.PRIMARY_STATE_FINALIZED


@pytest.mark.parametrize('wanted', [
    Transition(id=Transition.TRANSITION_CONFIGURE), Transition(label='activate'),
    Transition(id=Transition.TRANSITION_UNCONFIGURED_SHUTDOWN), Transition(label='dance'),
    Transition(id=200)])
def test_a_transition_that_the_state_does_not_allow_is_refused(perception, client, wanted):
    perception()
    request = ChangeState.Request(transition=wanted)
    assert not client.call(ChangeState, f'{NAME}/change_state', request).success
    assert state(client) == State.PRIMARY_STATE_ACTIVE
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)


def test_a_node_that_cannot_stop_frees_its_model_all_the_same(perception, client, monkeypatch):
    node = perception()

    def fail():
        raise RuntimeError('the middleware is gone')
    with monkeypatch.context() as patched:
        patched.setattr(node.intake, 'stop', fail)
        assert not change_state(client, Transition.TRANSITION_DEACTIVATE)
        assert node.engine is None and not node.active
        assert state(client) == State.PRIMARY_STATE_FINALIZED


def test_an_image_that_is_stopped_by_deactivation_has_its_final_answer(
        perception, client, monkeypatch):
    node = perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    publish, first, go_on = node.outputs._publish, threading.Event(), threading.Event()

    def publish_slowly(refinement, trace):
        first.set()
        go_on.wait(WAIT_SECONDS)
        return publish(refinement, trace)
    monkeypatch.setattr(node.outputs, '_publish', publish_slowly)
    send(client, image_message(stamp=4)[0])
    assert first.wait(WAIT_SECONDS)
    threading.Timer(0.2, go_on.set).start()
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    final, = wait_for(lambda: finals(heard))
    assert final.header.stamp.sec == 4 and heard[-1] == final


def test_an_image_of_before_a_pause_is_not_published_after_it(perception, client, monkeypatch):
    node = perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    go = hold(monkeypatch, camera_images)
    publisher = send(client, image_message(stamp=4)[0])
    wait_for(lambda: node.engine.counts.started)
    old = node.statistics
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    assert change_state(client, Transition.TRANSITION_ACTIVATE)
    go.set()
    wait_for(lambda: sum(old.exits.values()) == 1)

    def answered():
        publisher.publish(image_message(stamp=5)[0])
        return finals(heard)
    wait_for(answered)
    assert {message.header.stamp.sec for message in heard} == {5}


def test_what_the_engine_says_is_in_the_node_s_log(perception, said):
    node = perception(runner='torch')
    log = logging.getLogger('anytime_perception.engine.worker')
    log.warning('an image %s', 'failed')
    log.error('the network failed')
    log.info('nothing')
    assert (said.warnings, said.errors) == (['an image failed'], ['the network failed'])
    node._log_forward.close()
    log.warning('again')
    assert said.warnings == ['an image failed']


def test_a_deactivation_that_fails_leaves_a_node_that_can_start_again(
        perception, client, monkeypatch):
    node = perception()
    failures = [RuntimeError('the middleware is gone')]
    stop = node.intake.stop

    def fail_once():
        if failures:
            raise failures.pop()
        stop()
    monkeypatch.setattr(node.intake, 'stop', fail_once)
    assert not change_state(client, Transition.TRANSITION_DEACTIVATE)
    assert state(client) == State.PRIMARY_STATE_UNCONFIGURED and node.engine is None
    assert change_state(client, Transition.TRANSITION_CONFIGURE)
    assert change_state(client, Transition.TRANSITION_ACTIVATE)


@pytest.mark.parametrize('before, transition', [
    ([], Transition.TRANSITION_UNCONFIGURED_SHUTDOWN),
    ([Transition.TRANSITION_CONFIGURE], Transition.TRANSITION_INACTIVE_SHUTDOWN),
    ([Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE],
     Transition.TRANSITION_ACTIVE_SHUTDOWN)])
def test_shutdown_from_every_state(perception, client, before, transition):
    node = perception(autostart=False)
    for earlier in before:
        assert change_state(client, earlier)
    if node.active:
        send(client, image_message()[0])
    assert change_state(client, transition)
    assert state(client) == State.PRIMARY_STATE_FINALIZED
    assert node.engine is None and node.count_subscribers('image') == 0
    assert 'anytime_engine' not in {thread.name for thread in threading.enumerate()}


def test_services_say_why_they_cannot_help(perception, client):
    perception(autostart=False)
    assert 'not active' in client.call(Preempt, f'{NAME}/preempt', Preempt.Request()).message
    response = client.call(SetBudget, f'{NAME}/set_budget', SetBudget.Request(budget_ms=10.0))
    assert not response.accepted and 'not configured' in response.message


def test_services_say_what_went_wrong_before(perception, client):
    perception(model='/nowhere.safetensors')
    for kind, service, request in ((Preempt, 'preempt', Preempt.Request()),
                                   (SetBudget, 'set_budget', SetBudget.Request(budget_ms=9.0))):
        message = client.call(kind, f'{NAME}/{service}', request).message
        assert 'cannot configure' in message and '/nowhere.safetensors' in message


@pytest.mark.parametrize('parameters, text', [
    ({'model': ''}, 'parameter model is empty'),
    ({'model': '/nowhere/x.safetensors'}, '/nowhere/x.safetensors'),
    ({'model': __file__}, 'not a model file'),
    ({'device': 'cuda:77'}, 'cuda:77'),
    ({'device': 'abacus'}, 'auto, cpu, cuda'),
    ({'budget_ms': -1.0}, 'budget_ms is -1.0'),
    ({'budget_ms': 'soon'}, 'must be a number'),
    ({'precision': 'int4'}, 'float32, bfloat16'),
    ({'region': '0.5, 0, 0.6, 1'}, 'all within it'),
    ({'image_topics': 'front'}, "must be a list of names, such as ['front', 'rear']"),
    ({'image_topics': [1, 2]}, 'must be a list of names'),
    ({'image_transport': 'pigeon'}, 'raw, compressed')])
def test_what_cannot_be_configured_is_named_and_can_be_mended(perception, client, said,
                                                              model_path, parameters, text):
    node = perception(**parameters)
    assert len(said.errors) == 1 and text in said.errors[0]
    assert state(client) == State.PRIMARY_STATE_UNCONFIGURED
    good = {'model': str(model_path), 'device': 'cpu', 'budget_ms': 50, 'precision': 'float32',
            'region': '', 'image_topics': ['front'], 'image_transport': 'raw'}
    results = node.set_parameters([Parameter(name, value=good[name]) for name in parameters])
    assert all(result.successful for result in results), results
    assert change_state(client, Transition.TRANSITION_CONFIGURE)
    assert change_state(client, Transition.TRANSITION_ACTIVATE)


@pytest.mark.parametrize('name, value, text', [
    ('model', 'other', 'clean it up'), ('threads', 2, 'clean it up'),
    ('reliability', 'reliable', 'deactivate it'),
    ('budget_ms', 1e-5, 'shorter than the first exit'),
    ('region', '0, 0, 0, 1', 'left, top, width and height'),
    ('confidence', 2.0, 'Max: 1.0'), ('hysteresis', 0.5, 'at least 1'), ('top_k', 0, '')])
def test_parameters_that_cannot_change_now_say_why(perception, name, value, text):
    node = perception()
    before = node.get_parameter(name).value
    result = node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful and text in result.reason
    assert node.get_parameter(name).value == before


def test_a_misspelt_parameter_is_said_and_what_is_for_others_is_not(perception, said):
    perception(budgetms=20.0, robot_name='x', error_silence_s=3.0)
    texts = [text for text in said.warnings if 'there is no parameter' in text]
    assert texts == ['there is no parameter budgetms, so its value has no use; is it budget_ms?']


def test_live_parameters_take_effect(perception, client):
    node = perception()
    assert node.engine.confidence is None and node.engine.supersede
    results = node.set_parameters([
        Parameter('top_k', value=1), Parameter('confidence', value=0.0),
        Parameter('hysteresis', value=3), Parameter('supersede', value=False)])
    assert all(result.successful for result in results), results
    assert node.engine.hysteresis == 3 and not node.engine.supersede
    heard = client.listen(Refinement, f'{NAME}/refinements')
    send(client, image_message()[0])
    wait_for(lambda: finals(heard))
    assert [m.status for m in heard] == [Refinement.CONFIDENT] and len(heard[0].class_ids) == 1
    assert node.set_parameters([Parameter('confidence', value=1.0)])[0].successful
    assert node.engine.confidence is None  # and not: once the answer is certain


def test_a_warning_and_an_error_may_both_be_said(perception):
    node = perception()
    for number in range(2):
        node.log_once.warning(f'late {number}', 'a warning')
        node.log_once.error(f'broken {number}', 'an error')


def test_a_network_that_fails_again_and_again_is_said_and_not_activated(perception, client):
    node = perception()
    health = client.listen(DiagnosticArray, '/diagnostics')
    node.engine._worker.failure = RuntimeError('the GPU fell off the bus')
    wait_for(lambda: [m for m in health if m.status[0].level == b'\x02'
                      and 'fell off the bus' in m.status[0].message])
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    assert not change_state(client, Transition.TRANSITION_ACTIVATE)
    assert change_state(client, Transition.TRANSITION_CLEANUP)
    assert change_state(client, Transition.TRANSITION_CONFIGURE)
    assert change_state(client, Transition.TRANSITION_ACTIVATE)
