"""The training loop that the documentation shows."""

import json
from pathlib import Path
import re

from anytime_perception import model_file
from anytime_perception.engine import AnytimeEngine
from anytime_training.cli import main
from PIL import Image
import torch

PAGE = Path(__file__).parents[2] / 'docs' / 'training.md'


def test_it_learns_and_writes_a_model_that_the_engine_runs(tmp_path, monkeypatch, capsys):
    code, = re.findall(r'```python\n(.*?)```', PAGE.read_text(encoding='utf-8'), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    draws = torch.Generator().manual_seed(0)

    def batches():
        for _ in range(12):
            labels = torch.randint(2, (16,), generator=draws)
            noise = torch.randint(100, (16, 3, 32, 32), generator=draws)
            yield (noise + 150 * labels[:, None, None, None]).to(torch.uint8), labels
    found = {'class_ids': ('dark', 'light'), 'batches': batches()}
    exec(code, found)
    assert found['errors'].max() < 0.2
    model = model_file.load('model.safetensors')
    with AnytimeEngine(model) as engine:
        for brightness, name in ((40, 'dark'), (200, 'light')):
            image = torch.full((32, 32, 3), brightness, dtype=torch.uint8).numpy()
            answer = list(engine.refine(image))[-1]
            assert answer.class_id == name
    for name, brightness in (('dark', 40), ('light', 200)):
        for part in ('train', 'test'):
            folder = tmp_path / 'pictures' / part / name
            folder.mkdir(parents=True)
            for index in range(2):
                Image.new('RGB', (32, 32), (brightness + index,) * 3).save(folder / f'{index}.png')
    assert main(['evaluate', 'model.safetensors', '--data', 'pictures', '--json']) == 0
    assert set(json.loads(capsys.readouterr().out)['error']) == {0.0}
    assert main(['evaluate', 'model.safetensors']) == 2
    assert 'name its test images: --data FOLDER or --dataset' in capsys.readouterr().err
