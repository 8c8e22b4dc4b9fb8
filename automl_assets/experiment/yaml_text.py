"""YAML as plain values, with bounds: nothing in a file may be said twice, or grow beyond what a person writes.

Not here: what the keys mean (`experiment`).
"""

from collections.abc import Iterator
from typing import Any

import yaml

from automl_assets.errors import SettingError

MOST_LETTERS = 10_000_000
MOST_DEPTH = 50  # of lists and mappings in each other
MOST_VALUES = 1_000_000  # once every alias stands for its whole content


def read_yaml(text: str, name: str) -> Any:
    """What a YAML text says. Raises SettingError, with the line, for what is no YAML, and for what is beyond the bounds.

    >>> read_yaml("a: 1\\na: 2", "twice.yaml")
    Traceback (most recent call last):
    automl_assets.errors.SettingError: twice.yaml: line 2: the key 'a' stands there twice, first in line 1; keep one of them
    """
    if len(text) > MOST_LETTERS:
        raise SettingError(
            f"{name}: got {len(text):,} letters; a YAML has {MOST_LETTERS:,} at most. Move data to files"
        )
    loader = yaml.SafeLoader(text)
    try:
        _check_depth(text, name)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, name)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise SettingError(f"{name} is not readable YAML: {_place(error)}{error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter for a date or a number that cannot be
        raise SettingError(f"{name} is not readable YAML: {error}") from None
    finally:
        loader.dispose()


def _place(error: yaml.MarkedYAMLError) -> str:
    """Not the line itself, which may hold a secret."""
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _check_depth(text: str, name: str) -> None:
    """Before the library builds anything: it would call itself once for each level."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise SettingError(
                f"{name}: line {event.start_mark.line + 1}: lists and mappings stand in each other more than {MOST_DEPTH} deep; "
                "write fewer levels"
            )


def _check(root: yaml.Node, name: str) -> None:
    sizes: dict[int, int] = {}
    for node in _leaves_first(root, name):
        sizes[id(node)] = 1 + sum(sizes[id(inner)] for inner in _inner(node))
        if sizes[id(node)] > MOST_VALUES:
            raise SettingError(
                f"{name}: line {node.start_mark.line + 1}: with each alias (*) written out this holds more than {MOST_VALUES:,} "
                "values; write fewer aliases of aliases"
            )
        if isinstance(node, yaml.MappingNode):
            _check_keys(node, name)


def _check_keys(mapping: yaml.MappingNode, name: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise SettingError(f"{name}: line {line}: a key is a text; got a list or a mapping")
        if key.value in lines:
            raise SettingError(
                f"{name}: line {line}: the key {key.value!r} stands there twice, first in line {lines[key.value]}; keep one of "
                "them"
            )
        lines[key.value] = line


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _leaves_first(root: yaml.Node, name: str) -> Iterator[yaml.Node]:
    """Every node once, after those in it. Raises SettingError for one that holds itself."""
    done, open_ = set[int](), set[int]()
    waiting = [(root, False)]
    while waiting:
        node, is_left = waiting.pop()
        if is_left:
            open_.discard(id(node))
            done.add(id(node))
            yield node
        elif id(node) in open_:
            raise SettingError(
                f"{name}: line {node.start_mark.line + 1}: this holds itself by an alias (*); write it out"
            )
        elif id(node) not in done:
            open_.add(id(node))
            waiting.append((node, True))
            waiting.extend((inner, False) for inner in _inner(node))
