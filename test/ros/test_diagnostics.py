"""What /diagnostics counts, and which limits it complains of."""

import dataclasses
import math
from pathlib import Path
import re
import time

from anytime_perception import engine
from anytime_perception.engine.worker import Counts
from anytime_perception.ros.node.statistics import Statistics
from anytime_perception.ros.node.trace import ImageTrace
from anytime_perception.srv import Preempt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from served import change_state, image_message, NAME, send, wait_for
from std_msgs.msg import Header

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def healths(client):
    heard = client.listen(DiagnosticArray, '/diagnostics')

    def newest():
        return heard[-1].status[0] if heard else DiagnosticStatus()
    return newest


def values_of(status):
    return {entry.key: entry.value for entry in status.values}


def test_diagnostics_count_what_happened(perception, client):
    node = perception(budget_ms=5000.0, runner='torch')
    newest = healths(client)
    publisher = send(client, image_message(stamp=0)[0])
    wait_for(lambda: sum(node.statistics.exits.values()) == 1)
    future = int(time.time()) + 1000
    publisher.publish(image_message(stamp=future)[0])
    wait_for(lambda: sum(node.statistics.exits.values()) == 2)

    def complete():
        values = values_of(newest())
        return values.get('images_received') == '2' and values
    values = wait_for(complete)
    last = len(node.engine.profile.median) - 1
    assert values['images_unstamped'] == '1' and values['images_from_the_future'] == '1'
    assert values['images_started'] == '2' and values['images_replaced'] == '0'
    assert values['deadlines'] == '2' and values[f'exit {last} images'] == '2'
    assert float(values[f'exit {last} median_ms']) > 0
    assert float(values[f'exit {last} profile_ms']) > 0
    assert values['model_sha256'] == node.engine.model.sha256
    assert values['model'] == 'toy.safetensors' and newest().hardware_id == 'cpu'
    assert values['runner'] == 'torch' and values['budget_ms'] == '5000.000'
    held = {name: int(value) / 1024 for name, value in re.findall(
        r'(VmRSS|VmHWM):\s+(\d+) kB', Path('/proc/self/status').read_text())}
    assert float(values['memory_mb']) == pytest.approx(held['VmRSS'], rel=0.1)
    assert float(values['peak_memory_mb']) == pytest.approx(held['VmHWM'], rel=0.1)
    page = (Path(__file__).parents[2] / 'docs' / 'node.md').read_text()
    kinds = {re.sub(r'\(.*\)', '(REASON)', re.sub(r'^exit \d+', 'exit N', key)) for key in values}
    assert [kind for kind in kinds if f'`{kind}`' not in page] == []


def test_the_exit_at_which_images_end_has_a_median(perception, client):
    perception(confidence=0.0)
    newest = healths(client)
    send(client, image_message()[0])

    def values():
        values = values_of(newest())
        return values.get('exit 0 images') == '1' and values
    values = wait_for(values)
    assert float(values['exit 0 median_ms']) > 0 and values['exit 1 median_ms'] == ''


def test_diagnostics_say_what_the_statistics_know(perception, client):
    node = perception()
    newest, statistics = healths(client), Statistics(Counts())
    now = time.monotonic()
    for arrival, age in ((now, 0.3), (now + 1000, math.nan), (now + 2000, -5.0)):
        statistics.count_arrival('image', arrival, age)
    for kind in ('step', 'step', 'failed'):
        statistics.count_bad(kind)
    statistics._counts.replaced = 7
    statistics.count_start('image', 0.1, 2000.0)
    statistics.count_start('image', 0.3, 0.2)
    for elapsed in (0.01, 0.03, 0.02):
        statistics.count_refinement(dataclasses.replace(
            answer(elapsed, budget=0.025), exit_index=1, status=engine.Status.COMPLETE),
            fresh=True)
        statistics.count_publication()
    statistics.count_publication()
    for seconds in range(1, 102):
        statistics.count_preempt(seconds / 1e3)
    node.statistics = statistics
    expected = {
        'images_received': '3', 'images_bad': '2', 'images_bad (step)': '2', 'images_failed': '1',
        'images_replaced': '7', 'images_started': '2', 'images_stale': '1',
        'images_unstamped': '1', 'images_from_the_future': '1', 'input_rate_hz': '0.001',
        'age_at_arrival_p50_ms': '150.000', 'age_at_arrival_p95_ms': '285.000',
        'oldest_start_ms': '2000100.000', 'refinements': '4', 'deadlines': '3',
        'deadlines_missed': '1', 'preempts': '101', 'preempt_p50_ms': '51.000',
        'preempt_p95_ms': '96.000', 'preempt_p99_ms': '100.000', 'preempt_max_ms': '101.000',
        'exit 0 images': '0', 'exit 0 median_ms': '', 'exit 1 images': '3',
        'exit 1 median_ms': '20.000'}
    wait_for(lambda: values_of(newest()).get('preempts') == '101')
    values = values_of(newest())
    assert {key: values.get(key) for key in expected} == expected
    assert 'images_bad (failed)' not in values


