"""The demo refuses options that cannot be before it installs anything."""

from pathlib import Path
import shutil
import subprocess

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / 'scripts'


@pytest.mark.parametrize('options, said', [
    (['--images', 'nowhere'], 'there is no nowhere'), (['--seconds', '0'], 'must be positive'),
    (['--second'], 'expected one argument'), ([], 'set up')])
def test_what_cannot_be_is_said_before_set_up(tmp_path, options, said):
    for name in ('demo.sh', 'demo.py'):
        shutil.copy(SCRIPTS / name, tmp_path)
    (tmp_path / 'setup.sh').write_text('echo set up; exit 3\n')
    done = subprocess.run(['bash', tmp_path / 'demo.sh', *options], cwd=tmp_path, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == (2 if options else 3)
    assert said in done.stdout + done.stderr and ('set up' in done.stdout) == (not options)
