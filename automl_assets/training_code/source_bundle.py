"""Gathers the source of functions and values, with all they need of this package, into one text that stands alone.

What is reached is copied as it is written, comments included, so that it cannot drift from what was run. Knows nothing
of what the code does.
"""

import ast
import dataclasses
import importlib
import inspect
import itertools
import math
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from automl_assets.errors import DiscoveryError

PACKAGE = __name__.partition(".")[0]
LEFT_OUT = "stored_as"  # a decorator that says nothing outside of this package
WIDTH = 116
FUTURE = "from __future__ import annotations"

Key = tuple[str, str]  # module, name at its top level


@dataclass(frozen=True)
class _Import:
    """What a name stands for that a module imports: `name` of `module`, or the module itself."""

    module: str
    name: str | None
    statement: str

    @property
    def is_ours(self) -> bool:
        return self.module == PACKAGE or self.module.startswith(PACKAGE + ".")


@dataclass(frozen=True)
class _Module:
    """A module's text, taken apart."""

    name: str
    title: str
    lines: tuple[bytes, ...]  # columns in a syntax tree count bytes
    definitions: Mapping[str, ast.stmt]  # in the order of the text
    imports: Mapping[str, _Import]


@cache
def _read(name: str) -> _Module:
    text = inspect.getsource(importlib.import_module(name))
    tree = ast.parse(text)
    imports = {bound: found for node in tree.body for bound, found in _imported(node)}
    definitions = {bound: node for node in tree.body for bound in _defined(node)}
    title = (ast.get_docstring(tree) or name).split("\n")[0].rstrip(".:")
    return _Module(name, title, tuple(line.encode() for line in text.splitlines()), definitions, imports)


