"""What every text on a terminal goes through."""

from rich.text import Text


def plain(value: object, style: str = "") -> Text:
    """A text as it is, which may come from data: markup is shown, and what would steer a terminal is spelt out."""
    letters = (one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in str(value))
    return Text("".join(letters), style)
