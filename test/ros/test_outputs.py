"""What is published of an answer: how often, drawn, traced; and whether the node is well."""

import csv
import math
import os
import threading
import time
from types import SimpleNamespace

from anytime_perception.msg import Refinement, Trace
from anytime_perception.ros.intake.decode import to_rgb
from anytime_perception.ros.node import camera_images, speed, trace_file, vision
from anytime_perception.ros.node.annotated import annotate
from anytime_perception.ros.node.messages import ranking
from anytime_perception.ros.node.speed import speed_table
from anytime_perception.ros.node.trace_file import TraceFile
from anytime_perception.ros.qos import LATCHED
from builtin_interfaces.msg import Time
import cv2
from geometry_msgs.msg import TwistStamped
import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from served import CLASS_IDS, compressed_message, finals, image_message, NAME, send, wait_for
from std_msgs.msg import Header


def test_only_final_answers_or_changes(perception, client):
    node = perception(publish='final')
    heard = client.listen(Refinement, f'{NAME}/refinements')
    publisher = send(client, image_message(stamp=1)[0])
    wait_for(lambda: finals(heard))
    assert len(heard) == 1 and heard[0].status == Refinement.COMPLETE
    node.set_parameters([Parameter('publish', value='every')])
    publisher.publish(image_message(stamp=1)[0])
    every = wait_for(lambda: len(finals(heard)) == 2 and heard[1:])
    node.set_parameters([Parameter('publish', value='change')])
    publisher.publish(image_message(stamp=1)[0])
    wait_for(lambda: len(finals(heard)) == 3)
    answers = [message.class_ids[0] for message in every]
    expected = [message.exit_index for index, message in enumerate(every)
                if index in (0, len(every) - 1) or answers[index] != answers[index - 1]]
    assert [message.exit_index for message in heard[1 + len(every):]] == expected


@pytest.mark.parametrize('name', ['refinements', 'annotated', 'trace'])
def test_the_qos_of_what_is_published_can_be_overridden(perception, name):
    node = perception(**{f'qos_overrides.{NAME}/{name}.publisher.reliability': 'best_effort',
                         f'qos_overrides.{NAME}/{name}.publisher.depth': 7})
    publisher, = [own for own in node.publishers if own.topic_name == f'{NAME}/{name}']
    profile = publisher.qos_profile
    assert (profile.reliability, profile.depth) == (ReliabilityPolicy.BEST_EFFORT, 7)
    others = [own for own in node.publishers if own is not publisher and NAME in own.topic_name]
    assert others and {own.qos_profile.reliability for own in others} == {
        ReliabilityPolicy.RELIABLE}


def test_an_impossible_qos_of_what_is_published_is_one_line(perception):
    with pytest.raises(ValueError, match=f'{NAME}/trace.*besteffort.*reliable, best_effort'):
        perception(**{f'qos_overrides.{NAME}/trace.publisher.reliability': 'besteffort'})