def _imported(node: ast.stmt) -> Iterator[tuple[str, _Import]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.asname or alias.name.split(".")[0]
            yield bound, _Import(alias.name, None, ast.unparse(ast.Import([alias])))
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            statement = ast.unparse(ast.ImportFrom(node.module, [alias], 0))
            is_module = node.module.split(".")[0] == PACKAGE and _is_module(node.module, alias.name)
            whole = f"{node.module}.{alias.name}" if is_module else node.module
            yield alias.asname or alias.name, _Import(whole, None if is_module else alias.name, statement)


def _is_module(package: str, name: str) -> bool:
    return inspect.ismodule(getattr(importlib.import_module(package), name, None))


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


@dataclass(frozen=True)
class _Use:
    """A name of a module's top level that a definition mentions, and where: line, first and last column."""

    key: Key
    place: tuple[int, int, int]
    in_annotation: bool
    taken: frozenset[str]  # what is called otherwise there


@dataclass
class Bundle:
    """Collects definitions: `value` gives an expression and notes what it needs, `sections` all that was noted.

    `instead` names definitions to be used in place of others.
    """

    instead: Mapping[Key, Key] = field(default_factory=dict)
    _reached: dict[Key, list[_Use]] = field(default_factory=dict, init=False)
    _only_named: set[Key] = field(default_factory=set, init=False)  # classes that annotations alone mention
    _hidden: set[Key] = field(default_factory=set, init=False)  # where they are used, a variable has their name
    _imports: set[str] = field(default_factory=set, init=False)

    def value(self, value: Any, indent: int = 0) -> str:
        """A Python expression of the value; functions and records are named, so that they become part of the bundle.

        >>> Bundle().value({"rate": 0.1, "most": float("inf"), "x": np.array([1, 2])})
        '{"rate": 0.1, "most": float("inf"), "x": np.array([1, 2])}'
        """
        match value:
            case np.generic():
                return self.value(value.item())
            case None | bool() | int() | float() | str() | bytes():
                return _plain(value)
            case dict():
                pairs = [f"{self.value(key)}: {self.value(inner, indent + 4)}" for key, inner in value.items()]
                return _joined("{", pairs, "}", indent)
            case tuple() | list() | frozenset() | set():
                return self._sequence(value, indent)
            case np.ndarray():
                return self._array(value, indent)
        return self._named(value, indent)

    def _array(self, array: np.ndarray, indent: int) -> str:
        self._imports.add("import numpy as np")
        if not array.size:
            return f"np.empty({array.shape}, np.{array.dtype.name})"
        is_default = array.dtype in (np.float64, np.int64)
        return f"np.array({self.value(array.tolist(), indent)}{'' if is_default else f', np.{array.dtype.name}'})"

    def _sequence(self, values: Any, indent: int) -> str:
        items = [self.value(inner, indent + 4) for inner in values]
        if isinstance(values, set | frozenset):
            return f"{type(values).__name__}({_joined('[', sorted(items), ']', indent)})"
        if isinstance(values, list):
            return _joined("[", items, "]", indent)
        return _joined("(", items, ",)" if len(items) == 1 else ")", indent)

    def _named(self, value: Any, indent: int) -> str:
        """Functions, partials of them, records, and types of columns."""
        match value:
            case FunctionType():
                return self.reference(value)
            case partial():
                self._imports.add("from functools import partial")
                given = [self.value(inner, indent + 4) for inner in (value.func, *value.args)]
                given += [f"{name}={self.value(inner, indent + 4)}" for name, inner in value.keywords.items()]
                return _joined("partial(", given, ")", indent)
            case pl.DataType():
                self._imports.add("import polars as pl")
                return f"pl.{value!r}"
            case SimpleNamespace():
                self._imports.add("from types import SimpleNamespace")
                return self._call("SimpleNamespace", vars(value), indent)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
            return self._call(self.reference(type(value)), fields, indent)
        raise DiscoveryError(f"{value!r} cannot be written as code; possible: plain values, records, named functions")

    def _call(self, name: str, given: Mapping[str, Any], indent: int) -> str:
        return _joined(f"{name}(", [f"{k}={self.value(v, indent + 4)}" for k, v in given.items()], ")", indent)

    def reference(self, definition: Any) -> str:
        """The name under which a function or class of this package stands in the bundle, written {module:name}."""
        key = (definition.__module__, definition.__qualname__)
        if key[1] not in _read(key[0]).definitions:
            raise DiscoveryError(f"{key[0]}.{key[1]} has no name at the top level of its module; give it one")
        self._reach(key)
        return _mark(self.instead.get(key, key))

    def _reach(self, key: Key, in_annotation: bool = False, taken: frozenset[str] = frozenset()) -> None:
        key = self.instead.get(key, key)
        if key[1] in taken:
            self._hidden.add(key)
        definition = _read(key[0]).definitions[key[1]]
        if in_annotation and isinstance(definition, ast.ClassDef):
            self._only_named.add(key)
            return
        if key in self._reached:
            return
        self._reached[key] = []
        for use in _uses(definition, _read(key[0]), self._imports):
            self._reached[key].append(use)
            self._reach(use.key, use.in_annotation, use.taken)

    @property
    def modules(self) -> set[str]:
        """Those of which anything was reached."""
        return {module for module, _ in self._reached}

    def needs(self, *statements: str) -> None:
        """Adds import statements."""
        self._imports.update(statements)

    def imports(self) -> str:
        """Import statements of all that was reached, but for what functions import themselves."""
        plain = sorted(line for line in self._imports if line.startswith("import "))
        modules: dict[str, list[str]] = {}
        for line in sorted(self._imports - set(plain)):
            start, _, name = line.partition(" import ")
            modules.setdefault(start, []).append(name)
        every = plain + [f"{start} import {', '.join(names)}" for start, names in modules.items()]
        standard = [line for line in every if line.split()[1].split(".")[0] in sys.stdlib_module_names]
        return "\n".join(standard) + "\n\n" + "\n".join(line for line in every if line not in standard)

    def sections(self) -> list[tuple[str, str]]:
        """Title and text of each module's part, in an order in which they can be executed."""
        names = self._names()
        absent = sorted({names[key] for key in self._only_named - set(self._reached)})
        found = [("Records of the system that wrote this, named in annotations alone", f"{' = '.join(absent)} = Any")]
        if absent:
            self._imports.add("from typing import Any")
        for module in _in_order({key[0] for key in self._reached}):
            keys = [(module, name) for name in _read(module).definitions if (module, name) in self._reached]
            texts = list(dict.fromkeys(self._text(key, names) for key in keys))
            found.append((_read(module).title, _apart(texts)))
        return found if absent else found[1:]

    def resolved(self, text: str) -> str:
        """A text of `value`, with the names under which everything stands in the bundle."""
        for key, name in self._names().items():
            text = text.replace(_mark(key), name)
        return text

    def _names(self) -> dict[Key, str]:
        """Every definition's name; one that something else has too tells as much of its module as it takes."""
        keys = sorted(set(self._reached) | self._only_named)
        names = {key: key[1] for key in keys}
        imported = [bound for line in self._imports for bound, _ in _imported(ast.parse(line).body[0])]
        for n_words in range(1, 1 + max((key[0].count(".") for key in keys), default=0)):
            counts = Counter([*names.values(), *imported])
            for key, name in names.items():
                if counts[name] > 1 or (name == key[1] and key in self._hidden):
                    names[key] = "_".join([key[1], *key[0].split(".")[-n_words:]])
        return names

    def _text(self, key: Key, names: Mapping[Key, str]) -> str:
        module, node = _read(key[0]), _read(key[0]).definitions[key[1]]
        lines = list(module.lines)
        edits = [(use.place, names[self.instead.get(use.key, use.key)]) for use in self._reached[key]]
        edits += (
            [(_place_of_name(node, module), names[key])] if not isinstance(node, ast.Assign | ast.AnnAssign) else []
        )
        for (line, first, last), name in sorted(edits, reverse=True):
            lines[line - 1] = lines[line - 1][:first] + name.encode() + lines[line - 1][last:]
        left_out = {line for decorator in _decorators(node) if _is_left_out(decorator) for line in _lines(decorator)}
        kept = range(_first_line(node, module), node.end_lineno or 0)
        return b"\n".join(lines[number] for number in kept if number not in left_out).decode()


_MODULE_OF_MARK = re.compile("⟨[^:⟩]*:")


def _apart(texts: list[str]) -> str:
    """Definitions one below the other; those of one line stay together."""
    whole = texts[0]
    for before, text in itertools.pairwise(texts):
        whole += ("\n" if "\n" not in before + text else "\n\n\n") + text
    return whole


def _mark(key: Key) -> str:
    return f"⟨{key[0]}:{key[1]}⟩"


def _plain(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    text = repr(value)
    is_simple = isinstance(value, str) and text[0] == "'" and not set(text) & {'"', "\\"}
    return f'"{value}"' if is_simple else text


def _joined(opening: str, items: list[str], closing: str, indent: int) -> str:
    """Items on one line where they fit; else plain ones fill lines, and long ones have a line each."""
    line = f"{opening}{', '.join(items)}{closing}"
    if len(_MODULE_OF_MARK.sub("", line)) + indent < WIDTH and "\n" not in line:
        return line
    margin = " " * (indent + 4)
    if all(len(item) < 30 and " " not in item for item in items):
        wrapper = textwrap.TextWrapper(WIDTH - len(margin), break_on_hyphens=False, break_long_words=False)
        body = textwrap.indent(wrapper.fill(", ".join(items) + ","), margin)  # a hyphen may lie inside a text
    else:
        body = "\n".join(f"{margin}{item}," for item in items)
    return f"{opening}\n{body}\n{' ' * indent}{closing.lstrip(',')}"


def _first_line(node: ast.stmt, module: _Module) -> int:
    """Index of the first line of a definition, its decorators and the comment right above included."""
    first = min([node.lineno, *(decorator.lineno for decorator in _decorators(node))]) - 1
    while first and module.lines[first - 1].startswith(b"#"):
        first -= 1
    return first


def _decorators(node: ast.stmt) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])


