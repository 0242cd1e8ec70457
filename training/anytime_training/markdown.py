"""Markdown around texts that are not ours, such as the names of data and runs."""


def cell(text: str) -> str:
    """Return `text` as it can stand in a table: in one line, which no | divides."""
    return ' '.join(text.split()).replace('|', '\\|')