def test_the_annotated_picture_shows_the_answer(perception, client):
    node = perception()
    pictures = client.listen(Image, f'{NAME}/annotated')
    wait_for(lambda: node.outputs.keeps_pictures)
    message, pixels = image_message(stamp=4)
    send(client, message)
    drawn = wait_for(lambda: pictures)[0]
    assert drawn.header == message.header and drawn.encoding == 'rgb8'
    assert (drawn.width, drawn.height) == (480, 12 * 480 // 20 + 12)
    assert len(drawn.data) == drawn.step * drawn.height


def test_people_see_the_picture_and_read_its_answer():
    grey = np.full((40, 60, 3), 128, np.uint8)
    cat, dog = (annotate(grey, Refinement(class_ids=[name], confidence=0.5, exit_count=3,
                                          elapsed_ms=5.0, budget_ms=20.0))
                for name in ('cat', 'dog'))
    assert (cat[:40] != dog[:40]).any() and (cat[40:] == dog[40:]).all()
    assert (cat[80:-12] == 128).all()  # under the text, above the bar


def test_a_compressed_picture_is_shown_as_large_as_it_is(perception, client):
    node = perception(image_transport='compressed')
    pictures = client.listen(Image, f'{NAME}/annotated')
    wait_for(lambda: node.outputs.keeps_pictures)
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = 255  # gone where it is decoded at an eighth
    image = compressed_message(cv2.imencode('.jpg', stripes)[1])
    publisher = client.create_publisher(CompressedImage, 'image', 1)

    def shown():
        publisher.publish(image)
        return pictures
    drawn = wait_for(shown)[0]
    pixels = np.frombuffer(drawn.data, np.uint8).reshape(drawn.height, drawn.width, 3)
    assert pixels[200:300].std() > 50


@pytest.mark.parametrize('elapsed, budget, columns', [
    (5.0, 20.0, 120), (30.0, 20.0, 480), (5.0, math.inf, 240)])
def test_the_bar_shows_how_much_of_the_budget_is_used(elapsed, budget, columns):
    answer = Refinement(class_ids=['cat'], confidence=0.5, exit_count=3, elapsed_ms=elapsed,
                        budget_ms=budget, cost_fraction=0.5)
    bar = annotate(np.full((40, 30, 3), 255, np.uint8), answer)[-1]
    assert abs(int((bar.sum(axis=1) > 0).sum()) - columns) <= 1
    assert (bar[0, 0] > bar[0, 1]) == (elapsed > budget)  # red, else green


def test_a_trace_says_when_what_happened(perception, client, tmp_path):
    file = tmp_path / 'trace.csv'
    node = perception(trace_file=str(file))
    traces = client.listen(Trace, f'{NAME}/trace')
    wait_for(lambda: node.outputs.wanted())
    send(client, image_message(stamp=9)[0])
    trace = wait_for(lambda: traces)[0]
    times = [trace.start_ms, trace.decoded_ms, *trace.exit_ms, trace.published_ms]
    assert times == sorted(times) and times[0] >= 0
    assert trace.header.stamp.sec == 9 and trace.status == Refinement.COMPLETE
    assert trace.image_topic == 'image'
    assert len(trace.exit_ms) == len(node.engine.profile.median) and math.isinf(trace.budget_ms)
    row = wait_for(lambda: list(csv.DictReader(file.read_text().splitlines())))[0]
    assert (row['stamp'], row['image_topic']) == ('9.000000000', 'image')
    assert row['exits'] == str(len(trace.exit_ms))
    assert float(row['last_exit_ms']) == pytest.approx(trace.exit_ms[-1], abs=1e-3)


def test_simulated_time_is_for_stamps_and_not_for_budgets(perception, client, monkeypatch):
    """The simulation's clock stands still at 100 s; the image takes longer than its budget."""
    def slow_to_rgb(*arguments):
        time.sleep(0.2)
        return to_rgb(*arguments)

    monkeypatch.setattr(camera_images, 'to_rgb', slow_to_rgb)
    node = perception(use_sim_time=True, budget_ms=100.0)
    clock = client.create_publisher(Clock, '/clock', 1)
    traces = client.listen(Trace, f'{NAME}/trace')
    wait_for(lambda: node.outputs.wanted())

    def simulating():
        clock.publish(Clock(clock=Time(sec=100)))
        return node.get_clock().now().nanoseconds == 100e9
    wait_for(simulating)
    send(client, image_message(stamp=98)[0])
    trace = wait_for(lambda: traces)[0]
    assert trace.age_ms == 2000.0
    assert trace.status == Refinement.BUDGET_SPENT and len(trace.exit_ms) == 1
    assert trace.exit_ms[0] > 200 and trace.budget_ms == 100.0


def test_traces_that_are_lost_are_said_once(caplog):
    file = TraceFile('/dev/full')
    trace = Trace(exit_ms=[1.0], header=Header())
    for _ in range(3):
        file.write(trace)
    file.close()
    lost, = [record.getMessage() for record in caplog.records]
    assert '/dev/full lacks lines' in lost and 'No space left' in lost


def test_a_disk_that_stalls_costs_lines_and_is_said_once(tmp_path, monkeypatch, caplog):
    """A pipe that nobody reads takes 64 KiB, and then no more: the writer stands still."""
    monkeypatch.setattr(trace_file, '_MOST_WAITING', 20)
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), newline='') as reader:
        file = TraceFile(str(pipe))
        for _ in range(3000):
            file.write(Trace(exit_ms=[1.0], header=Header()))
        lost, = [record.getMessage() for record in caplog.records]
        assert f'{pipe} lacks lines: the disk is too slow' in lost
        os.set_blocking(reader.fileno(), True)  # the disk has recovered
        closing = threading.Thread(target=file.close)
        closing.start()
        lines = list(csv.reader(reader))
        closing.join()
    assert lines[0] == list(TraceFile.COLUMNS) and 20 < len(lines) < 3000


def test_a_trace_that_cannot_be_written_ends_configure_with_its_name(perception):
    node = perception(trace_file='/nowhere/trace.csv')
    assert node.engine is None


def test_classes_that_share_a_name_keep_their_numbers(monkeypatch):
    for name in ('Classification', 'ObjectHypothesis'):
        monkeypatch.setattr(vision, name, SimpleNamespace, raising=False)
    answer = SimpleNamespace(class_index=1, probabilities=np.array([0.1, 0.4, 0.3, 0.2]))
    message = vision.classification(answer, None, ranking(answer, 3))  # 'cat', 'crane', 'crane', …
    assert [result.class_id for result in message.results] == ['1', '2', '3']
    assert [result.score for result in message.results] == [0.4, 0.3, 0.2]


