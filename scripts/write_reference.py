"""
Write what is documented from the code: docs/parameters.md, messages.md, config/perception.yaml.

A test sees to it that they are as this would write them. Needs the environment: source
scripts/env.sh.
"""

import math
from pathlib import Path
import textwrap

from anytime_perception.ros.node.parameters import PARAMETERS

ROOT = Path(__file__).parents[1]


def parameters_page() -> str:
    """Return the page of the node's parameters."""
    rows = ''.join(
        f'| `{name}` | {_cell(spec.default)} | {spec.allowed} | {spec.read.value} '
        f'| {spec.text} |\n' for name, spec in PARAMETERS.items())
    return f"""# Parameters of the perception node

`ros2 param describe /anytime_perception NAME` says the same of a running node. A parameter that is
read when the node is configured or activated can be changed before that: the node refuses a change
that could not take effect, and says how. [config/perception.yaml](../config/perception.yaml)
lists all of them with their defaults; start from a copy of it, or from a file with those that you
change:

```bash
ros2 launch anytime_perception anytime_perception.launch.py params_file:=my.yaml
```

A launch argument that is given (`model`, `device`, `image_transport`, `budget_ms`, `autostart`,
`use_sim_time`) wins over the file.

| name | default | allowed | read | meaning |
|---|---|---|---|---|
{rows}"""


def messages_page() -> str:
    """Return the page of all interfaces, as their files describe them."""
    sections = []
    for kind, title in (('msg', 'Messages'), ('srv', 'Services'), ('action', 'Actions')):
        files = sorted((ROOT / kind).glob(f'*.{kind}'))
        sections += [f'## {title}\n'] if files else []
        sections += [
            f'### {path.stem}\n\n```\n{path.read_text().strip()}\n```\n' for path in files]
    return ('# Messages, services and actions\n\nAll of package `anytime_perception`; a planner '
            'in C++ compiles against them like against any\nother interfaces. Times are as ROS 2 '
            'has them. Durations and ages are numbers of\nmilliseconds, named `…_ms`: budgets and '
            'latencies are small.\n\n'
            + '\n'.join(sections))


def parameters_file() -> str:
    """Return config/perception.yaml."""
    lines = ['# Every parameter of the perception node, with its default. The name /** applies it '
             'to a node of any name.', '/**:', '  ros__parameters:']
    for name, spec in PARAMETERS.items():
        allowed = f' Allowed: {spec.allowed}.' if spec.allowed else ''
        text = f'{spec.text}{allowed} Read {spec.read.value}.'
        lines += textwrap.wrap(text, 99, initial_indent='    # ', subsequent_indent='    # ',
                               break_on_hyphens=False)
        lines.append(f'    {name}: {_yaml(spec.default)}')
    return '\n'.join(lines) + '\n'


FILES = {'docs/parameters.md': parameters_page, 'docs/messages.md': messages_page,
         'config/perception.yaml': parameters_file}


def _cell(value) -> str:
    return f'`{_yaml(value)}`' if value != '' else ''


def _yaml(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isinf(value):
        return '.inf'
    if isinstance(value, (list, tuple)):
        return str(list(value))
    return "''" if value == '' else str(value)


if __name__ == '__main__':
    for name, make in FILES.items():
        (ROOT / name).write_text(make())
