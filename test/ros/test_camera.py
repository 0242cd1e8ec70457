"""The camera of demo and tests: frames keep their shape, films play on, pictures have labels."""

from anytime_perception.msg import Label
from anytime_perception.ros.camera import Camera, frame
from anytime_perception.ros.spin import CannotGoOn
import cv2
from fake_webcam import FakeWebcam
import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from served import wait_for


def test_a_frame_keeps_the_picture_s_shape():
    picture = np.full((10, 20, 3), 200, np.uint8)
    result = frame(picture, 64, 48)
    assert result.shape == (48, 64, 3)
    rows, columns = np.nonzero(result[..., 0] == 200)
    assert np.ptp(columns) + 1 == 64 and np.ptp(rows) + 1 == 32


@pytest.fixture
def camera(ros):
    def make(**parameters):
        return ros.add(Camera(parameter_overrides=[
            Parameter(name, value=value) for name, value in parameters.items()]))
    return make


def test_a_film_plays_on_and_nobody_says_what_it_shows(client, camera, tmp_path):
    path = str(tmp_path / 'film.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 10, (32, 24))
    for level in (40, 200):
        writer.write(np.full((24, 32, 3), level, np.uint8))
    writer.release()
    images = client.listen(Image, 'image', qos_profile_sensor_data)
    labels = client.listen(Label, 'label')
    camera(images=path, width=32, height=24, rate=50.0)
    wait_for(lambda: len(images) >= 5)
    levels = [round(np.mean(image.data) / 160) for image in images[:5]]
    assert {(0, 1), (1, 0)} <= set(zip(levels, levels[1:])), 'it did not start again'
    assert not labels
    assert images[0].header.frame_id == 'camera'


def test_pictures_have_labels_and_what_is_none_is_left_out(client, camera, tmp_path):
    for name, level in (('dark', 20), ('light', 220)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / '1.png'), np.full((24, 32, 3), level, np.uint8))
    (tmp_path / 'dark' / '2.png').write_text('no picture')
    images = client.listen(Image, 'image', qos_profile_sensor_data)
    labels = client.listen(Label, 'label')
    camera(images=str(tmp_path), width=32, height=24, rate=20.0, frame_id='front')
    wait_for(lambda: len(images) >= 6 and len(labels) >= len(images))
    truth = {(label.header.stamp.sec, label.header.stamp.nanosec): label.class_id
             for label in list(labels)}
    shown = [truth[image.header.stamp.sec, image.header.stamp.nanosec] for image in images[:6]]
    assert set(shown) == {'dark', 'light'}
    assert {message.header.frame_id for message in (*images, *labels)} == {'front'}
    for image, class_id in zip(images, shown):
        assert (np.mean(image.data) > 120) == (class_id == 'light')


def test_a_folder_without_a_picture_that_can_be_read_is_named_at_once(ros, tmp_path):
    (tmp_path / '1.png').write_text('no picture')
    with pytest.raises(ValueError, match=f"no picture of '{tmp_path}'"):
        Camera(parameter_overrides=[Parameter('images', value=str(tmp_path))])


def test_a_camera_whose_pictures_have_gone_ends_with_one_line(ros, tmp_path):
    cv2.imwrite(str(tmp_path / '1.png'), np.full((24, 32, 3), 20, np.uint8))
    camera = ros.add(Camera(parameter_overrides=[
        Parameter('images', value=str(tmp_path)), Parameter('rate', value=0.1)]))
    camera._show()
    (tmp_path / '1.png').unlink()
    with pytest.raises(CannotGoOn, match='can be read'):
        camera._show()


@pytest.fixture
def webcam(ros, monkeypatch):
    """Return a webcam, a camera node that shows it when told to, and what that publishes."""
    webcam, images = FakeWebcam(), []
    monkeypatch.setattr(cv2, 'VideoCapture', webcam)
    node = Camera(parameter_overrides=[
        Parameter(name, value=value) for name, value in
        {'images': 0, 'width': 32, 'height': 24}.items()])
    monkeypatch.setattr(node._images, 'publish', images.append)
    yield webcam, node, images
    webcam.unplug()  # else its reader would wait on
    node.destroy_node()


def test_a_webcam_s_newest_frame_is_published_from_the_first_on(webcam):
    webcam, node, images = webcam
    for number in (3, 6, 9):
        webcam.show(number - 1, number)
        node._show()
    assert [max(image.data) for image in images] == [3, 6, 9]


def test_a_camera_whose_webcam_is_gone_ends_with_one_line(webcam):
    webcam, node, _ = webcam
    node._show()
    webcam.unplug()
    webcam.unplug()  # nor does it show anything when it is opened again
    with pytest.raises(CannotGoOn, match="'0' shows nothing"):
        node._show()


def test_the_end_of_a_camera_frees_its_webcam(webcam):
    webcam, node, _ = webcam
    webcam.play_on(7)
    assert webcam.is_open
    node.close()
    assert not webcam.is_open


def test_the_number_of_a_webcam_that_is_not_there_is_named(ros):
    with pytest.raises(ValueError, match="'99' shows nothing"):
        Camera(parameter_overrides=[Parameter('images', value=99)])
