"""A camera that replays pictures, and says what each shows, or passes on a video or a webcam."""

import array
from collections.abc import Iterator
import itertools
import os
from pathlib import Path
import random

from anytime_perception.images.pictures import film, find_pictures, read_picture
from anytime_perception.msg import Label
from anytime_perception.ros.parameters import declare, Read, Spec
from anytime_perception.ros.qos import NEWEST
from anytime_perception.ros.spin import CannotGoOn, spin
import cv2
import numpy as np
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from sensor_msgs.msg import Image

_GREY = 114


class Camera(Node):
    """
    Publishes `image` (rgb8) at a steady rate; for pictures also `label`, their folder's name.

    Pictures are shown in random order, videos again and again; each is scaled to the frame and
    centred.
    """

    def __init__(self, **kwargs):
        super().__init__('camera', **kwargs)
        source = self.declare_parameter('images', '', ParameterDescriptor(
            description='Folder of class folders of pictures, or a video, or the number of a '
                        'webcam.', read_only=True, dynamic_typing=True)).value
        rate = declare(self, 'rate', Spec(
            15.0, 'Frames per second.', Read.START, minimum=0.1, maximum=1000))
        self._size = tuple(
            declare(self, name, Spec(pixels, f'Frame {name} in pixels.', Read.START, minimum=16,
                                     maximum=8192))
            for name, pixels in (('width', 640), ('height', 480)))
        seed = declare(self, 'seed', Spec(0, 'Seed of the order.', Read.START, minimum=0,
                                          maximum=2**31))
        self._frame_id = declare(self, 'frame_id', Spec(
            'camera', 'In the header of every frame: of what it is the view.', Read.START))
        # The number of a webcam may come as one.
        source = os.path.expanduser(str(source))
        files = find_pictures(source)
        self._shown: Iterator[tuple[np.ndarray, str]]
        if files:
            shown = self._pictures(source, files, seed)
            self._shown = itertools.chain([next(shown)], shown)  # fails now if none can be read
        else:
            self._shown = _again(source, film(source))  # draws none yet: a webcam's would be old
        # Best effort, as camera drivers: an old frame is not worth resending. Labels must arrive.
        self._images = self.create_publisher(Image, 'image', NEWEST)
        self._labels = self.create_publisher(Label, 'label', 100)
        self.create_timer(1 / rate, self._show)
        what = f'{len(files)} pictures from {source}' if files else source
        self.get_logger().info(f'{what}, {self._size[0]}x{self._size[1]} at {rate:g} Hz')

    def close(self) -> None:
        """Stop showing pictures, which frees a webcam."""
        self._shown = iter(())

    def _pictures(self, source: str, files: list[Path],
                  seed: int) -> Iterator[tuple[np.ndarray, str]]:
        """Yield pictures and their classes in random order, without end."""
        draws = random.Random(seed)
        while files:
            for path in draws.sample(files, len(files)):
                try:
                    yield read_picture(path), path.parent.name
                except ValueError as error:
                    self.get_logger().error(f'{error}; it is left out')
                    files.remove(path)
        raise ValueError(f'no picture of {source!r} can be read; set images to a folder with '
                         'others')

    def _show(self) -> None:
        try:
            picture, class_id = next(self._shown)
        except ValueError as error:  # a webcam is gone, or the last of the files
            raise CannotGoOn(error) from error
        image = Image(width=self._size[0], height=self._size[1], encoding='rgb8',
                      step=3 * self._size[0])
        # Assigning an array('B') is quick; bytes or an ndarray would be checked one by one.
        image.data = array.array('B', frame(picture, *self._size).tobytes())
        image.header.frame_id = self._frame_id
        image.header.stamp = self.get_clock().now().to_msg()
        if class_id:
            self._labels.publish(Label(header=image.header, class_id=class_id))
        self._images.publish(image)


def _again(source: str, frames: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, str]]:
    """Yield `frames`, then those of `source` anew, without end; nobody knows what they show."""
    while True:
        for picture in frames:
            yield picture, ''
        frames = film(source)


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