def answer(elapsed=0.01, budget=math.inf):
    return engine.Refinement(0, 2, 0, 1, 10, 0.5, np.full(3, 1 / 3), 0, '0', elapsed, 0.0,
                             budget, engine.Status.REFINING)


def test_an_answer_that_is_said_again_is_fresh_once():
    trace, first = ImageTrace(Header()), answer()
    assert trace.is_fresh(first)
    trace.answered(first)
    assert not trace.is_fresh(first.ended(engine.Status.PREEMPTED, first.budget))
    assert trace.is_fresh(dataclasses.replace(
        first, exit_index=1, status=engine.Status.BUDGET_SPENT))


@pytest.mark.parametrize('parameters, level, text', [
    ({}, OK, 'active'),
    ({'error_silence_s': 1e-6}, ERROR, 'no image on /image for'),
    ({'warn_rate_hz': 1e9}, WARN, 'images a second'),
    ({'warn_age_ms': 1.0}, WARN, 'ms old'),
    ({'warn_age_ms': 1.0, 'error_age_ms': 2.0}, ERROR, 'ms old'),
    ({'warn_memory_mb': 1.0}, WARN, 'MiB of memory'),
    ({'error_memory_mb': 1}, ERROR, 'MiB of memory'),
    ({'warn_memory_mb': 1e9, 'error_memory_mb': 1e9}, OK, 'active')])
def test_thresholds_decide_about_health(perception, client, parameters, level, text):
    node = perception(**{'error_silence_s': 1000.0, **parameters})
    newest = healths(client)
    publisher = send(client, image_message(stamp=1)[0])
    wait_for(lambda: node.statistics.received == 1)
    publisher.publish(image_message(stamp=1)[0])
    wait_for(lambda: newest().level == level and text in newest().message)


def test_each_of_several_cameras_has_a_status(perception, client):
    node = perception(image_topics=['front', 'rear'], error_silence_s=2.0, warn_rate_hz=3.0)
    heard = client.listen(DiagnosticArray, '/diagnostics')
    front, rear = (client.create_publisher(Image, topic, 1) for topic in ('front', 'rear'))

    def cameras():
        names = tuple(f'{NAME[1:]}: /{topic}' for topic in ('front', 'rear'))
        statuses = {status.name: status for status in heard[-1].status[1:]} if heard else {}
        return [statuses[name] for name in names] if set(statuses) == set(names) else None

    def send_and_see(*publishers):
        for publisher in publishers:
            publisher.publish(image_message()[0])
        return [(status.level, status.message.lstrip('0123456789. ').split(' for ')[0])
                for status in cameras() or ()]
    wait_for(lambda: send_and_see(front, rear) == 2 * [(OK, 'active')] and
             all(int(values_of(camera)['images_received']) > 0 for camera in cameras()))
    wait_for(lambda: send_and_see(front) == [(OK, 'active'), (WARN, 'images a second')])
    wait_for(lambda: send_and_see(front) == [(OK, 'active'), (ERROR, 'no image')])
    front_rate, rear_rate = (float(values_of(camera)['input_rate_hz']) for camera in cameras())
    assert rear_rate < 0.6 and front_rate > 3
    node.trigger_deactivate()
    wait_for(lambda: send_and_see() == 2 * [(OK, 'not received')])


