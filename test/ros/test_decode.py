"""Image messages become the RGB pictures they are, and bad ones are told apart by reason."""

import array
import struct
import sys
import zlib

from anytime_perception.images.jpeg import jpeg_size
from anytime_perception.ros.intake import decode
from anytime_perception.ros.intake.decode import BadImageError, check_image, to_rgb
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
    '8UC3': lambda rgb: rgb[..., ::-1],  # as OpenCV's pictures are
    'rgba8': lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 9, np.uint8)]),
    'bgra8': lambda rgb: np.dstack([rgb[..., ::-1], np.full(rgb.shape[:2], 9, np.uint8)]),
}


def of_two_bytes(pixels, big):
    """Return pixels (height, width, bytes per pixel), with another byte below each."""
    low = np.full_like(pixels, 77)
    return np.stack([pixels, low] if big else [low, pixels], axis=3).reshape(*pixels.shape[:2], -1)


@given(height=st.integers(1, 20), width=st.integers(1, 20), padding=st.integers(0, 9),
       encoding=st.sampled_from(sorted(ENCODE)), seed=st.integers(0, 99))
@settings(max_examples=80)
def test_colours_and_padding(height, width, padding, encoding, seed):
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = message(ENCODE[encoding](rgb), encoding, padding)
    check_image(image)
    assert (to_rgb(image) == rgb).all()


@given(height=st.integers(1, 9), width=st.integers(1, 9), padding=st.integers(0, 3),
       encoding=st.sampled_from(['rgb8', 'bgr8', 'rgba8', 'bgra8']), big=st.booleans())
@settings(max_examples=40)
def test_colours_of_two_bytes(height, width, padding, encoding, big):
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = message(of_two_bytes(ENCODE[encoding](rgb), big), encoding.replace('8', '16'),
                    padding, is_bigendian=int(big))
    check_image(image)
    assert (to_rgb(image) == rgb).all()


@given(height=st.integers(1, 9), width=st.integers(1, 9), padding=st.integers(0, 3),
       big=st.booleans())
@settings(max_examples=30)
def test_grey_and_endianness(height, width, padding, big):
    grey = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    eight = message(grey[..., None], 'mono8', padding)
    sixteen = message(of_two_bytes(grey[..., None], big), 'mono16', padding, is_bigendian=int(big))
    for image in (eight, sixteen):
        check_image(image)
        assert (to_rgb(image) == grey[..., None]).all()


@pytest.mark.parametrize('encoding', ['16UC1', '8UC1'])
def test_nameless_channels_are_grey(encoding):
    depth = 2 if encoding.startswith('16') else 1
    pixels = np.full((2, 3, depth), 7, np.uint8)
    pixels[..., -1] = 50
    assert (to_rgb(message(pixels, encoding)) == 50).all()


