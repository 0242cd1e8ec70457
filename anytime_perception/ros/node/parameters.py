"""The parameters of the perception node: what they mean, and when they are read."""

from collections.abc import Iterator
import difflib
import math
from typing import Any

from anytime_perception.ros.parameters import declare_unchecked, Read, Spec
from anytime_perception.runner_names import MAX_THREADS, PRECISIONS, RUNNERS
from rclpy.node import Node

PARAMETERS: dict[str, Spec] = {
    'model': Spec('', 'Path of the model file.', Read.CONFIGURED),
    'device': Spec(
        'auto', 'Where the network runs: auto (a GPU where there is one), cpu, cuda or cuda:N.',
        Read.CONFIGURED),
    'threads': Spec(
        1, 'CPU threads of the network and of OpenCV. More than one helps only on a machine with '
        'idle cores.',
        Read.CONFIGURED, minimum=1, maximum=MAX_THREADS),
    'runner': Spec(
        'auto', 'What runs the network: torch, openvino (CPU only), cuda_graphs (GPU only), or '
        'auto for the quickest of those that can be had.', Read.CONFIGURED, choices=RUNNERS),
    'precision': Spec(
        'float32', 'Of weights and features: float32, in which models are evaluated, or bfloat16, '
        'quicker where the device has it; answers then differ by about a hundredth.',
        Read.CONFIGURED, choices=PRECISIONS),
    'image_topics': Spec(
        ['image'], 'Camera topics, relative to the node and remappable. Several cameras take '
        'turns. []: no camera, only goals of ~/classify.', Read.ACTIVATED),
    'image_transport': Spec(
        'match', 'Type of the image topics: raw (sensor_msgs/Image), compressed '
        '(sensor_msgs/CompressedImage), or match: for each topic the one that it carries, raw '
        'before anybody publishes.', Read.ACTIVATED, choices=('match', 'raw', 'compressed')),
    'region': Spec(
        '', 'Part of every camera picture that the network sees, as left, top, width and height '
        'in shares of the picture: 0, 0.25, 1, 0.5 is the middle half of its height. The network '
        'sees the largest centred square of this part. Empty: of the whole picture.'),
    'reliability': Spec(
        'match', 'QoS reliability of the image subscription. match: reliable while every '
        'publisher is, else best_effort, which receives from every publisher; it follows '
        'publishers that come and go.', Read.ACTIVATED,
        choices=('match', 'best_effort', 'reliable')),
    'lazy': Spec(
        False, 'Receive images only while somebody subscribes to what comes of them.'),
    'budget_ms': Spec(
        math.inf, 'How long an image may be refined, in ms from its arrival; inf: until complete. '
        '~/set_budget changes it too.', minimum=0, above=True),
    'budget_from': Spec(
        'arrival', 'What the budgets of camera images count from: their arrival at the node, or '
        'their stamp, so that what an image took to arrive is part of its budget. Images '
        'without a stamp, or with one that is later than their arrival or more than 10 s before '
        'it, count from their arrival. That is warned of, unless clocks are less than 50 ms '
        'apart.', choices=('arrival', 'stamp')),
    'supersede': Spec(
        True, 'A newer image of its camera ends the refinement of the one before, once that has '
        'an answer. false: that is refined until its budget is spent (without one, to the last '
        'exit), and the newest of those that come meanwhile waits.'),
    'confidence': Spec(
        1.0, 'Stop refining an image once its answer has this probability; 1: never.',
        minimum=0, maximum=1),
    'hysteresis': Spec(
        1.0, 'How many times as likely a class must be as the answer before, for the same image, '
        'to replace it. 1: the answer is always the most likely class; 3: it changes seldom, and '
        'right answers are rarely lost again; inf: it never changes. From the next image on. '
        '~/model_info speaks of 1.', minimum=1),
    'speed_budgets': Spec(
        '', 'Budgets that follow the robot, as SPEED:BUDGET pairs in m/s and ms, such as '
        '0:100, 0.5:40, 2:10; in between it is interpolated. The shorter of this and '
        'budget_ms counts; without a speed in the last second, the shortest of all. Budgets of '
        'goals, and of the image in flight only, are not shortened. Empty: off.',
        Read.ACTIVATED),
    'publish': Spec(
        'every', 'Which refinements are published: every, final (one per image), or change (the '
        'first, whenever the answer changes, and the final one).',
        choices=('every', 'final', 'change')),
    'top_k': Spec(
        3, 'How many classes a refinement names: its answer, then the most likely others.',
        minimum=1, maximum=1000),
    'trace_file': Spec(
        '', 'CSV file that gets a line for each image that was answered: when it arrived, was '
        'started, answered and published. Written anew each time the node is configured. Empty: '
        'none.',
        Read.CONFIGURED),
    'error_silence_s': Spec(
        5.0, '/diagnostics: ERROR if for that long no image has come on one of the topics (the '
        'log gives likely reasons), or an image that was begun has got no answer.',
        minimum=0, above=True),
    'warn_rate_hz': Spec(
        0.0, '/diagnostics: WARN below that many images a second.', minimum=0),
    'warn_age_ms': Spec(
        math.inf, '/diagnostics: WARN where images are older than that when they arrive (median).',
        minimum=0),
    'error_age_ms': Spec(
        math.inf, '/diagnostics: ERROR where images are older than that (median).', minimum=0),
    'warn_bad': Spec(
        0.0, '/diagnostics: WARN where more than that share of the last 200 images was dropped as '
        'unusable.', minimum=0, maximum=1),
    'error_bad': Spec(
        0.5, '/diagnostics: ERROR where more than that share was dropped.', minimum=0, maximum=1),
    'warn_replaced': Spec(
        1.0, '/diagnostics: WARN where more than that share of the last 200 images was replaced '
        'by a newer one before it was started, as it is with a camera that is faster than the '
        'network; 1: never.', minimum=0, maximum=1),
    'warn_lost': Spec(
        0.1, '/diagnostics: WARN where more than that share of the last 200 images was lost on '
        'the way; 1: never.', minimum=0, maximum=1),
    'warn_missed': Spec(
        0.05, '/diagnostics: WARN where more than that share of the last 200 images with a '
        'deadline was answered after it.', minimum=0, maximum=1),
    'error_missed': Spec(
        0.5, '/diagnostics: ERROR where more than that share was answered late.', minimum=0,
        maximum=1),
    'warn_memory_mb': Spec(
        math.inf, '/diagnostics: WARN where the process holds more memory, in MiB.', minimum=0),
    'error_memory_mb': Spec(
        math.inf, '/diagnostics: ERROR where the process holds more than that, in MiB.',
        minimum=0),
    'autostart': Spec(
        True, 'Configure and activate at start, without waiting for a lifecycle manager.',
        Read.START),
}


def declare_parameters(node: Node) -> None:
    """Declare every parameter of the perception node; warn of names that are nearly ours."""
    for name, spec in PARAMETERS.items():
        declare_unchecked(node, name, spec)
    for text in _misspelt(node):
        node.get_logger().warning(text)


def _misspelt(node: Node) -> Iterator[str]:
    """
    Yield a text for every name that `node` was given a value for and that is nearly one of ours.

    ROS 2 has no use for such a value, and does not say so.
    """
    # Not a public name of rclpy's; without it nothing is lost but the word.
    for name in getattr(node, '_parameter_overrides', {}):
        near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.8)
        if name not in PARAMETERS and near:
            yield f'there is no parameter {name}, so its value has no use; is it {near[0]}?'


def reason_against(name: str, value: Any) -> str:
    """Return why parameter `name` can't be `value`; empty if it can, or is not one of ours."""
    return PARAMETERS[name].reason_against(name, value) if name in PARAMETERS else ''
