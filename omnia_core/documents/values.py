"""Builds the values of YAML from the events of its parser, within limits.

PyYAML calls itself for each level when it builds a document, which ends the process on deep nesting
where libyaml is used; its events take no stack. Here a limit stops the parser in the middle of the
text, and PyYAML's nodes, which take ten times the memory of a value, are never built.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import yaml
from msgspec import Struct

from omnia_core.documents.limits import DocumentInvalid, Limits
from omnia_core.documents.scalars import Scalars
from omnia_core.jsonvalue import MAX_DEPTH, JsonObject, TooDeep

# libyaml's parser is orders of magnitude faster than the parser in Python.
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# libyaml compares each of these directives with all the others.
_TAG_DIRECTIVE = re.compile(r"(?:^|[\r\n\x85\u2028\u2029])%TAG")
_MOST_TAG_DIRECTIVES = 20
_COLLECTION_TAGS = (None, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_SHOWN = 64  # characters of a name that an error repeats
_NO_KEY, _MERGE = object(), object()
# What to do about the problems of libyaml, by a part of its words.
_REMEDIES = {
    "cannot start any token": "indent with spaces, not with tabs, and put a text that begins with"
    " @, ` or % in quotes",
    "mapping values are not allowed": "put a text with a colon in quotes, or correct the"
    " indentation",
    "did not find expected key": "indent this line as the lines beside it, and write an apostrophe"
    " within single quotes twice",
    "did not find expected '-' indicator": "indent this line as the lines beside it",
    "could not find expected ':'": "add the colon after the key, or indent the text below its key",
    "did not find expected ',' or": "add the comma or the bracket that is missing",
    "unexpected end of stream": "close the quotation mark",
}
_MERGE_NEEDS = "<< needs a mapping, or a list of mappings"

ValuePath: TypeAlias = tuple[str | int, ...]


class Lines(Struct):
    """The line of a value, counted from 1, and those of the values in it.

    Attributes:
        line: None of a value that stands in no text.
    """

    line: int | None
    inner: "dict[Any, Lines]" = {}

    def at(self, path: ValuePath) -> "Lines":
        """Return the lines of the value at `path`, or of the nearest one that contains it."""
        found = self
        for step in path:
            if step not in found.inner:
                break
            found = found.inner[step]
        return found

    def __contains__(self, path: ValuePath) -> bool:
        found = self
        for step in path:
            if step not in found.inner:
                return False
            found = found.inner[step]
        return True


class YAMLDocument(Struct, frozen=True):
    """One document of a text, and the lines of its values if they were asked for."""

    value: Any
    lines: Lines


def yaml_documents(
    text: str, limits: Limits, scalars: Scalars, *, located: bool = False
) -> Iterator[YAMLDocument]:
    """Yield the documents of YAML text. All keys are text, as in JSON.

    Args:
        text: YAML, or JSON.
        limits: of the text.
        scalars: what is a number, a boolean or null.
        located: remember lines, and refuse a key that stands twice in a mapping.

    Raises:
        DocumentInvalid: the text is not YAML, or breaks a limit.
    """
    if len(text) > limits.yaml_characters:
        raise DocumentInvalid(
            f"YAML is larger than {limits.yaml_characters:,} characters: convert the document to"
            " JSON, or divide it"
        )
    if len(_TAG_DIRECTIVE.findall(text)) > _MOST_TAG_DIRECTIVES:
        raise DocumentInvalid("it has too many lines that begin with %TAG: remove them")
    builder = _Builder(limits, scalars, located=located)
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            if isinstance(event, yaml.DocumentEndEvent):
                yield builder.finished()
            else:
                builder.take(event)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        remedy = next(
            (f": {_REMEDIES[part]}" for part in _REMEDIES if part in str(error.problem)), ""
        )
        problem = f"this is neither JSON nor YAML: {error.problem}{remedy}"
        raise DocumentInvalid(problem, line) from error
    except yaml.reader.ReaderError as error:
        # The parser in C counts bytes and gives a number, that in Python gives the character.
        character = error.character
        code = max(0, character) if isinstance(character, int) else ord(character)
        before, found, _ = text.partition(chr(code))
        problem = f"this is neither JSON nor YAML: it has the character U+{code:04X}: remove it"
        raise DocumentInvalid(problem, before.count("\n") + 1 if found else None) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise DocumentInvalid(f"this is neither JSON nor YAML: {error}") from error


class _Level:
    """A collection whose end has not come yet."""

    __slots__ = ("anchor", "before", "height", "key", "lines", "merged", "value")

    def __init__(self, value: Any, anchor: str | None, before: int, lines: Lines | None) -> None:
        self.value = value
        self.anchor = anchor
        self.before = before
        """The number of values before it."""
        self.height = 1
        """Its levels, with those of its values."""
        self.lines = lines
        self.key: Any = _NO_KEY
        """The key of the next value of a mapping."""
        self.merged: JsonObject = {}
        """The entries of merge keys, which the mapping's own entries override."""

    @property
    def awaits_key(self) -> bool:
        return type(self.value) is dict and self.key is _NO_KEY


