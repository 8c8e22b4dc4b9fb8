"""Which column says where each image lies."""

from collections.abc import Sequence

from automl_assets.errors import DataError, listed

NAMES = ("image", "image_url", "image_path", "image_file", "path", "file", "filename", "file_name", "url")


def image_column(columns: Sequence[str]) -> str:
    """The one that is called as such columns are, or the only one. Raises DataError where neither is there.

    >>> image_column(["id", "Image_Path"]), image_column(["picture"])
    ('Image_Path', 'picture')
    """
    named = sorted((name for name in columns if name.lower() in NAMES), key=lambda name: NAMES.index(name.lower()))
    if named:
        return named[0]
    if len(columns) == 1:
        return columns[0]
    raise DataError(
        f"no column is called as those are that say where images lie ({listed(NAMES)}); there are {listed(columns)}. "
        "Name all others in drop_columns"
    )
