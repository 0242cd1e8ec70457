"""The action ~/classify: goals are refined before the camera's images, and can be cancelled."""

import math
import threading
import time

from action_msgs.msg import GoalStatus
from anytime_perception.action import Classify
from anytime_perception.msg import Refinement
from anytime_perception.ros.client.action_client import ThreadedActionClient
from anytime_perception.ros.node import classify
from anytime_perception.ros.qos import BURST
import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from rclpy.action import ActionClient
from rclpy.action.server import GoalEvent
from rclpy.parameter import Parameter
from served import (CLASS_IDS, compressed_message, finals, hold, image_message, NAME, result_of,
                    send, wait_for, WAIT_SECONDS)


class Goals:
    """A client of the action that keeps feedback and waits for results."""

    def __init__(self, node):
        self._client = ActionClient(node, Classify, f'{NAME}/classify')
        assert self._client.wait_for_server(WAIT_SECONDS)

    def send(self, goal):
        feedback = []
        handle = result_of(self._client.send_goal_async(
            goal, feedback_callback=lambda message: feedback.append(message.feedback.refinement)))
        return handle, feedback

    def result(self, handle):
        return result_of(handle.get_result_async())

    def ask(self, goal):
        handle, feedback = self.send(goal)
        response = self.result(handle)
        return response.status, response.result, feedback


@pytest.fixture
def held(monkeypatch):
    """Return an event that images of goals wait for, on the worker, before they are decoded."""
    go = hold(monkeypatch, classify)
    yield go
    go.set()


@pytest.mark.parametrize('given', ['override', 'argument', 'file', 'later'])
def test_a_node_without_cameras_answers_goals_and_misses_no_image(perception, client, said,
                                                                  tmp_path, given):
    file = tmp_path / 'goals.yaml'
    file.write_text('/**:\n  ros__parameters:\n    image_topics: []\n')
    arguments = {'argument': ['-p', 'image_topics:=[]'], 'file': ['--params-file', str(file)]}
    overrides = {'image_topics': []} if given == 'override' else {}
    node = perception(['--ros-args', *arguments.get(given, [])], error_silence_s=0.1, **overrides)
    if given == 'later':
        node.trigger_deactivate()
        for value, successful in ((None, False), ([], True)):
            assert node.set_parameters([Parameter('image_topics', value=value)])[0].successful \
                == successful
        node.trigger_activate()
    assert node.active and not said.errors and 'goals only' in said.infos[-1]
    assert node.intake.topics == ()
    wait_for(lambda: not node.count_subscribers('image'))
    goal = Classify.Goal(image=image_message()[0], budget_ms=math.inf)
    assert Goals(client).ask(goal)[1].success
    health = client.listen(DiagnosticArray, '/diagnostics')
    wait_for(lambda: health)
    status, = health[-1].status
    assert status.level == DiagnosticStatus.OK and 'goals only' in status.message


def test_a_goal_is_refined_to_the_end(perception, client):
    perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    goals = Goals(client)

    def every_exit():  # the first goals may end before feedback has found its way
        status, result, feedback = goals.ask(
            Classify.Goal(image=image_message(stamp=5)[0], budget_ms=math.inf))
        assert status == GoalStatus.STATUS_SUCCEEDED and result.success and not result.message
        assert result.refinement.status == Refinement.COMPLETE
        assert result.refinement.header.stamp.sec == 5
        assert result.refinement.class_ids[0] in CLASS_IDS
        time.sleep(0.05)
        return len(feedback) == result.refinement.exit_count and \
            feedback[-1] == result.refinement
    wait_for(every_exit)
    assert not heard  # the topic is the camera's


def test_the_budget_of_a_goal_holds(perception, client):
    perception(budget_ms=1000.0)
    goals = Goals(client)
    message = image_message()[0]
    _, result, _ = goals.ask(Classify.Goal(image=message, budget_ms=500.0))
    assert result.refinement.budget_ms == 500.0
    _, result, _ = goals.ask(Classify.Goal(image=message))
    assert result.refinement.budget_ms == 1000.0


@pytest.mark.parametrize('goal, text', [
    (Classify.Goal(), 'has no image'),
    (Classify.Goal(image=image_message(encoding='purple8')[0]), 'purple8'),
    (Classify.Goal(image=image_message()[0], budget_ms=-3.0), 'budget_ms is -3.0'),
    (Classify.Goal(image=image_message()[0], budget_ms=1e-6), 'shorter than the first exit')])
def test_an_impossible_goal_is_aborted_with_the_reason(perception, client, goal, text):
    perception()
    status, result, feedback = Goals(client).ask(goal)
    assert status == GoalStatus.STATUS_ABORTED and not result.success and not feedback
    assert text in result.message


def test_a_goal_for_an_inactive_node_is_aborted_with_the_reason(perception, client):
    perception(autostart=False)
    status, result, _ = Goals(client).ask(Classify.Goal(image=image_message()[0]))
    assert status == GoalStatus.STATUS_ABORTED and 'not active' in result.message


def test_a_cancelled_goal_ends_with_its_first_answer(perception, client, held):
    perception()
    goals = Goals(client)
    handle, _ = goals.send(Classify.Goal(image=image_message(stamp=8)[0], budget_ms=math.inf))
    result_of(handle.cancel_goal_async())
    held.set()
    response = goals.result(handle)
    assert response.status == GoalStatus.STATUS_CANCELED and response.result.success
    assert response.result.refinement.exit_index == 0
    assert response.result.refinement.status == Refinement.PREEMPTED


