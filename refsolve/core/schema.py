"""Tables as data: which columns a released file has and what may stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

ColumnType = Literal["int", "float", "str", "category", "bool", "list"]
TableFormat = Literal["tsv", "csv", "npz", "json", "h5ad"]
Trouble = tuple[tuple[str | int, ...], Any, str]


class Strict(BaseModel):
    """Model that refuses unknown keys, NaN, and silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    def refuse(self, troubles: Iterator[Trouble]) -> None:
        """Raise for fields that do not fit together, each under its own place.

        Parameters
        ----------
        troubles
            Path of the field within this model, what it holds, and what it should hold.
        """
        errors = [
            InitErrorDetails(
                type=PydanticCustomError("unfit", "{told}", {"told": told}), loc=place, input=found
            )
            for place, found, told in troubles
        ]
        if errors:
            raise ValidationError.from_exception_data(type(self).__name__, errors)


class ColumnSchema(Strict):
    """One column of a table, or as many as a pattern matches.

    Attributes
    ----------
    name
        Canonical name; with a pattern the name of the group, and the columns keep their own names.
    aliases
        Other names that mean the same.
    pattern
        Regular expression that the whole name of a column matches, for wide tables.
    min_columns
        Fewest columns that must match the pattern.
    type
        What a value is. A list, of texts, stands in JSON only.
    optional
        The column may be absent.
    missing
        Values may be missing.
    min, max
        Inclusive bounds.
    above, below
        Exclusive bounds.
    values
        Allowed values of a category.
    at_most
        Column of the same table that no value may exceed.
    references
        `table.column` in which every value must occur.
    """

    name: str
    aliases: tuple[str, ...] = Field(default=(), strict=False)
    pattern: str | None = None
    min_columns: int = Field(default=1, ge=1)
    type: ColumnType = "float"
    optional: bool = False
    missing: bool = False
    min: float | None = None
    max: float | None = None
    above: float | None = None
    below: float | None = None
    values: tuple[str, ...] | None = Field(default=None, strict=False)
    at_most: str | None = None
    references: str | None = None
    unit: str = ""
    description: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> ColumnSchema:
        if (self.type == "category") != (self.values is not None):
            raise ValueError(
                f"column {self.name!r}: `values` belongs to type category, and only there"
            )
        bounded = any(b is not None for b in (self.min, self.max, self.above, self.below))
        if bounded and self.type not in ("int", "float"):
            raise ValueError(f"column {self.name!r}: bounds need type int or float")
        self.refuse(self._unfit_pattern())
        return self

    def _unfit_pattern(self) -> Iterator[Trouble]:
        if self.pattern is None:
            if self.min_columns != 1:
                yield ("min_columns",), self.min_columns, "no such field without a pattern"
            return
        if self.aliases:
            yield ("aliases",), None, "no aliases beside a pattern; let the pattern match them"
        try:
            re.compile(self.pattern)
        except re.error as broken:
            yield ("pattern",), self.pattern, f"a regular expression ({broken})"


class MatrixSchema(Strict):
    """A two-dimensional array of an archive, labelled by columns of the same form.

    Attributes
    ----------
    name
        Canonical name.
    aliases
        Other names that mean the same.
    rows, columns
        Columns whose entries label the first and the second axis; the same one may label both.
    type
        What an entry is.
    optional
        The matrix may be absent.
    missing
        Entries may be missing, written as NaN.
    missing_code
        Number that means missing, too.
    min, max
        Inclusive bounds.
    above, below
        Exclusive bounds.
    """

    name: str
    aliases: tuple[str, ...] = Field(default=(), strict=False)
    rows: str
    columns: str
    type: Literal["int", "float"] = "float"
    optional: bool = False
    missing: bool = False
    missing_code: float | None = None
    min: float | None = None
    max: float | None = None
    above: float | None = None
    below: float | None = None
    unit: str = ""
    description: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> MatrixSchema:
        if self.missing_code is not None and not self.missing:
            told = "no code where entries may not be missing; set missing = true"
            self.refuse(iter([(("missing_code",), self.missing_code, told)]))
        return self