class _Builder:
    def __init__(self, limits: Limits, scalars: Scalars, *, located: bool) -> None:
        self._most = limits.yaml_values
        self._scalars = scalars
        self._located = located
        self._count = 0
        self._levels: list[_Level] = []
        self._root: YAMLDocument | None = None
        self._anchors: dict[str | None, tuple[Any, int, int] | None] = {}
        """By name the value, the number of values in it, and its levels; None until its end."""

    def finished(self) -> YAMLDocument:
        """Return the document that has ended."""
        document = self._root or YAMLDocument(None, Lines(1))
        self._root = None
        self._anchors = {}
        return document

    def take(self, event: yaml.Event) -> None:
        """Add what an event says."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._take_place(1, event)
        level = self._levels[-1] if self._levels else None
        value: Any = event.value
        if level is not None and level.awaits_key:
            self._begin_entry(level, _MERGE if self._scalars.is_merge(event) else value, event)
        else:
            try:
                value = self._scalars.value(event)
            except ValueError as error:
                raise _invalid(str(error), event) from error
            self._add(value, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = value, 1, 0

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        before = self._count
        self._take_place(1, event)
        self._reach(1, event)
        if event.tag not in _COLLECTION_TAGS:
            raise _invalid(f"the tag {event.tag[:_SHOWN]} is not supported: remove it", event)
        level = self._levels[-1] if self._levels else None
        if level is not None and level.awaits_key:
            raise _invalid(
                "a key is a list or a mapping: write a text, in quotes if it begins with { or [; a"
                " template of Helm is rendered first",
                event,
            )
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        merging = level is not None and level.key is _MERGE
        lines = None if merging else self._add(value, event)
        self._levels.append(_Level(value, event.anchor, before, lines))
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _close(self, event: yaml.CollectionEndEvent) -> None:
        level = self._levels.pop()
        if level.merged:
            own = dict(level.value)
            level.value.update(level.merged)
            level.value.update(own)
        if level.anchor is not None:
            count = self._count - level.before
            self._anchors[level.anchor] = level.value, count, level.height
        self._reach(level.height, event)
        if self._levels and self._levels[-1].key is _MERGE:
            _merge(self._levels[-1], level.value, event)

    def _alias(self, event: yaml.AliasEvent) -> None:
        shown = str(event.anchor)[:_SHOWN]
        if event.anchor not in self._anchors:
            raise _invalid(f"*{shown} has no anchor before it", event)
        found = self._anchors[event.anchor]
        if found is None:
            raise _invalid(f"*{shown} is inside the value that it repeats", event)
        value, count, height = found
        self._take_place(count, event)
        self._reach(height, event)
        level = self._levels[-1] if self._levels else None
        if level is not None and level.awaits_key:
            if not isinstance(value, str):
                raise _invalid(f"*{shown} is a key but no text", event)
            self._begin_entry(level, value, event)
        elif level is not None and level.key is _MERGE:
            _merge(level, value, event)
        else:
            self._add(value, event)

    def _begin_entry(self, level: _Level, key: Any, event: yaml.Event) -> None:
        level.key = key
        if self._located and level.lines is not None and key is not _MERGE:
            if key in level.value:
                first = level.lines.inner[key].line
                name = key[:_SHOWN]
                raise _invalid(
                    f'the key "{name}" appears twice, first in line {first}: delete one', event
                )
            level.lines.inner[key] = Lines(_line(event))

    def _add(self, value: Any, event: yaml.Event) -> Lines | None:
        """Add a value to the innermost collection; return its lines."""
        if not self._levels:
            self._root = YAMLDocument(value, Lines(_line(event)))
            return self._root.lines if self._located else None
        level = self._levels[-1]
        if type(level.value) is list:
            level.value.append(value)
            if level.lines is None:
                return None
            lines = level.lines.inner[len(level.value) - 1] = Lines(_line(event))
            return lines
        key, level.key = level.key, _NO_KEY
        if key is _MERGE:
            raise _invalid(_MERGE_NEEDS, event)
        level.value[key] = value
        return None if level.lines is None else level.lines.inner[key]

    def _reach(self, height: int, event: yaml.Event) -> None:
        """Account for the levels of a value in the innermost collection."""
        if len(self._levels) + height > MAX_DEPTH:
            raise _invalid(f"it is {TooDeep()}", event)
        if self._levels:
            self._levels[-1].height = max(self._levels[-1].height, height + 1)

    def _take_place(self, count: int, event: yaml.Event) -> None:
        self._count += count
        if self._count > self._most:
            raise _invalid(
                f"it has more than {self._most:,} values, counted again at each alias: divide it",
                event,
            )


def _merge(level: _Level, value: Any, event: yaml.Event) -> None:
    level.key = _NO_KEY
    mappings = value if isinstance(value, list) else [value]
    if not all(isinstance(mapping, dict) for mapping in mappings):
        raise _invalid(_MERGE_NEEDS, event)
    # The first mapping of a list has precedence.
    for mapping in reversed(mappings):
        level.merged.update(mapping)


def _invalid(message: str, event: yaml.Event) -> DocumentInvalid:
    return DocumentInvalid(message, _line(event))


def _line(event: yaml.Event) -> int:
    mark: Any = event.start_mark
    return int(mark.line) + 1