def yuv(red, green, blue):
    """Return BT.601's brightness and colour."""
    return np.round([16 + (65.5 * red + 128.6 * green + 25.0 * blue) / 255,
                     128 + (-37.8 * red - 74.2 * green + 112 * blue) / 255,
                     128 + (112 * red - 93.8 * green - 18.2 * blue) / 255]).astype(np.uint8)


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
@pytest.mark.parametrize('padding', [0, 5])
def test_colour_below_brightness(encoding, padding):
    left, right = (255, 0, 0), (0, 90, 255)
    height, width = 4, 6
    rows = np.zeros((height * 3 // 2, width + padding), np.uint8)
    for start, (y, u, v) in ((0, yuv(*left)), (4, yuv(*right))):  # colour is of pairs of columns
        columns = slice(start, 4 if start == 0 else width)
        rows[:height, columns] = y
        rows[height:, columns][:, 0::2] = u if encoding == 'nv12' else v
        rows[height:, columns][:, 1::2] = v if encoding == 'nv12' else u
    image = Image(height=height, width=width, encoding=encoding, step=rows.shape[1],
                  data=array.array('B', rows.tobytes()))
    check_image(image)
    rgb = to_rgb(image).astype(int)
    assert rgb.shape == (height, width, 3)
    assert np.abs(rgb[:, :4] - left).max() <= 3 and np.abs(rgb[:, 4:] - right).max() <= 3


@pytest.mark.parametrize('encoding, order', [
    ('yuv422', 'UYVY'), ('uyvy', 'UYVY'), ('yuv422_yuy2', 'YUYV'), ('yuyv', 'YUYV')])
@pytest.mark.parametrize('rgb', [(255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 90, 90)])
def test_yuv(encoding, order, rgb):
    pair = np.array([dict(zip('YUV', yuv(*rgb)))[letter] for letter in order])
    pixels = np.tile(pair, (3, 2)).reshape(3, 4, 2)
    image = message(pixels, encoding, padding=3)
    check_image(image)
    assert np.abs(to_rgb(image).astype(int) - rgb).max() <= 3


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('bits', [8, 16])
def test_bayer(pattern, bits):
    colour = {'r': 200, 'g': 120, 'b': 30}
    tile = np.array([colour[letter] for letter in pattern], np.uint8).reshape(2, 2)
    pixels = np.tile(tile, (5, 6))[..., None]
    if bits == 16:
        pixels = np.dstack([np.full_like(pixels, 9), pixels])  # little-endian
    image = message(pixels, f'bayer_{pattern}{bits}', padding=4)
    check_image(image)
    assert (to_rgb(image) == [200, 120, 30]).all()


@given(st.integers(8, 700), st.integers(8, 700), st.integers(1, 64))
@settings(max_examples=30)
def test_jpeg_is_decoded_no_larger_than_needed(height, width, least):
    rgb = np.full((height, width, 3), 100, np.uint8)
    data = cv2.imencode('.jpg', rgb)[1].reshape(-1)
    assert jpeg_size(data) == (height, width)
    image = CompressedImage(format='jpeg', data=array.array('B', data.tobytes()))
    small = to_rgb(image, least)
    assert min(small.shape[:2]) >= min(least, height, width)
    factor = max((f for f in (1, 2, 4, 8) if min(height, width) >= least * f), default=1)
    assert small.shape[:2] == (-(-height // factor), -(-width // factor))
    assert np.abs(small.astype(int) - 100).max() <= 2
    assert to_rgb(image).shape == rgb.shape


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_no_header_does_harm(tail):
    size = jpeg_size(np.frombuffer(b'\xff\xd8' + tail, np.uint8))
    assert size is None or len(size) == 2


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
    (bad(encoding='purple8'), 'encoding', "'purple8' .*rgb8, bgr8"),
    (Image(height=2, width=3, step=6, encoding='yuyv', data=array.array('B', bytes(12))),
     'width', 'pairs'),
    (Image(height=3, width=2, step=2, encoding='nv12', data=array.array('B', bytes(9))),
     'height', 'pairs'),
    (Image(height=2, width=4, step=4, encoding='nv21', data=array.array('B', bytes(11))),
     'truncated', 'take 12'),
    (CompressedImage(format='jpeg'), 'empty', 'no data')])
def test_bad_images_are_told_apart(image, kind, text):
    with pytest.raises(BadImageError, match=text) as caught:
        check_image(image)
    assert caught.value.kind == kind


def test_a_cv_bridge_that_is_missing_is_looked_for_once(monkeypatch):
    looked = []

    class Missing:

        @staticmethod
        def find_spec(name, *_):
            if name == 'cv_bridge':
                looked.append(name)
                raise ImportError(name)

    monkeypatch.setattr(sys, 'meta_path', [Missing, *sys.meta_path])
    monkeypatch.delitem(sys.modules, 'cv_bridge', raising=False)
    decode._bridge.cache_clear()
    for _ in range(3):
        with pytest.raises(BadImageError, match='purple8'):
            check_image(bad(encoding='purple8'))
    decode._bridge.cache_clear()
    assert len(looked) == 1


def test_what_claims_to_be_a_picture_but_is_none():
    image = CompressedImage(format='jpeg', data=array.array('B', b'not a picture at all'))
    check_image(image)
    with pytest.raises(BadImageError) as caught:
        to_rgb(image)
    assert caught.value.kind == 'undecodable'


def test_a_picture_that_claims_more_pixels_than_can_be_is_a_bad_image():
    header = struct.pack('>IIBBBBB', 40000, 40000, 8, 2, 0, 0, 0)
    chunks = b''.join(
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in ((b'IHDR', header), (b'IDAT', zlib.compress(b'')), (b'IEND', b'')))
    image = CompressedImage(format='png', data=array.array('B', b'\x89PNG\r\n\x1a\n' + chunks))
    check_image(image)
    with pytest.raises(BadImageError, match='too large') as caught:
        to_rgb(image)
    assert caught.value.kind == 'undecodable'


@pytest.mark.parametrize('width, height', [(1, 1), (2, 2), (2, 5), (640, 1)])
def test_what_is_too_small_to_have_colours_of_a_bayer_pattern_is_refused(width, height):
    with pytest.raises(BadImageError, match=f'{width}x{height}') as caught:
        check_image(Image(width=width, height=height, step=width, encoding='bayer_rggb8',
                          data=array.array('B', bytes(200) * 4)))
    assert caught.value.kind == 'small'


@given(st.builds(
    Image, height=st.integers(0, 2**32 - 1), width=st.integers(0, 2**32 - 1),
    step=st.integers(0, 2**32 - 1), is_bigendian=st.integers(0, 255),
    encoding=st.sampled_from(['rgb8', 'mono8', 'mono16', 'bgra8', '', '32FC1', 'bayer_rggb8',
                              'bayer_gbrg16', 'yuv422', '16UC1', 'nv12', 'rgba16']),
    data=st.binary(max_size=300).map(lambda b: array.array('B', b))))
@settings(max_examples=300)
def test_no_message_does_harm(image):
    try:
        check_image(image)
    except BadImageError:
        return
    assert to_rgb(image).shape == (image.height, image.width, 3)
