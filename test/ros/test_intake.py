"""Subscriptions suit their publishers and listeners, and silence is explained."""

import array
import contextlib
from pathlib import Path
import subprocess
import sys
import time

from anytime_perception.msg import Refinement
from anytime_perception.ros.intake import camera_topic
from anytime_perception.ros.node import camera_images
from anytime_perception.srv import Preempt, SetBudget
import cv2
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from served import (child_environment, compressed_message, finals, hold, image_message, NAME, send,
                    wait_for)

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
IMPATIENT = {'error_silence_s': 1e-6}  # silence is noticed at once


def about(said, *words):
    return [text for text in said.warnings if all(word in text for word in words)]


def answered(client, publisher, heard, **changes):
    """Publish images until one is answered."""
    def once():
        publisher.publish(image_message(**changes)[0])
        return finals(heard)
    return wait_for(once)


def asked_for(node):
    """Return the reliabilities that the node's subscriptions to /image ask for."""
    return [info.qos_profile.reliability for info in node.get_subscriptions_info_by_topic('/image')
            if info.node_name == node.get_name()]


@pytest.mark.parametrize('offered', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best_effort'])
@pytest.mark.parametrize('late', [False, True])
def test_reliability_matches_the_publisher(perception, client, offered, late):
    node = perception() if late else None
    if late:
        assert asked_for(node) == [ReliabilityPolicy.BEST_EFFORT]
    publisher = client.create_publisher(Image, 'image', offered)
    node = node or perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    wait_for(lambda: asked_for(node) == [offered.reliability])
    answered(client, publisher, heard)


def test_cameras_that_are_swapped_match_their_own_publishers(perception, client):
    client.create_publisher(Image, 'rear', RELIABLE)
    node = perception(['--ros-args', '-r', 'front:=/rear', '-r', 'rear:=/front'],
                      image_topics=['front', 'rear'])
    for topic, reliability in (('/rear', ReliabilityPolicy.RELIABLE),
                               ('/front', ReliabilityPolicy.BEST_EFFORT)):
        wait_for(lambda: [info.qos_profile.reliability
                          for info in client.get_subscriptions_info_by_topic(topic)
                          if info.node_name == node.get_name()] == [reliability])


def test_a_publisher_of_each_kind_is_received_whoever_comes_first_or_goes(perception, client):
    node = perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    reliable = client.create_publisher(Image, 'image', RELIABLE)
    wait_for(lambda: asked_for(node) == [ReliabilityPolicy.RELIABLE])
    answered(client, reliable, heard, stamp=1)
    second = client.create_publisher(Image, 'image', BEST_EFFORT)
    for stamp, publisher in ((2, second), (3, reliable)):
        def once(stamp=stamp, publisher=publisher):
            publisher.publish(image_message(stamp=stamp)[0])
            return stamp in {message.header.stamp.sec for message in finals(heard)}
        wait_for(once)
    wait_for(lambda: asked_for(node) == [ReliabilityPolicy.BEST_EFFORT])
    client.destroy_publisher(second)
    wait_for(lambda: asked_for(node) == [ReliabilityPolicy.RELIABLE])
    client.destroy_publisher(reliable)
    wait_for(lambda: asked_for(node) == [ReliabilityPolicy.BEST_EFFORT])


def test_no_image_is_lost_or_taken_twice_when_the_reliability_changes(ros):
    node = rclpy.create_node('receiver')
    node.declare_parameter('image_transport', 'raw')
    node.declare_parameter('error_silence_s', 5.0)
    node.declare_parameter('reliability', 'best_effort')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    taken = []
    topic = camera_topic.CameraTopic(
        node, 'image', lambda message: taken.append(len(message.data)), print, print,
        print)
    publisher = node.create_publisher(Image, 'image', QoSProfile(depth=10))
    sent = 0

    def spin_until(condition):
        def once():
            executor.spin_once(timeout_sec=0.01)
            return condition()
        wait_for(once)

    spin_until(lambda: publisher.get_subscription_count() == 1)
    for number in range(20):
        node.set_parameters([Parameter(
            'reliability', value=('reliable', 'best_effort')[number % 2])])
        topic.watch()
        for _ in range(5):  # each is sent when the one before was taken: none may be lost
            sent += 1
            publisher.publish(Image(data=array.array('B', bytes(sent))))  # unstamped
            spin_until(lambda: taken[-1:] == [sent])
        spin_until(lambda: publisher.get_subscription_count() == 2)
        sent += 1
        publisher.publish(Image(data=array.array('B', bytes(sent))))
        spin_until(lambda: taken[-1:] == [sent])
        for _ in range(5):
            executor.spin_once(timeout_sec=0.01)
    assert taken == list(range(1, sent + 1))
    topic.close()
    executor.shutdown()
    node.destroy_node()


def test_a_publisher_that_offers_too_little_is_explained(perception, client, said):
    perception(reliability='reliable')
    client.create_publisher(Image, 'image', BEST_EFFORT)
    text = wait_for(lambda: about(said, 'offers less'))[0]
    assert 'RELIABILITY' in text and 'match' in text


def test_another_policy_than_reliability_has_another_way_out(perception, client, said):
    perception(**{'qos_overrides./image.subscription.durability': 'transient_local'})
    client.create_publisher(Image, 'image', 1)
    text = wait_for(lambda: about(said, 'offers less'))[0]
    assert 'qos_overrides./image.subscription.durability out' in text
    assert 'parameter reliability' not in text


def test_nobody_publishing_is_explained_with_what_there_is(perception, client, said):
    client.create_publisher(Image, 'front/image_raw', 1)
    perception(**IMPATIENT)
    text = wait_for(lambda: about(said, 'nobody publishes /image'))[0]
    assert '/front/image_raw' in text and '/annotated' not in text


@contextlib.contextmanager
def elsewhere(client):
    """Make a node as of another process: in one, no second type is allowed on a topic."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=client.context.get_domain_id())
    other = Node('other', context=context)
    yield other
    other.destroy_node()
    rclpy.shutdown(context=context)


def test_a_topic_of_another_type_is_explained(perception, client, said):
    with elsewhere(client) as other:
        other.create_publisher(CompressedImage, 'image', 1)
        perception(image_transport='raw', **IMPATIENT)
        wait_for(lambda: about(said, 'image_transport is raw', 'set it to match'))


def test_a_topic_without_images_is_explained(perception, client, said):
    with elsewhere(client) as other:
        other.create_publisher(Refinement, 'image', 1)
        perception(**IMPATIENT)
        wait_for(lambda: about(said, 'no images', 'remap image'))


def test_each_topic_has_the_type_that_it_carries(perception, client, said):
    heard = client.listen(Refinement, f'{NAME}/refinements')

    def answered_by(publisher, message, topic):
        heard.clear()

        def once():
            publisher.publish(message)
            return [answer for answer in finals(heard) if answer.image_topic == topic]
        wait_for(once)

    raw, pixels = image_message()
    compressed = compressed_message(cv2.imencode('.jpg', pixels)[1])
    perception(image_topics=['front', 'rear'])
    with elsewhere(client) as other:  # a camera that begins later than the node
        answered_by(client.create_publisher(Image, 'front', 1), raw, 'front')
        answered_by(other.create_publisher(CompressedImage, 'rear', 1), compressed, 'rear')
    with elsewhere(client) as other:  # and one that sends another type when it is back
        answered_by(other.create_publisher(Image, 'rear', 1), raw, 'rear')
    assert not about(said, 'carries')


@pytest.mark.skipif(rclpy.get_rmw_implementation_identifier() != 'rmw_fastrtps_cpp',
                    reason='others may allow a process two types for a topic')
def test_a_type_that_the_process_has_otherwise_is_no_end(perception, client, said):
    heard = client.listen(Refinement, f'{NAME}/refinements')
    listener = client.create_subscription(Image, 'image', lambda _: None, 1)
    perception()
    message = compressed_message(cv2.imencode('.jpg', image_message()[1])[1])
    with elsewhere(client) as other:
        publisher = other.create_publisher(CompressedImage, 'image', 1)
        wait_for(lambda: about(said, '/image cannot be received as compressed'))
        client.destroy_subscription(listener)

        def once():
            publisher.publish(message)
            return finals(heard)
        wait_for(once)
    assert len(about(said, 'cannot be received')) == 1


def test_a_silent_publisher_is_explained_once(perception, client, said):
    client.create_publisher(Image, 'image', 1)
    node = perception(**IMPATIENT)
    wait_for(lambda: about(said, 'no image has come', 'ros2 topic hz /image', 'large_images'))
    for _ in range(3):
        node.intake.watch()
    assert len(about(said, 'no image has come')) == 1


def test_each_silence_of_a_camera_and_its_end_are_said(perception, client, said):
    heard = client.listen(Refinement, f'{NAME}/refinements')
    publisher = client.create_publisher(Image, 'image', 1)
    node = perception(error_silence_s=0.3)
    for outage in (1, 2):
        wait_for(lambda outage=outage: len(about(said, 'no image has come')) == outage)
        heard.clear()
        answered(client, publisher, heard)
        assert len([text for text in said.infos if 'image of /image has come' in text]) == outage
    node.set_parameters([Parameter('error_silence_s', value=60.0)])
    heard.clear()
    answered(client, publisher, heard)
    time.sleep(1.0)  # a silence that is allowed is not worth a word
    assert len(about(said, 'no image has come')) == 2


@pytest.fixture
def lossy_camera(ros):
    """Send images from another process, too large for what it shares memory in."""
    environment = {name: value for name, value in child_environment().items()
                   if not name.startswith('FAST')}
    sender = subprocess.Popen(
        [sys.executable, Path(__file__).with_name('lossy_camera.py')], env=environment)
    yield
    sender.terminate()
    sender.wait()


@pytest.mark.skipif(rclpy.get_rmw_implementation_identifier() != 'rmw_fastrtps_cpp',
                    reason='other middleware may lose none')
def test_images_lost_on_the_way_are_counted_and_explained(perception, lossy_camera, said):
    node = perception()
    text = wait_for(lambda: about(said, 'images of /image were lost', 'large_images'))[0]
    lost, sent = (int(word) for word in text.split() if word.isdigit())
    assert sent / 10 < lost <= sent
    assert node.statistics.lost >= lost and node.statistics.lost_share > 0.1


def test_a_middleware_that_does_not_tell_of_losses_is_no_obstacle(perception, client,
                                                                  monkeypatch):
    subscribe = LifecycleNode.create_subscription

    def refuse(*arguments, event_callbacks=None, **options):
        if event_callbacks is not None and event_callbacks.message_lost is not None:
            raise camera_topic.UnsupportedEventTypeError
        return subscribe(*arguments, event_callbacks=event_callbacks, **options)

    monkeypatch.setattr(LifecycleNode, 'create_subscription', refuse)
    perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    answered(client, client.create_publisher(Image, 'image', 1), heard)


def test_lazy_receives_only_while_somebody_listens(perception, client):
    node = perception(lazy=True)
    assert not node.intake.subscribed
    heard = []
    listener = client.create_subscription(Refinement, f'{NAME}/refinements', heard.append, 50)
    publisher = client.create_publisher(Image, 'image', 1)
    answered(client, publisher, heard)
    assert node.statistics._arrivals
    client.destroy_subscription(listener)
    wait_for(lambda: not node.intake.subscribed)
    wait_for(lambda: not node.statistics._arrivals)  # the pause is no period of the camera's
    node.set_parameters([Parameter('lazy', value=False)])
    wait_for(lambda: node.intake.subscribed)


@pytest.mark.parametrize('lazy', [False, True])
@pytest.mark.parametrize('topic', ['no such!', '{camera}/image', 'image/', ''])
def test_an_impossible_topic_ends_activate_with_its_name(perception, said, lazy, topic):
    node = perception(image_topics=['front', topic], lazy=lazy)
    text, = said.errors
    assert f'image_topics has {topic!r}: ' in text and '\n' not in text
    assert not node.active and not node.intake.subscribed
    node.set_parameters([Parameter('image_topics', value=['front', 'rear'])])
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS


def test_qos_can_be_overridden(perception, client):
    node = perception(**{'qos_overrides./image.subscription.durability': 'transient_local'})
    info = wait_for(lambda: node.get_subscriptions_info_by_topic('/image'))[0]
    assert info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_cameras_share_the_node(perception, client):
    node = perception(image_topics=['front', 'rear'])
    heard = client.listen(Refinement, f'{NAME}/refinements')
    publishers = [client.create_publisher(Image, topic, 1) for topic in ('front', 'rear')]
    images = [image_message(stamp=number)[0] for number in (1, 2)]

    def both():
        for publisher, image in zip(publishers, images):
            publisher.publish(image)
        return {message.header.stamp.sec for message in finals(heard)} == {1, 2}
    wait_for(both)
    assert {(message.header.stamp.sec, message.image_topic) for message in heard} == {
        (1, 'front'), (2, 'rear')}
    assert node.statistics.period('front') > 0 and node.statistics.period('rear') > 0


def test_a_bad_image_is_said_of_each_camera(perception, client, said):
    perception(image_topics=['front', 'rear'])
    for topic in ('front', 'rear', 'front'):
        send(client, image_message(encoding='purple8')[0], topic)
        wait_for(lambda topic=topic: [text for text in said.errors if f'of /{topic} was' in text])
    assert len(said.errors) == 2


def test_one_of_several_cameras_can_be_asked_about(perception, client):
    perception(image_topics=['front', 'rear'])
    heard = client.listen(Refinement, f'{NAME}/refinements')
    for stamp, topic in ((1, 'front'), (2, 'rear')):
        send(client, image_message(stamp=stamp)[0], topic)
        wait_for(lambda stamp=stamp: finals(heard)[-1:] and heard[-1].header.stamp.sec == stamp)
    for stamp, topic in ((1, 'front'), (2, 'rear')):
        response = client.call(Preempt, f'{NAME}/preempt', Preempt.Request(image_topic=topic))
        assert response.accepted and response.refinement.header.stamp.sec == stamp
    budget = SetBudget.Request(budget_ms=500.0, scope=SetBudget.Request.CURRENT_IMAGE)
    for name in ('preempt', 'set_budget'):
        kind, request = (Preempt, Preempt.Request()) if name == 'preempt' else (SetBudget, budget)
        request.image_topic = 'left'
        response = client.call(kind, f'{NAME}/{name}', request)
        assert not response.accepted
        assert "'left'; allowed: front, rear, or empty for all" in response.message
    budget.scope, budget.image_topic = SetBudget.Request.EVERY_IMAGE, 'rear'
    response = client.call(SetBudget, f'{NAME}/set_budget', budget)
    assert not response.accepted and 'is that of all cameras' in response.message


def test_a_camera_can_be_asked_about_by_its_full_name(perception, client):
    """As the log and /diagnostics, and other nodes, call it."""
    perception('-r rear:=/back/image_raw'.split(), image_topics=['front', 'rear'])
    for name, accepted in (('/front', True), ('/back/image_raw', True), ('/rear', False)):
        response = client.call(Preempt, f'{NAME}/preempt', Preempt.Request(image_topic=name))
        assert response.accepted == accepted
        assert accepted or "'/rear'; allowed: front, rear, or empty" in response.message


def test_preempt_without_a_camera_is_about_whichever_is_in_flight(perception, client, monkeypatch):
    node = perception(image_topics=['front', 'rear'])
    heard = client.listen(Refinement, f'{NAME}/refinements')
    send(client, image_message(stamp=1)[0], 'front')
    wait_for(lambda: finals(heard))
    go = hold(monkeypatch, camera_images)
    send(client, image_message(stamp=2)[0], 'rear')
    wait_for(lambda: node.engine.counts.started == 2)

    def newest():
        return client.call(Preempt, f'{NAME}/preempt', Preempt.Request()).refinement
    assert newest().header.stamp.sec == 1
    go.set()
    _, final = wait_for(lambda: len(finals(heard)) == 2 and finals(heard))
    assert (final.header.stamp.sec, final.exit_index) == (2, 0)
    assert final.status == Refinement.PREEMPTED
    assert newest() == final


def test_only_the_newest_of_the_images_that_came_meanwhile_is_taken(ros):
    node = rclpy.create_node('busy')
    node.declare_parameter('image_transport', 'raw')
    node.declare_parameter('error_silence_s', 5.0)
    node.declare_parameter('reliability', 'reliable')
    taken = []
    camera_topic.CameraTopic(
        node, 'image', lambda message: taken.append(message.header.stamp.sec), print, print,
        print)
    publisher = node.create_publisher(Image, 'image', QoSProfile(depth=10))
    subscription, = [own for own in node.subscriptions if own.topic_name == '/image']
    wait_for(lambda: publisher.get_subscription_count() and subscription.get_publisher_count())
    for stamp in range(1, 6):
        publisher.publish(image_message(stamp=stamp)[0])
    time.sleep(0.3)  # they are all there by then, and nobody has looked yet
    ros.add(node)
    wait_for(lambda: taken[-1:] == [5])
    assert taken == [5]


def test_compressed_images_are_answered(perception, client):
    perception(image_transport='compressed')
    heard = client.listen(Refinement, f'{NAME}/refinements')
    publisher = client.create_publisher(CompressedImage, 'image', 1)
    message = compressed_message(cv2.imencode('.jpg', image_message()[1])[1])

    def once():
        publisher.publish(message)
        return finals(heard)
    wait_for(once)
