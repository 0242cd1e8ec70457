"""What every test run shares."""

from pathlib import Path

from hypothesis import settings

# How long an example takes says more of who else uses the machine than of the code.
settings.register_profile('any_machine', deadline=None)
settings.load_profile('any_machine')


def pytest_configure(config):
    """Let files named by the caller replace the whole folder, which ctest always names too."""
    whole = str(Path(__file__).parent)
    named = [argument for argument in config.args if argument != whole]
    if named:
        config.args[:] = named
