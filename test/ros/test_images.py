"""Image messages become the RGB pictures they are, and bad ones are told apart by reason."""

import array

from anytime_perception.ros.images import BadImageError, check_image, to_rgb
import cv2
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image


def message(pixels, encoding, padding=0, is_bigendian=0):
    """Return the message of raw pixel bytes (height, width, bytes per pixel)."""
    height, width, depth = pixels.shape
    rows = np.full((height, width * depth + padding), 255, np.uint8)
    rows[:, :width * depth] = pixels.reshape(height, -1)
    return Image(height=height, width=width, encoding=encoding, step=rows.shape[1],
                 is_bigendian=is_bigendian, data=array.array('B', rows.tobytes()))


ENCODE = {
    'rgb8': lambda rgb: rgb,
    'bgr8': lambda rgb: rgb[..., ::-1],
    'rgba8': lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 9, np.uint8)]),
    'bgra8': lambda rgb: np.dstack([rgb[..., ::-1], np.full(rgb.shape[:2], 9, np.uint8)]),
}


@given(height=st.integers(1, 20), width=st.integers(1, 20), padding=st.integers(0, 9),
       encoding=st.sampled_from(sorted(ENCODE)), seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_colours_and_padding(height, width, padding, encoding, seed):
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = message(ENCODE[encoding](rgb), encoding, padding)
    check_image(image)
    assert (to_rgb(image) == rgb).all()


@given(height=st.integers(1, 9), width=st.integers(1, 9), padding=st.integers(0, 3),
       big=st.booleans())
@settings(max_examples=30, deadline=None)
def test_grey_and_endianness(height, width, padding, big):
    grey = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    eight = message(grey[..., None], 'mono8', padding)
    wide = grey.astype('>u2' if big else '<u2') * 256 + 77
    wide = wide.astype('>u2' if big else '<u2').view(np.uint8).reshape(height, width, 2)
    sixteen = message(wide, 'mono16', padding, is_bigendian=int(big))
    for image in (eight, sixteen):
        check_image(image)
        assert (to_rgb(image) == grey[..., None]).all()


def test_the_last_row_may_lack_its_padding():
    rgb = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    image = message(rgb, 'rgb8', padding=5)
    image.data = image.data[:-5]
    check_image(image)
    assert (to_rgb(image) == rgb).all()


def test_a_compressed_picture_is_decoded():
    rgb = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    data = cv2.imencode('.png', rgb[..., ::-1])[1]
    image = CompressedImage(format='png', data=array.array('B', data.tobytes()))
    check_image(image)
    assert (to_rgb(image) == rgb).all()


def bad(**changes):
    image = message(np.zeros((4, 5, 3), np.uint8), 'rgb8')
    for name, value in changes.items():
        setattr(image, name, value)
    return image


@pytest.mark.parametrize('image, kind, text', [
    (Image(), 'empty', '0x0'),
    (bad(data=array.array('B', bytes(59))), 'truncated', '59 bytes'),
    (bad(height=5), 'truncated', '75'),
    (bad(step=14), 'step', '14 bytes'),
    (bad(encoding='purple8'), 'encoding purple8', 'rgb8, bgr8'),
    (CompressedImage(format='jpeg'), 'empty', 'no data')])
def test_bad_images_are_told_apart(image, kind, text):
    with pytest.raises(BadImageError, match=text) as caught:
        check_image(image)
    assert caught.value.kind == kind


def test_what_claims_to_be_a_picture_but_is_none():
    image = CompressedImage(format='jpeg', data=array.array('B', b'not a picture at all'))
    check_image(image)
    with pytest.raises(BadImageError) as caught:
        to_rgb(image)
    assert caught.value.kind == 'undecodable'


@given(st.builds(
    Image, height=st.integers(0, 2**32 - 1), width=st.integers(0, 2**32 - 1),
    step=st.integers(0, 2**32 - 1), is_bigendian=st.integers(0, 255),
    encoding=st.sampled_from(['rgb8', 'mono8', 'mono16', 'bgra8', '', '32FC1', 'bayer_rggb8']),
    data=st.binary(max_size=300).map(lambda b: array.array('B', b))))
@settings(max_examples=300, deadline=None)
def test_no_message_does_harm(image):
    try:
        check_image(image)
    except BadImageError:
        return
    assert to_rgb(image).shape == (image.height, image.width, 3)