def test_a_goal_that_is_cancelled_before_it_is_begun_ends_with_its_first_answer(
        perception, client, monkeypatch):
    offer = classify.ClassifyAction._offer

    def cancelled_meanwhile(self, key, handle):
        handle._update_state(GoalEvent.CANCEL_GOAL)  # as rclpy does when both come at once
        offer(self, key, handle)
    monkeypatch.setattr(classify.ClassifyAction, '_offer', cancelled_meanwhile)
    perception()
    goals = Goals(client)
    handle, _ = goals.send(Classify.Goal(image=image_message()[0], budget_ms=math.inf))
    response = goals.result(handle)
    assert response.status == GoalStatus.STATUS_CANCELED
    assert response.result.refinement.exit_index == 0
    assert response.result.refinement.status == Refinement.PREEMPTED


def test_the_newest_camera_image_follows_the_goal(perception, client, held):
    node = perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    goals = Goals(client)
    handle, _ = goals.send(Classify.Goal(image=image_message()[0], budget_ms=math.inf))
    publisher = send(client, image_message(stamp=1)[0])
    wait_for(lambda: node.statistics.received == 1)
    for stamp in (2, 3):
        publisher.publish(image_message(stamp=stamp)[0])
        wait_for(lambda stamp=stamp: node.statistics.received == stamp)
    held.set()
    assert goals.result(handle).result.refinement.status == Refinement.COMPLETE
    wait_for(lambda: finals(heard))
    assert {message.header.stamp.sec for message in heard} == {3}


def test_deactivating_ends_all_goals(perception, client, held):
    node = perception()
    goals = Goals(client)
    sent = [goals.send(Classify.Goal(image=image_message()[0]))[0] for _ in range(3)]
    node.trigger_deactivate()
    held.set()
    for handle in sent:
        response = goals.result(handle)
        assert response.status == GoalStatus.STATUS_ABORTED
        assert 'deactivated' in response.result.message


def test_too_many_goals_are_rejected_and_the_node_goes_on(perception, client, held):
    perception()
    goals = Goals(client)
    goal = Classify.Goal(image=image_message()[0])
    sent = [goals.send(goal)[0] for _ in range(classify._MOST_GOALS + 1)]
    assert [handle.accepted for handle in sent] == [True] * classify._MOST_GOALS + [False]
    held.set()
    for handle in sent[:-1]:
        assert goals.result(handle).result.success
    assert goals.ask(goal)[1].success


def test_each_of_many_goals_at_once_is_answered(perception, client):
    node, busy = perception(), threading.Event()
    goals = ThreadedActionClient(client, Classify, f'{NAME}/classify',
                                 goal_service_qos_profile=BURST, result_service_qos_profile=BURST)
    assert goals.wait_for_server(WAIT_SECONDS)
    node.executor.create_task(busy.wait)
    sent = [goals.send_goal_async(Classify.Goal(image=image_message()[0])) for _ in range(40)]
    busy.set()
    handles = [result_of(future) for future in sent]
    results = [result_of(handle.get_result_async()) for handle in handles if handle.accepted]
    assert len(results) >= classify._MOST_GOALS
    assert {response.status for response in results} == {GoalStatus.STATUS_SUCCEEDED}


@pytest.mark.parametrize('fails', ['feedback', 'every message'])
def test_a_goal_ends_also_where_its_answers_cannot_be_sent(perception, client, monkeypatch, fails):
    node = perception()
    goals = Goals(client)

    def fail(*_):
        raise RuntimeError('out of memory')
    with monkeypatch.context() as patch:
        if fails == 'feedback':
            patch.setattr(classify.ServerGoalHandle, 'publish_feedback', fail)
        else:
            patch.setattr(node.outputs, 'message', fail)
        status, result, _ = goals.ask(Classify.Goal(image=image_message()[0]))
    assert result.success == (fails == 'feedback')
    assert status == (GoalStatus.STATUS_SUCCEEDED if result.success else GoalStatus.STATUS_ABORTED)
    assert not (node._action._ends or node._action._numbers or node._action._passes)
    assert goals.ask(Classify.Goal(image=image_message()[0]))[1].success


def test_goals_give_what_the_camera_gives(perception, client):
    perception()
    message, _ = image_message(stamp=4)
    heard = client.listen(Refinement, f'{NAME}/refinements')
    send(client, message)
    answer = wait_for(lambda: finals(heard))[0]
    _, result, _ = Goals(client).ask(Classify.Goal(image=message, budget_ms=math.inf))
    assert result.refinement.class_ids == answer.class_ids
    assert np.allclose(result.refinement.scores, answer.scores, atol=1e-5)


def test_a_compressed_image_is_answered_as_its_pixels_are(perception, client):
    perception()
    goals = Goals(client)
    message, pixels = image_message(stamp=4)
    compressed = compressed_message(cv2.imencode('.png', pixels[..., ::-1])[1], 'png')
    compressed.header.stamp.sec = 7
    results = [goals.ask(Classify.Goal(budget_ms=math.inf, **image))[1]
               for image in ({'image': message}, {'compressed_image': compressed})]
    assert [result.success for result in results] == [True, True]
    raw, decoded = (result.refinement for result in results)
    assert (decoded.header.stamp.sec, decoded.class_ids) == (7, raw.class_ids)
    assert np.allclose(decoded.scores, raw.scores, atol=1e-5)
