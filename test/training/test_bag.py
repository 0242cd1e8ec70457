"""Recordings become class folders: both formats, all encodings, and no neighbours on two sides."""

from anytime_perception.images.pictures import read_picture
from anytime_training import cli
from anytime_training.data.intervals import (
    GAP, Interval, OUTSIDE, read_intervals, split, TEST, TRAIN)
import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

rosbag2 = pytest.importorskip('rosbags.rosbag2')
typesys = pytest.importorskip('rosbags.typesys')
TYPES = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
START = 1_700_000_000_000_000_000  # ns
RATE = 10


def header(stamp):
    time = TYPES.types['builtin_interfaces/msg/Time'](stamp // 10 ** 9, stamp % 10 ** 9)
    return TYPES.types['std_msgs/msg/Header'](time, 'camera')


def picture_of(index):
    """Return a picture, (6, 8, 3) RGB, by whose red the number of its frame can be told."""
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[:, :, 0] = index % 256
    picture[:, :4, 1] = 200
    picture[:3, :, 2] = 90
    return picture


def raw(stamp, picture, encoding='rgb8', padding=0):
    code = {'rgb8': None, 'bgr8': cv2.COLOR_RGB2BGR, 'rgba8': cv2.COLOR_RGB2RGBA,
            'bgra8': cv2.COLOR_RGB2BGRA, 'mono8': cv2.COLOR_RGB2GRAY}.get(encoding)
    pixels = picture if code is None else cv2.cvtColor(picture, code)
    rows = pixels.reshape(len(picture), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    return TYPES.types['sensor_msgs/msg/Image'](
        header(stamp), picture.shape[0], picture.shape[1], encoding, 0, rows.shape[1],
        rows.reshape(-1))


def compressed(stamp, picture, suffix='.png'):
    data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    return TYPES.types['sensor_msgs/msg/CompressedImage'](header(stamp), suffix[1:], data)


def write_bag(path, messages, storage='SQLITE3', topic='/camera'):
    """Write (seconds, message) pairs as a bag, after a message of another topic at time 0."""
    plugin = getattr(rosbag2.StoragePlugin, storage)
    with rosbag2.Writer(path, version=8, storage_plugin=plugin) as writer:
        text = TYPES.types['std_msgs/msg/String']
        other = writer.add_connection('/chatter', text.__msgtype__, typestore=TYPES)
        writer.write(other, START, TYPES.serialize_cdr(text('hello'), text.__msgtype__))
        kind = messages[0][1].__msgtype__
        camera = writer.add_connection(topic, kind, typestore=TYPES)
        for seconds, message in messages:
            stamp = START + round(seconds * 10 ** 9)
            writer.write(camera, stamp, TYPES.serialize_cdr(message, kind))
    return path


def write_labels(path, text='start,end,label\n1,11,left\n11,21,right\n'):
    path.write_text(text)
    return path


def convert(bag, labels, output, *options):
    return cli.main(['dataset', 'from-bag', str(bag), '--topic', '/camera', '--labels',
                     str(labels), '--output', str(output), '--quiet', *options])


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
@pytest.mark.parametrize('make', [raw, compressed])
def test_pictures_lie_under_their_label_on_one_side_of_the_split(tmp_path, capsys, storage, make):
    frames = [(index / RATE, make(START, picture_of(index))) for index in range(23 * RATE)]
    bag = write_bag(tmp_path / 'bag', frames, storage)
    assert convert(bag, write_labels(tmp_path / 'labels.csv'), tmp_path / 'set') == 0
    found = {}
    for path in (tmp_path / 'set').glob('*/*/*.png'):
        index = int(path.stem)
        assert (read_picture(path) == picture_of(index)).all()
        found[index] = path.parent.parent.name, path.parent.name
    assert all(label == ('left' if index < 11 * RATE else 'right')
               for index, (_, label) in found.items())
    tests = [index for index, (side, _) in found.items() if side == 'test']
    # Each label has 100 frames; its last 20 are for tests, and those up to 1 s away are for none.
    assert sorted(tests) == [*range(90, 110), *range(190, 210)]
    expected = {*range(10, 81), *range(119, 181)}
    assert {index for index, (side, _) in found.items() if side == 'train'} == expected
    said = capsys.readouterr().out
    assert '133 training and 40 test images' in said and 'of 230, 30 lie in no interval' in said
    assert '27 too near' in said


def test_the_class_folders_can_be_trained_with(tmp_path):
    frames = [(index / RATE, raw(START, picture_of(10 if index < 110 else 250)))
              for index in range(23 * RATE)]
    bag = write_bag(tmp_path / 'bag', frames)
    assert convert(bag, write_labels(tmp_path / 'labels.csv'), tmp_path / 'set') == 0
    assert cli.main(['train', '--dataset', 'folder', '--data', str(tmp_path / 'set'), '--output',
                     str(tmp_path / 'run'), '--input-size', '8', '--channels', '2',
                     '--units-per-block', '1', '--epochs', '1', '--device', 'cpu', '--quiet']) == 0


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8'])
def test_encodings_and_padded_rows(tmp_path, encoding):
    frames = [(index / RATE, raw(START, picture_of(index), encoding, padding=5))
              for index in range(23 * RATE)]
    bag = write_bag(tmp_path / 'bag', frames, 'MCAP')
    assert convert(bag, write_labels(tmp_path / 'labels.csv'), tmp_path / 'set') == 0
    expected = picture_of(95)
    if encoding == 'mono8':
        expected = cv2.cvtColor(cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert (read_picture(tmp_path / 'set' / 'test' / 'left' / '0095.png') == expected).all()


@given(st.lists(st.floats(0, 100), max_size=60), st.floats(0, 5),
       st.lists(st.tuples(st.floats(0.1, 20), st.sampled_from('abc')), min_size=1, max_size=8))
def test_no_training_frame_is_near_a_test_frame(times, gap, lengths):
    ends = np.cumsum([length for length, _ in lengths])
    intervals = [Interval(end - length, end, label) for end, (length, label) in zip(ends, lengths)]
    fate, place = split(times, intervals, gap)
    train, test = ([time for time, kind in zip(times, fate) if kind == wanted]
                   for wanted in (TRAIN, TEST))
    assert all(abs(one - other) >= gap for one in train for other in test)
    for time, kind, index in zip(times, fate, place):
        inside = [found for found in intervals if found.start <= time < found.end]
        assert (kind == OUTSIDE) == (not inside)
        if inside:
            assert intervals[index] == inside[0]
        if kind == GAP:
            assert min(abs(time - other) for other in test) < gap
    for label in 'abc':
        kept = [(time, kind) for time, kind, index in zip(times, fate, place)
                if kind != OUTSIDE and intervals[index].label == label]
        latest = max((time for time, kind in kept if kind in (TRAIN, GAP)), default=-1)
        assert all(time >= latest for time, kind in kept if kind == TEST)  # contiguous in time
        assert sum(kind == TEST for _, kind in kept) == (
            max(1, round(0.2 * len(kept))) if kept else 0)


def test_absolute_times_and_what_misses_the_recording(tmp_path, capsys):
    bag = write_bag(tmp_path / 'bag', [(index / RATE, raw(START, picture_of(index)))
                                       for index in range(23 * RATE)])
    seconds = START // 10 ** 9
    labels = write_labels(tmp_path / 'labels.csv', f'start,end,label\n{seconds + 1},'
                          f'{seconds + 11},left\n{seconds + 11},{seconds + 21},right\n')
    assert convert(bag, labels, tmp_path / 'set') == 2
    said = capsys.readouterr().err
    assert 'all 230 images' in said and '--absolute' in said and said.count('\n') == 1
    assert not (tmp_path / 'set').exists()
    assert convert(bag, labels, tmp_path / 'set', '--absolute') == 0
    assert len(list((tmp_path / 'set' / 'test').glob('*/*.png'))) == 40


def test_what_cannot_be_read_is_skipped_and_counted(tmp_path, capsys):
    frames = [(index / RATE, raw(START, picture_of(index))) for index in range(23 * RATE)]
    frames[20][1].encoding = 'strange'
    frames[30][1].data = frames[30][1].data[:7]
    bag = write_bag(tmp_path / 'bag', frames)
    assert convert(bag, write_labels(tmp_path / 'labels.csv'), tmp_path / 'set') == 0
    said = capsys.readouterr().out
    assert '2 cannot be read' in said and "'strange'" in said and '7 bytes' in said
    names = {path.name for path in (tmp_path / 'set' / 'train' / 'left').iterdir()}
    assert {'0019.png', '0021.png'} <= names and not {'0020.png', '0030.png'} & names
    for _, message in frames:
        message.encoding = 'strange'
    bag = write_bag(tmp_path / 'other', frames)
    assert convert(bag, tmp_path / 'labels.csv', tmp_path / 'none') == 2
    assert "'strange'" in capsys.readouterr().err


@pytest.mark.parametrize('text, said', [
    ('', 'start'),
    ('start,end\n1,2\n', "'label'"),
    ('start,end,label\n', 'no interval'),
    ('start,end,label\n1,x,left\n', 'line 2'),
    ('start,end,label\n1,2,left\n3,3,left\n', 'line 3'),
    ('start,end,label\n1,2,../left\n', "'../left'"),
    ('start,end,label\n1,2,left\n5,9,left\n8,10,right\n', 'lines 3 and 4 overlap'),
])
def test_wrong_labels_are_explained(tmp_path, text, said):
    with pytest.raises(ValueError, match='labels.csv') as caught:
        read_intervals(write_labels(tmp_path / 'labels.csv', text))
    assert said in str(caught.value)


def test_other_mistakes_are_one_line_and_write_nothing(tmp_path, capsys):
    frames = [(index / RATE, raw(START, picture_of(index))) for index in range(23 * RATE)]
    bag = write_bag(tmp_path / 'bag', frames, topic='/front')
    labels, output = write_labels(tmp_path / 'labels.csv'), tmp_path / 'set'

    def error_of(*arguments):
        assert convert(*arguments) == 2
        message = capsys.readouterr().err
        assert message.count('\n') == 1
        return message
    assert '/front' in error_of(bag, labels, output)
    assert 'nowhere' in error_of(tmp_path / 'nowhere', labels, output)
    assert 'nowhere.csv' in error_of(bag, tmp_path / 'nowhere.csv', output)
    bag = write_bag(tmp_path / 'good', frames)
    assert "'left' has no train images" in error_of(bag, labels, output, '--gap', '30')
    assert "'far' has no" in error_of(bag, write_labels(
        tmp_path / 'far.csv', 'start,end,label\n1,9,left\n99,100,far\n'), output)
    assert not output.exists()
    database, = (tmp_path / 'good').glob('*.db3')
    database.write_bytes(b'no database' * 100)
    assert 'good' in error_of(tmp_path / 'good', labels, output)
    output.mkdir()
    (output / 'mine.txt').write_text('')
    assert 'not empty' in error_of(bag, labels, output)
    assert [path.name for path in output.iterdir()] == ['mine.txt']