def test_one_camera_has_the_status_of_the_node_alone(perception, client):
    perception()
    heard = client.listen(DiagnosticArray, '/diagnostics')
    wait_for(lambda: heard)
    assert [status.name for status in heard[-1].status] == [f'{NAME[1:]}: images']


def test_one_silent_camera_among_several_is_named(perception, client):
    node = perception(image_topics=['front', 'rear'], error_silence_s=2.0)
    newest = healths(client)
    front, rear = (client.create_publisher(Image, topic, 1) for topic in ('front', 'rear'))

    def health(*publishers):
        for publisher in publishers:
            publisher.publish(image_message()[0])
        return newest().level, newest().message.split(' for ')[0]
    wait_for(lambda: health(front, rear) == (OK, 'active') and node.statistics.exits)
    wait_for(lambda: health(front) == (ERROR, 'no image on /rear'))
    wait_for(lambda: health(front, rear) == (OK, 'active'))
    wait_for(lambda: health()[0] == ERROR and 'on /front' in newest().message
             and 'on /rear' in newest().message)


@pytest.mark.parametrize('bad, parameters, level', [
    (0, {}, OK), (1, {}, WARN), (1, {'warn_bad': 0.05}, OK), (2, {'warn_bad': 0.05}, WARN),
    (2, {'error_bad': 0.05}, ERROR), (11, {}, ERROR)])
def test_the_share_of_unusable_images_decides_about_health(perception, client, bad, parameters,
                                                           level):
    """Of the first images, each counts as one of twenty."""
    node = perception(error_silence_s=1000.0, **parameters)
    newest = healths(client)
    publisher = send(client, image_message()[0])
    wait_for(lambda: node.statistics.received == 1)
    for number in range(1, bad + 1):
        publisher.publish(image_message(step=1)[0])
        wait_for(lambda number=number: node.statistics.dropped == number)
    wait_for(lambda: newest().level == level and (
        newest().message == 'active' if level == OK else
        f'{bad / 20:.1%} of the images were dropped as unusable' in newest().message))


def test_missed_deadlines_and_replaced_images_decide_about_health(perception, client):
    node = perception(error_silence_s=1000.0)
    newest = healths(client)
    send(client, image_message()[0])
    wait_for(lambda: node.statistics.exits)
    late = next(node.engine.refine(image_message()[1]))
    late = dataclasses.replace(late, elapsed=2.0, budget=1.0, status=engine.Status.BUDGET_SPENT)
    for number, level in ((1, OK), (2, WARN), (11, ERROR)):
        while node.statistics.missed < number:
            node.statistics.count_refinement(late, fresh=True)
        wait_for(lambda level=level: newest().level == level)
        assert level == OK or f'{number / 20:.1%} of the deadlines' in newest().message
    node.set_parameters([Parameter(f'{level}_missed', value=1.0) for level in ('error', 'warn')])
    node.statistics.count_lost(6)
    wait_for(lambda: newest().level == WARN and '30.0% of the images were lost' in
             newest().message)
    node.set_parameters([Parameter('warn_lost', value=0.3), Parameter('warn_replaced', value=0.1)])
    node.engine.counts.replaced += 3
    wait_for(lambda: newest().level == WARN and '15.0% of the images were replaced' in
             newest().message)


def test_everything_is_counted_from_activation(perception, client):
    node = perception(publish='final')
    newest = healths(client)
    send(client, image_message()[0])

    def counts():
        values = values_of(newest())
        return [values.get(key) for key in ('images_received', 'refinements', 'preempts')]
    wait_for(lambda: node.statistics.exits)
    for _ in range(3):
        assert client.call(Preempt, f'{NAME}/preempt', Preempt.Request()).success
    wait_for(lambda: counts() == ['1', '1', '3'])
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    assert change_state(client, Transition.TRANSITION_ACTIVATE)
    wait_for(lambda: counts() == ['0', '0', '0'])


def test_an_image_is_stale_that_was_older_than_a_camera_period_when_started():
    statistics = Statistics()
    for number in range(10):
        statistics.count_arrival('image', 0.1 * number, 0.0)
    for age, waited in ((0.0, 0.09), (math.nan, 0.09), (-1.0, 0.09), (0.05, 0.04)):
        statistics.count_start('image', age, waited)
    assert statistics.stale == 0
    for age, waited in ((0.0, 0.11), (math.nan, 0.11), (0.06, 0.05)):
        statistics.count_start('image', age, waited)
    assert (statistics.started, statistics.stale) == (7, 3)


