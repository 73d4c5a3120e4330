"""House style of docstrings and help texts in a form that Sphinx understands."""

from __future__ import annotations

import re

MARK = "UNTYPED"
ENDS_IN_UNDERSCORE = re.compile(r"^(:\w+ \w+)_:")
SEVERAL = re.compile(r"^:ivar (\w+(?:, \w+)+):")
BREAK = "\u200b"  # a place to break a line that is no space
OPTION = re.compile(r"(?<![\w`-])--[a-z][a-z-]*")


def before_napoleon(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Give the prose under `Returns` a mark for a type: its first line would be taken for it."""
    for i, line in enumerate(lines[:-1]):
        if line.strip() == "Returns" and set(lines[i + 1].strip()) == {"-"}:
            rest = lines[i + 2 :]
            end = next((k for k, text in enumerate(rest) if not text.strip()), len(rest))
            lines[i + 2 : i + 2 + end] = [MARK, *(f"    {text}" for text in rest[:end])]
            return


def after_napoleon(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Remove the mark; autodoc then adds the annotation. `map_` is a name, not a reference.

    Of several fields with one description all but the last would be taken for a type.
    """
    kept = [line for line in lines if line.strip() != f":rtype: {MARK}"]
    kept = [SEVERAL.sub(lambda m: f":ivar {m[1].replace(', ', ',' + BREAK)}:", k) for k in kept]
    lines[:] = [ENDS_IN_UNDERSCORE.sub(r"\1\_:", line) for line in kept]


def headings_as_rubrics(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Sections of a module become rubrics: all textbooks have the same ones, and labels clash."""
    if what == "module":
        for i, line in enumerate(lines[:-1]):
            if line.strip() and re.fullmatch(r"-{3,}", lines[i + 1].strip()):
                lines[i : i + 2] = [f".. rubric:: {line.strip()}", ""]


def options_as_code(app: object, context: object, lines: list[str]) -> None:
    """Options within help texts keep their two dashes."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith(".. "):
            lines[i] = OPTION.sub(r"``\g<0>``", line)
