"""Settings as people write them: configuration files, KEY=VALUE, and KEY=VALUE,VALUE."""

import json
from pathlib import Path

CONFIGS = Path(__file__).parent / 'configs'


def read_config_file(path: str | Path) -> dict:
    """
    Return the values of a JSON configuration file.

    `path` may also be the name of one of `configs`, such as n9-c32, one of the paper's
    networks, or recipe, which is ours.

    Raises
    ------
    ValueError: if it cannot be read or is not a JSON object.

    """
    ours = CONFIGS / f'{path}.json'
    if not Path(path).is_file() and ours.parent == CONFIGS and ours.exists():
        path = ours
    try:
        values = json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        names = ', '.join(sorted(config.stem for config in CONFIGS.glob('*.json')))
        raise ValueError(f'there is no configuration file {path}; ours are {names}') from error
    except OSError as error:
        raise ValueError(f'cannot read the configuration {path}: {error.strerror}') from error
    except ValueError as error:
        raise ValueError(f'{path} is not JSON: {error}') from error
    if not isinstance(values, dict):
        raise ValueError(f'{path} must hold a JSON object of configuration keys')
    return values


def parse_assignment(text: str) -> dict:
    """
    Return {key: value} of a text KEY=VALUE; a value that is not JSON is a string.

    Raises
    ------
    ValueError: for a text without '='.

    """
    key, value = _split(text)
    try:
        return {key: json.loads(value)}
    except ValueError:
        return {key: value}


def assignment(key: str, value: object) -> str:
    """Return the text KEY=VALUE of which `parse_assignment` makes `value`."""
    if isinstance(value, str):
        plain = f'{key}={value}'
        return plain if parse_assignment(plain) == {key: value} else f'{key}={json.dumps(value)}'
    return f'{key}={json.dumps(value)}'


def parse_vary(text: str) -> tuple[str, list[str]]:
    """
    Return the key and the values of a text KEY=VALUE,VALUE; values may be JSON lists.

    Raises
    ------
    ValueError: for a text without '=', or with an empty value.

    """
    key, values = _split(text)
    if not all(value.strip() for value in values.split(',')):
        raise ValueError(f'{text!r} has an empty value; separate values by one comma')
    try:
        return key, [json.dumps(value) for value in json.loads(f'[{values}]')]
    except ValueError:
        return key, values.split(',')


def _split(text: str) -> tuple[str, str]:
    key, sign, value = text.partition('=')
    if not sign:
        raise ValueError(f'{text!r} is not of the form KEY=VALUE')
    return key.strip(), value