def test_vision_msgs_carry_the_same_answer(perception, client):
    messages = pytest.importorskip('vision_msgs.msg', reason='needs vision_msgs')
    perception()
    answers = client.listen(messages.Classification, f'{NAME}/classification')
    labels = client.listen(messages.LabelInfo, f'{NAME}/label_info', LATCHED)
    heard = client.listen(Refinement, f'{NAME}/refinements')
    wait_for(lambda: labels)
    assert [entry.class_name for entry in labels[0].class_map] == list(CLASS_IDS)
    send(client, image_message(stamp=2)[0])
    wait_for(lambda: finals(heard) and len(answers) == len(heard))
    for answer, refinement in zip(answers, heard):
        assert answer.header == refinement.header
        assert [CLASS_IDS[int(result.class_id)] for result in answer.results] == \
            refinement.class_ids
        assert [result.score for result in answer.results] == pytest.approx(refinement.scores)


@pytest.mark.parametrize('reliability', [
    ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT])
def test_the_budget_follows_the_speed(perception, client, monkeypatch, reliability):
    monkeypatch.setattr(speed, '_STALE', 1.0)
    node = perception(speed_budgets='0:900, 2:300', budget_ms=800.0)
    assert node.engine.budget.seconds == pytest.approx(0.3)  # nothing heard: the shortest
    publisher = client.create_publisher(
        TwistStamped, 'speed', QoSProfile(depth=1, reliability=reliability))
    for value, seconds in ((1.0, 0.6), (-1.0, 0.6), (5.0, 0.3), (0.0, 0.8)):
        message = TwistStamped()
        message.twist.linear.x = value

        def once(message=message, seconds=seconds):
            publisher.publish(message)
            return node.engine.budget.seconds == pytest.approx(seconds)
        wait_for(once)
    wait_for(lambda: node.engine.budget.seconds == pytest.approx(0.3))  # no speed any more


def test_a_robot_that_does_not_say_its_speed_is_noticed_once(perception, client, monkeypatch,
                                                             said):
    monkeypatch.setattr(speed, '_PATIENCE', 0.0)
    node = perception(speed_budgets='0:900, 2:300')
    text, = wait_for(lambda: [text for text in said.warnings if 'no speed has come' in text])
    assert '/speed' in text and '300 ms' in text
    for _ in range(3):
        node.speed.watch()
    assert len([text for text in said.warnings if 'no speed has come' in text]) == 1


def test_without_a_table_no_speed_is_missed(perception, monkeypatch, said):
    monkeypatch.setattr(speed, '_PATIENCE', 0.0)
    perception().speed.watch()
    assert not [text for text in said.warnings if 'speed' in text]


def test_a_table_with_a_budget_that_is_too_short_is_warned_of(perception, said):
    perception(speed_budgets='0:900, 2:0.00001')
    text, = [text for text in said.warnings if 'speed_budgets' in text]
    assert 'shorter than the first exit' in text


def test_a_change_to_an_impossible_table_of_speeds_is_refused_at_once(perception):
    node = perception(autostart=False, speed_budgets='0:900, 2:300')
    result, = node.set_parameters([Parameter('speed_budgets', value='2:10, 0:100')])
    assert not result.successful and 'grow' in result.reason
    assert node.get_parameter('speed_budgets').value == '0:900, 2:300'


def test_the_budget_follows_odometry(perception, client, monkeypatch):
    messages = pytest.importorskip('nav_msgs.msg', reason='needs nav_msgs')
    monkeypatch.setattr(speed, '_STALE', 1000.0)
    node = perception(speed_budgets='0:900, 2:300')
    publisher = client.create_publisher(messages.Odometry, 'odometry', 1)
    message = messages.Odometry()
    message.twist.twist.linear.x, message.twist.twist.linear.y = 0.6, -0.8  # 1 m/s

    def once():
        publisher.publish(message)
        return node.engine.budget.seconds == pytest.approx(0.6)
    wait_for(once)
    message.twist.twist.linear.x = math.nan  # nothing to go by: the speed before still holds
    for _ in range(5):
        publisher.publish(message)
    time.sleep(0.2)
    assert node.engine.budget.seconds == pytest.approx(0.6)


@pytest.mark.parametrize('text, reason', [
    ('fast', 'SPEED:BUDGET'), ('1:2, 0:3', 'grow'), ('-1:5', 'at least 0'), ('0:0', 'above 0'),
    ('0:inf', 'finite'), ('0:5, 1', 'SPEED:BUDGET'), ('nan:5', 'at least 0')])
def test_an_impossible_table_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        speed_table(text)
