"""Encoded pictures become RGB, and none that is cut short is taken for a whole one."""

from anytime_perception.images.compressed import decode
from anytime_perception.images.encodings import BadImageError
from anytime_perception.images.pictures import read_picture
import cv2
from hypothesis import given, strategies as st
import numpy as np
import pytest

DRAWS = np.random.default_rng(0)
PICTURE = DRAWS.integers(0, 256, (24, 32, 3), dtype=np.uint8)
SMALL = DRAWS.integers(0, 256, (8, 8, 3), dtype=np.uint8)


def encoded(picture, *options, suffix='.jpg'):
    return cv2.imencode(suffix, picture, options)[1].tobytes()


WHOLE = encoded(PICTURE)
PROGRESSIVE = encoded(PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
PNG = encoded(PICTURE, suffix='.png')


def with_preview(whole):
    """Return a picture with another one in what comes before it, as digital cameras do."""
    preview = encoded(SMALL)
    return whole[:2] + b'\xff\xe1' + (2 + len(preview)).to_bytes(2, 'big') + preview + whole[2:]


def bytes_of(data):
    return np.frombuffer(data, np.uint8)


@pytest.fixture
def generous(monkeypatch):
    """Decode as OpenCV 4.10 does JPEG pictures: whatever lacks of them is made up."""
    monkeypatch.setattr(cv2, 'imdecode', lambda data, flag: PICTURE[..., ::-1])


@pytest.mark.parametrize('data', [
    WHOLE, PROGRESSIVE, with_preview(WHOLE), WHOLE + bytes(5), WHOLE + b'\xff\xff\0garbage'],
    ids=['baseline', 'progressive', 'preview', 'zeros', 'garbage'])
def test_whole_pictures_are_decoded(data):
    assert decode(bytes_of(data), 'it').shape == (24, 32, 3)
    assert np.abs(decode(bytes_of(data), 'it').astype(int)
                  - decode(bytes_of(WHOLE), 'it')).mean() < 1


@pytest.mark.parametrize('whole, share', [
    (WHOLE, 0.9), (WHOLE, 0.2), (PROGRESSIVE, 0.9), (PROGRESSIVE, 0.2),
    (with_preview(WHOLE), 0.9), (PNG, 0.9), (PNG, 0.2)],
    ids=lambda value: value if isinstance(value, float) else 'of')
def test_a_picture_that_is_cut_short_is_none_whatever_opencv_says(generous, whole, share):
    with pytest.raises(BadImageError, match='^it is cut short') as caught:
        decode(bytes_of(whole[:int(share * len(whole))]), 'it')
    assert caught.value.kind == 'truncated'


@given(st.one_of(
    st.tuples(st.sampled_from([WHOLE, PROGRESSIVE]), st.integers(2, len(WHOLE) - 1)),
    st.tuples(st.just(PNG), st.integers(8, len(PNG) - 1))))
def test_wherever_it_is_cut(case):
    whole, kept = case
    with pytest.raises(BadImageError) as caught:
        decode(bytes_of(whole[:min(kept, len(whole) - 1)]), 'it')
    assert caught.value.kind == 'truncated'


def test_no_memory_is_taken_for_what_a_damaged_png_says_that_it_has(generous):
    """For this one, 4 GB."""
    length = PNG.index(b'IDAT') - 4
    with pytest.raises(BadImageError, match='^it is cut short'):
        decode(bytes_of(PNG[:length] + b'\xff' + PNG[length + 1:]), 'it')


@given(st.sampled_from([WHOLE, PROGRESSIVE, with_preview(WHOLE), PNG]), st.binary(max_size=200))
def test_anything_may_be_behind_a_whole_picture(whole, behind):
    film = b'\0\0' + behind + b'\xff\xda' + behind  # which looks like a picture without its end
    assert decode(bytes_of(whole + film), 'it').shape == (24, 32, 3)


@pytest.mark.parametrize('data', [PNG, PNG + bytes(5), PNG + PNG[:20]])
def test_a_whole_png_is_decoded_whatever_is_behind_it(data):
    assert (decode(bytes_of(data), 'it') == PICTURE[..., ::-1]).all()


@pytest.mark.parametrize('suffix', ['.bmp', '.webp'])
def test_other_formats_are_told_by_opencv(suffix):
    whole = encoded(PICTURE, suffix=suffix)
    assert decode(bytes_of(whole), 'it').shape == (24, 32, 3)
    with pytest.raises(BadImageError, match='^it is no picture') as caught:
        decode(bytes_of(whole[:len(whole) // 2]), 'it')
    assert caught.value.kind == 'undecodable'


@pytest.mark.parametrize('data', [b'', b'\xff', b'\xff\xd8', b'no picture'])
def test_what_is_no_picture_at_all(data):
    with pytest.raises(BadImageError, match='^it is'):
        decode(bytes_of(data), 'it')


def test_a_file_that_is_cut_short_is_named(generous, tmp_path):
    (tmp_path / 'x.jpg').write_bytes(WHOLE[:-9])
    with pytest.raises(ValueError, match=r'x\.jpg is cut short'):
        read_picture(tmp_path / 'x.jpg')
    with pytest.raises(ValueError, match=r'y\.jpg cannot be read'):
        read_picture(tmp_path / 'y.jpg')
