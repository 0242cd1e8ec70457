"""The log of a training run: a CSV file with one row per epoch."""

from collections.abc import Sequence
import csv
from pathlib import Path

from anytime_perception.files import write_atomically


def write_log(path: Path, rows: list[dict]) -> None:
    """
    Write all `rows` to `path` in one step; all have the same keys.

    The checkpoint keeps the rows and the file is written whole, so that each epoch is in the log
    once, also if the run was killed and resumed.
    """
    def write(temporary: Path) -> None:
        with open(temporary, 'w', newline='', encoding='utf-8') as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    write_atomically(path, write)


def per_exit(name: str, values: Sequence[float | None],
             digits: int = 5) -> dict[str, float | None]:
    """Return one column for each exit, name_1, name_2 and so on; None leaves its place empty."""
    return {f'{name}_{index}': None if value is None else round(value, digits)
            for index, value in enumerate(values, start=1)}
