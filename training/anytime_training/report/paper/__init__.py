"""The paper's own numbers, as data: see README.md beside the tables."""

import csv
import math
from pathlib import Path

METRICS = ('1/4', '1/2', '3/4', '1', 'AE')


def table(number: int) -> list[dict]:
    """
    Return the rows of table `number` (1 to 6) as dictionaries.

    Numbers are floats in percent, not a number where the paper leaves a place empty; the columns
    n, c, s and b are integers, or None.
    """
    path = Path(__file__).parent / f'table{number}.csv'
    with open(path, newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    return [{key: _value(key, text) for key, text in row.items()} for row in rows]


def _value(key: str, text: str) -> int | float | str | None:
    if key in ('n', 'c', 's', 'b'):
        return int(text) if text else None
    if key in ('method', 'dataset', 'metric', 'part'):
        return text
    return float(text) if text else math.nan