def _is_left_out(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == LEFT_OUT


def _lines(node: ast.expr) -> range:
    """Indices of the lines that it takes."""
    return range(node.lineno - 1, node.end_lineno or node.lineno)


def _place_of_name(node: Any, module: _Module) -> tuple[int, int, int]:
    column = module.lines[node.lineno - 1].index(node.name.encode(), node.col_offset)
    return node.lineno, column, column + len(node.name.encode())


def _in_order(modules: set[str]) -> list[str]:
    """Modules so that each comes after those it imports."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for found in _read(name).imports.values():
            if found.is_ours and found.module != PACKAGE:
                visit(found.module)
        done[name] = None

    seen: set[str] = set()
    for name in sorted(modules):
        visit(name)
    return [name for name in done if name in modules]


def _uses(node: ast.stmt, module: _Module, imports: set[str]) -> list[_Use]:
    """What a definition mentions of this package; statements that import anything else are added to `imports`."""
    reader = _Reader(module, imports)
    reader.visit(node)
    return reader.uses


class _Reader(ast.NodeVisitor):
    """Finds the names in a definition that are not its own."""

    def __init__(self, module: _Module, imports: set[str]):
        self.module, self.imports = module, imports
        self.uses: list[_Use] = []
        self.local: list[set[str]] = []
        self.in_annotation = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for outside in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(outside)
        self._annotations(node)
        self.local.append(_locals(node))
        for statement in node.body:
            self.visit(statement)
        self.local.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Fields are no names of the module, even where one is called like them."""
        decorators = [decorator for decorator in node.decorator_list if not _is_left_out(decorator)]
        for outside in (*decorators, *node.bases, *(keyword.value for keyword in node.keywords)):
            self.visit(outside)
        for statement in node.body:
            match statement:
                case ast.AnnAssign(annotation=annotation, value=value):
                    self._annotation(annotation)
                    if value is not None:
                        self.visit(value)
                case ast.Assign(value=value):
                    self.visit(value)
                case _:
                    self.visit(statement)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(default)
        self.local.append({argument.arg for argument in _arguments(node.args)})
        self.visit(node.body)
        self.local.pop()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        for part in (node.target, node.value):
            if part is not None:
                self.visit(part)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if (node.module or "").split(".")[0] == PACKAGE:
            raise DiscoveryError(f"{self.module.name} imports {node.module} inside a function; a bundle needs it above")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        found = self._import(node.value.id) if isinstance(node.value, ast.Name) else None
        if found is not None and found.is_ours and found.name is None:
            self._note((found.module, node.attr), node)
        else:
            self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> None:
        if self._is_local(node.id):
            return
        if node.id in self.module.definitions:
            self._note((self.module.name, node.id), node)
        elif found := self._import(node.id):
            if found.is_ours and found.name is not None:
                self._note((found.module, found.name), node)
            elif not found.is_ours:
                self.imports.add(found.statement)

    def _import(self, name: str) -> _Import | None:
        return None if self._is_local(name) else self.module.imports.get(name)

    def _is_local(self, name: str) -> bool:
        return any(name in names for names in self.local)

    def _note(self, key: Key, node: Any) -> None:
        place = node.lineno, node.col_offset, node.end_col_offset
        self.uses.append(_Use(key, place, self.in_annotation, frozenset().union(*self.local)))

    def _annotations(self, node: ast.FunctionDef) -> None:
        for annotation in (*(argument.annotation for argument in _arguments(node.args)), node.returns):
            if annotation is not None:
                self._annotation(annotation)

    def _annotation(self, node: ast.expr) -> None:
        before, self.in_annotation = self.in_annotation, True
        self.visit(node)
        self.in_annotation = before


def _arguments(given: ast.arguments) -> list[ast.arg]:
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]


def _locals(function: ast.FunctionDef) -> set[str]:
    """Names that a function binds, those of comprehensions and of functions inside it included."""
    names = {argument.arg for argument in _arguments(function.args)}
    for node in ast.walk(ast.Module(function.body, [])):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Import() | ast.ImportFrom():
                names.update(bound for bound, _ in _imported(node))
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
    return names
