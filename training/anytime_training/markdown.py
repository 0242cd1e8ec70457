"""Markdown around texts that are not ours, such as the names of data and runs."""


def cell(text: str) -> str:
    """Return `text` for a cell of a table: in one line, each | escaped."""
    return ' '.join(text.split()).replace('|', '\\|')
