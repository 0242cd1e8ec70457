"""The models that ship are small, whole, measured, and those that their cards speak of."""

import hashlib
from pathlib import Path
import re

from anytime_perception import model_file
import numpy as np
import pytest
import torch

MODELS = Path(__file__).resolve().parent.parent / 'models'
FILES = sorted(MODELS.glob('*.safetensors'))


def test_there_are_models():
    assert {'cifar10-aann', 'cifar10-eann'} <= {path.stem for path in FILES}
    index = (MODELS / 'README.md').read_text(encoding='utf-8')
    assert all(f'({path.stem}.md)' in index for path in FILES)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_a_card_speaks_of_its_file(path):
    assert path.stat().st_size <= 4e6
    text = path.with_suffix('.md').read_text(encoding='utf-8')
    assert hashlib.sha256(path.read_bytes()).hexdigest() in text
    model = model_file.load(path)
    rows = re.findall(r'^\| \d+ \| \d+ \| ([\d.]+) \| [\d.]+% \| ([\d.]+)% \| ([\d.]+)% \|$', text,
                      re.MULTILINE)
    assert len(rows) == len(model.network.exits)
    for (cost, error, gap), stage, *measured in zip(
            rows, model.network.exits, model.measured.error, model.measured.calibration_error):
        assert float(cost) == pytest.approx(stage.cost / 1e6, abs=0.005)
        assert [float(error), float(gap)] == pytest.approx([100 * m for m in measured], abs=0.005)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_a_blue_sky_is_no_frog(path):
    model = model_file.load(path)
    picture = np.full((480, 640, 3), (110, 160, 220), np.uint8)
    with torch.inference_mode():
        answer = model.network(model.preprocessing(picture))[-1].argmax().item()
    assert model.class_ids[answer] in ('airplane', 'bird', 'ship')
