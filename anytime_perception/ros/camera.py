"""A camera that replays a folder of pictures, class by class folder, and says what each shows."""

import array
from pathlib import Path
import random

from anytime_perception.msg import Label
from anytime_perception.ros.spin import spin
import cv2
import numpy as np
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

_SUFFIXES = {'.png', '.jpg', '.jpeg', '.bmp', '.webp'}
_GREY = 114


class Camera(Node):
    """
    Publishes `image` (rgb8) at a steady rate, with `label`, the name of the picture's folder.

    Pictures are shown in random order, each scaled to the height of the frame and centred.
    """

    def __init__(self, **kwargs):
        super().__init__('camera', **kwargs)
        folder = self.declare_parameter('images', '', ParameterDescriptor(
            description='Folder of class folders of pictures, or of pictures.',
            read_only=True)).value
        rate = self.declare_parameter('rate', 15.0, ParameterDescriptor(
            description='Frames per second.', read_only=True, floating_point_range=[
                FloatingPointRange(from_value=0.1, to_value=1000.0, step=0.0)])).value
        self._size = tuple(self.declare_parameter(name, default, ParameterDescriptor(
            description=f'Frame {name} in pixels.', read_only=True, integer_range=[
                IntegerRange(from_value=16, to_value=8192, step=1)])).value
            for name, default in (('width', 640), ('height', 480)))
        seed = self.declare_parameter('seed', 0, ParameterDescriptor(
            description='Seed of the order.', read_only=True)).value
        self._files = find_pictures(folder)
        self._random = random.Random(seed)
        self._queue: list[Path] = []
        # As camera drivers do: an old frame is not worth sending again. Labels must all arrive.
        self._images = self.create_publisher(
            Image, 'image', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
        self._labels = self.create_publisher(Label, 'label', 100)
        self.create_timer(1 / rate, self._show)
        self.get_logger().info(
            f'{len(self._files)} pictures from {folder}, '
            f'{self._size[0]}x{self._size[1]} at {rate:g} Hz')

    def _show(self) -> None:
        if not self._queue:
            self._queue = self._random.sample(self._files, len(self._files))
        path = self._queue.pop()
        picture = cv2.imread(str(path))
        if picture is None:
            self.get_logger().error(f'{path} is no picture; it is left out')
            self._files.remove(path)
            if not self._files:
                raise ValueError('none of the files is a picture')
            return
        image = Image(width=self._size[0], height=self._size[1], encoding='rgb8',
                      step=3 * self._size[0])
        # Assigning an array('B') is quick; bytes or an ndarray would be checked one by one.
        image.data = array.array('B', frame(picture[:, :, ::-1], *self._size).tobytes())
        image.header.frame_id = 'camera'
        image.header.stamp = self.get_clock().now().to_msg()
        self._labels.publish(Label(header=image.header, class_id=path.parent.name))
        self._images.publish(image)


def find_pictures(folder: str) -> list[Path]:
    """
    Return the pictures in `folder` and the folders in it, sorted.

    Raises
    ------
    ValueError: if there are none.

    """
    files = sorted(path for pattern in ('*', '*/*') for path in Path(folder).glob(pattern)
                   if path.suffix.lower() in _SUFFIXES) if folder else []
    if not files:
        raise ValueError(f'there are no pictures in {folder!r}; set the parameter images to a '
                         'folder of class folders with files of type '
                         f'{", ".join(sorted(_SUFFIXES))}')
    return files


def frame(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return `picture` (H, W, 3) uint8 scaled to fit and centred on grey, (height, width, 3)."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    picture = cv2.resize(
        picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    canvas = np.full((height, width, 3), _GREY, np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas[top:top + size[1], left:left + size[0]] = picture
    return canvas


def main(args: list[str] | None = None) -> int:
    """Run the camera until it is told to stop."""
    return spin(Camera, args)
