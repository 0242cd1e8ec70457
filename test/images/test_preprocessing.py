"""Pictures of any size become the network's input, the same way in training and on the robot."""

from anytime_perception.images.preprocessing import Preprocessing, square
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
import torch


@given(height=st.integers(1, 60), width=st.integers(1, 60), size=st.integers(1, 40))
@settings(max_examples=60)
def test_any_picture_becomes_a_square_and_flat_colour_stays(height, width, size):
    image = np.full((height, width, 3), (10, 200, 77), np.uint8)
    result = square(image, size)
    assert result.shape == (size, size, 3) and result.dtype == np.uint8
    assert (result == (10, 200, 77)).all()


@pytest.mark.parametrize('shape, centre', [
    ((4, 10, 3), np.s_[:, 3:7]), ((10, 4, 3), np.s_[3:7]), ((4, 7, 3), np.s_[:, 1:5]),
    ((7, 4, 3), np.s_[1:5])])
def test_the_centre_is_kept_and_the_sides_are_cut(shape, centre):
    image = np.zeros(shape, np.uint8)
    image[centre] = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    assert (square(image, 4)[..., 0] == np.arange(16).reshape(4, 4)).all()


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize('side, size', [(8, 4), (6, 4), (7, 3)])
def test_shrinking_averages_areas(side, size):
    image = picture(side + 2, side)
    fine = image[1:-1].repeat(size, axis=0).repeat(size, axis=1)
    expected = fine.reshape(size, side, size, side, 3).mean(axis=(1, 3))
    assert np.abs(square(image, size) - expected).max() <= 0.51


@pytest.mark.parametrize('height, width', [(5, 9), (9, 5)])
def test_enlarging_interpolates_linearly(height, width):
    image = picture(height, width)
    middle = image[:, 2:7] if width > height else image[2:7]
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(middle).permute(2, 0, 1)[None].double(), size=13, mode='bilinear',
        align_corners=False)[0].permute(1, 2, 0).numpy()
    assert np.abs(square(image, 13) - expected).max() <= 1


@pytest.mark.parametrize('image, text', [
    (np.zeros((4, 4), np.uint8), r'\(4, 4\)'), (np.zeros((4, 4, 4), np.uint8), r'\(4, 4, 4\)'),
    (np.zeros((0, 4, 3), np.uint8), 'empty'), (np.zeros((4, 4, 3), np.float32), 'float32'),
    (None, 'NoneType')])
def test_what_is_no_picture_is_refused_by_name(image, text):
    with pytest.raises(ValueError, match=text):
        square(image, 8)


def test_per_pixel_mean_is_subtracted_and_scale_divided():
    mean = torch.rand(3, 5, 5) * 255
    image = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    expected = (image.transpose(2, 0, 1).astype(np.float64) - mean.numpy()) / 128
    result = Preprocessing(5, mean, 128.0)(image)
    assert result.shape == (1, 3, 5, 5)
    assert np.allclose(result[0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize('mean, scale', [
    (torch.zeros(3, 4, 4), 1.0), (torch.zeros(3, 1, 1), 0.0),
    (torch.full((3, 1, 1), torch.nan), 1.0)])
def test_impossible_preprocessing_is_refused(mean, scale):
    with pytest.raises(ValueError):
        Preprocessing(5, mean, scale)
