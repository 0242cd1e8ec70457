"""Pictures come from files, folders and videos, in RGB; what shows nothing is explained."""

from anytime_perception.images.pictures import film, find_pictures, read_picture
import cv2
import numpy as np
import pytest


def test_pictures_are_found_at_any_depth_and_in_order(tmp_path):
    for name in ('b/1.png', 'a/2.JPG', 'a/1.png', 'c/d/1.webp', '0.bmp'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / '.hidden').mkdir()
    cv2.imwrite(str(tmp_path / '.hidden' / '1.png'), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / 'notes.txt').write_text('no picture')
    found = [str(path.relative_to(tmp_path)) for path in find_pictures(tmp_path)]
    assert found == ['0.bmp', 'a/1.png', 'a/2.JPG', 'b/1.png', 'c/d/1.webp']
    assert find_pictures(tmp_path / '0.bmp') == [tmp_path / '0.bmp']
    assert find_pictures(tmp_path / 'notes.txt') == find_pictures(tmp_path / 'none') == []


def test_numbers_in_names_are_sorted_as_such(tmp_path):
    names = ['01.png', '1.png', '2/frame_9.png', '2/frame_10.png', '10/frame_1.png',
             '10/frame_02.png', 'a1b9.png', 'a1b10.png', 'a.png', 'a²b.png']
    for name in reversed(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in find_pictures(tmp_path)] == names


def test_pictures_are_rgb(tmp_path):
    red = np.zeros((3, 5, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / 'red.png'), red)
    picture = read_picture(tmp_path / 'red.png')
    assert picture.shape == (3, 5, 3) and picture[0, 0].tolist() == [255, 0, 0]


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / 'x.png').write_bytes(b'\x89PNG and nothing more')
    with pytest.raises(ValueError, match=r'x\.png is no picture'):
        read_picture(tmp_path / 'x.png')


def test_a_video_is_shown_to_its_end(tmp_path):
    path = str(tmp_path / 'film.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 10, (32, 24))
    assert writer.isOpened()
    for level in (40, 120, 200):
        writer.write(np.full((24, 32, 3), (0, 0, level), np.uint8))
    writer.release()
    frames = list(film(path))
    assert [frame.shape for frame in frames] == [(24, 32, 3)] * 3
    for frame, level in zip(frames, (40, 120, 200)):
        assert frame[..., 0].mean() == pytest.approx(level, abs=8)  # JPEG
        assert frame[..., 2].mean() < 30


@pytest.mark.parametrize('source, said', [
    ('nowhere', 'number of a webcam'), ('text.avi', 'number of a webcam'),
    ('99', 'no webcam of that number')])
def test_what_shows_nothing_is_explained(tmp_path, monkeypatch, source, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'text.avi').write_text('no film')
    with pytest.raises(ValueError, match=f"'{source}' shows nothing.*{said}"):
        film(source)