def test_a_rate_is_of_cameras_that_have_sent_two_images_since_anybody_listened():
    statistics = Statistics()
    assert math.isnan(statistics.rate(0.0))
    for number in range(5):
        statistics.count_arrival('front', 0.1 * number, 0.0)
    statistics.count_arrival('rear', 0.4, 0.0)
    assert statistics.rate(0.4) == pytest.approx(10)
    assert statistics.rate(2.4) == pytest.approx(0.5)  # silent for two seconds
    statistics.forget_arrivals()
    for number in range(2):
        statistics.count_arrival('front', 60 + 0.1 * number, 0.0)
    assert statistics.rate(60.1) == pytest.approx(10)


def test_the_period_of_cameras_together_is_between_images_of_any():
    statistics = Statistics()
    assert statistics.period_of(['front', 'rear'], 0.0) == math.inf
    for number in range(5):
        statistics.count_arrival('front', 0.1 * number, 0.0)
        statistics.count_arrival('rear', 0.2 * number - 0.4, 0.0)
    assert statistics.period_of(['front'], 0.4) == pytest.approx(0.1)
    assert statistics.period_of(['front', 'rear', 'left'], 0.4) == pytest.approx(1 / 15)
    assert statistics.period_of(['front'], 2.4) == pytest.approx(2.0)  # a pause


def test_an_answer_is_not_late_because_its_budget_was_cut_after_it():
    statistics, in_time = Statistics(), answer(elapsed=0.03, budget=math.inf)
    statistics.count_refinement(in_time, fresh=True)
    statistics.count_refinement(in_time.ended(engine.Status.BUDGET_SPENT, 0.02), fresh=False)
    assert (statistics.budgeted, statistics.missed) == (1, 0)
    late = dataclasses.replace(in_time, budget=0.02, status=engine.Status.BUDGET_SPENT)
    statistics.count_refinement(late, fresh=True)
    assert (statistics.budgeted, statistics.missed) == (2, 1)


def test_preempts_are_counted_beyond_those_that_quantiles_are_of():
    statistics = Statistics()
    for number in range(1000):
        statistics.count_preempt(float(number))
    assert statistics.preempts == 1000 and statistics.preempt(0.0) == 800.0


def test_shares_are_of_the_last_images():
    counts = Counts(replaced=7)  # of before the node was activated
    statistics = Statistics(counts)
    assert statistics.dropped_share == statistics.replaced_share == statistics.missed_share == 0
    for number in range(400):
        statistics.count_arrival('image', float(number), 0.0)
        if number < 100:
            statistics.count_bad('step')
        elif number % 4 == 0:
            counts.replaced += 1
    assert statistics.dropped == 100 and statistics.dropped_share == 0
    assert statistics.replaced == 75 and statistics.replaced_share == 0.25
    for number in range(400, 450):
        statistics.count_arrival('image', float(number), 0.0)
        statistics.count_bad('empty')
    assert statistics.dropped_share == 0.25


def test_the_share_of_lost_images_is_of_the_last_that_came_or_were_lost():
    statistics = Statistics()
    assert statistics.lost_share == 0
    statistics.count_lost(10)
    assert statistics.lost_share == 0.5  # each counts as one of twenty
    statistics.count_lost(30)
    assert statistics.lost_share == 1
    statistics.count_arrival('image', 0.0, 0.0)
    assert statistics.lost_share == 40 / 41
    for number in range(1, 300):
        statistics.count_arrival('image', float(number), 0.0)
    assert statistics.lost == 40 and statistics.lost_share == 0
    statistics.count_lost(50)
    assert statistics.lost_share == 50 / 250


def test_an_image_that_hangs_is_an_error(perception, client, monkeypatch):
    perception()
    newest = healths(client)
    monkeypatch.setattr(engine.AnytimeEngine, 'stuck_for', 7.0)
    wait_for(lambda: newest().level == ERROR and 'in flight for 7 s' in newest().message)