class TableForm(Strict):
    """One shape that a table may have.

    Attributes
    ----------
    columns
        The columns.
    unique
        Columns that together name a row; no two rows may share them.
    matrices
        Two-dimensional arrays of an archive. The labels of an axis are unique.
    layer
        Layer that an AnnData file must have; when empty, X or any layer will do.
    """

    columns: tuple[ColumnSchema, ...] = Field(min_length=1, strict=False)
    unique: tuple[str, ...] = Field(default=(), strict=False)
    matrices: tuple[MatrixSchema, ...] = Field(default=(), strict=False)
    layer: str = ""

    @model_validator(mode="after")
    def _known(self) -> TableForm:
        names = [column.name for column in self.columns]
        names += [matrix.name for matrix in self.matrices]
        if len(set(names)) != len(names):
            raise ValueError(f"a column name is given twice among {names}")
        for name in (*self.unique, *(c.at_most for c in self.columns if c.at_most)):
            if name not in names[: len(self.columns)]:
                raise ValueError(f"{name!r} is not a column of this table")
        self.refuse(chain(self._unfit_groups(), self._unfit_axes()))
        return self

    def _unfit_groups(self) -> Iterator[Trouble]:
        groups = [column.name for column in self.columns if column.pattern is not None]
        told = "one column, and this is a pattern"
        for k, name in enumerate(self.unique):
            if name in groups:
                yield ("unique", k), name, told
        for k, column in enumerate(self.columns):
            if column.at_most in groups:
                yield ("columns", k, "at_most"), column.at_most, told
        for k, matrix in enumerate(self.matrices):
            for side, name in (("rows", matrix.rows), ("columns", matrix.columns)):
                if name in groups:
                    yield ("matrices", k, side), name, told

    def _unfit_axes(self) -> Iterator[Trouble]:
        columns = {column.name: column for column in self.columns}
        for k, matrix in enumerate(self.matrices):
            for side, name in (("rows", matrix.rows), ("columns", matrix.columns)):
                axis = columns.get(name)
                if axis is None:
                    told = f"a column of this form, one of {', '.join(columns)}"
                    yield ("matrices", k, side), name, told
                elif axis.optional or axis.missing:
                    told = "a column that is neither optional nor missing, because it labels"
                    yield ("matrices", k, side), name, f"{told} the matrix {matrix.name!r}"
        for k, name in enumerate(self.unique):
            if self.axis(name) != self.axis(self.unique[0]):
                yield ("unique", k), name, f"a column as long as {self.unique[0]!r}"
        for k, column in enumerate(self.columns):
            if column.at_most and self.axis(column.name) != self.axis(column.at_most):
                yield ("columns", k, "at_most"), column.at_most, f"as long as {column.name!r}"

    @property
    def axes(self) -> tuple[str, ...]:
        """Columns that label matrices; the one that labels records comes first."""
        return tuple(dict.fromkeys(name for m in self.matrices for name in (m.rows, m.columns)))

    def axis(self, column: str) -> str:
        """Column that a column is as long as; empty in a form without matrices.

        Parameters
        ----------
        column
            Canonical name.
        """
        return column if column in self.axes else next(iter(self.axes), "")


class TableSchema(Strict):
    """A released file, or several of the same shape.

    Attributes
    ----------
    name
        Name of the table in the problem.
    names
        Stems of the files; the name alone when empty.
    format
        How the file is written: text, NumPy archive, flat JSON object, or AnnData, of which the
        columns of `obs` are the table.
    forms
        Shapes that the file may have; the first whose required columns are present is used.
    optional
        The file may be absent.
    min_rows
        Fewest records that make sense.
    """

    name: str
    names: tuple[str, ...] = Field(default=(), strict=False)
    format: TableFormat = "tsv"
    forms: tuple[TableForm, ...] = Field(min_length=1, strict=False)
    optional: bool = False
    min_rows: int = 1
    description: str = ""

    @model_validator(mode="after")
    def _fits_format(self) -> TableSchema:
        self.refuse(self._misplaced())
        return self

    def _misplaced(self) -> Iterator[Trouble]:
        for k, form in enumerate(self.forms):
            if form.matrices and self.format != "npz":
                yield ("forms", k, "matrices"), None, f"none in format {self.format}; use npz"
            if form.layer and self.format != "h5ad":
                yield ("forms", k, "layer"), form.layer, f"none in format {self.format}; use h5ad"
            if form.unique and self.format == "json":
                yield ("forms", k, "unique"), None, "none in format json, which has no records"
            for i, column in enumerate(form.columns):
                if column.type == "list" and self.format != "json":
                    told = f"another type in format {self.format}; use json"
                    yield ("forms", k, "columns", i, "type"), "list", told

    @property
    def files(self) -> tuple[str, ...]:
        """Stems of the files of this table."""
        return self.names or (self.name,)
