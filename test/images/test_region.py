"""A camera's picture is cropped to the part that matters."""

from anytime_perception.images.region import Region
from hypothesis import given, strategies as st
import numpy as np
import pytest


def test_a_region_is_a_part_of_the_picture():
    image = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert (Region.parse('').crop(image) == image).all()
    assert (Region.parse('0.25, 0.5, 0.5,0.5').crop(image) == image[3:, 2:6]).all()
    assert (Region.parse('0, 0, .3, 1').crop(image) == image[:, :3]).all()  # 2.4 pixels


@given(*[st.floats(0, 1)] * 4, st.integers(1, 50), st.integers(1, 50))
def test_every_region_has_a_pixel_and_none_too_many(left, top, width, height, columns, rows):
    width, height = max(width * (1 - left), 1e-6), max(height * (1 - top), 1e-6)
    left, top = min(left, 1 - width), min(top, 1 - height)
    region = Region.parse(f'{left}, {top}, {width}, {height}')
    seen = region.crop(np.zeros((rows, columns, 3), np.uint8))
    assert seen.shape[0] >= max(1, int(height * rows)) and seen.shape[0] <= height * rows + 2
    assert seen.shape[1] >= max(1, int(width * columns)) and seen.shape[1] <= width * columns + 2


@given(*[st.floats(0.05, 1)] * 2, st.integers(1, 64), st.integers(1, 200))
def test_a_picture_of_the_least_size_has_enough_pixels_in_its_region(width, height, size, more):
    region = Region(width=width, height=height)
    side = region.least(size)
    seen = region.crop(np.zeros((side, side + more, 3), np.uint8))
    assert min(seen.shape[:2]) >= size


@pytest.mark.parametrize('text', [
    '0, 0, 1', '0', '0, 0, 1, 1, 1', '-0.1, 0, 1, 1', '0, 0, 0, 1', '0.5, 0, 0.6, 1',
    '0, nan, 1, 1', '0, 0, inf, 1', 'left, 0, 1, 1', '0 0 1 1', '0, 0, 1,'])
def test_what_is_no_region(text):
    with pytest.raises(ValueError, match=f'region is {text!r}; it must be left, top, width'):
        Region.parse(text)
