"""Tables as data: which columns a released file has and what may stand in them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

ColumnType = Literal["int", "float", "str", "category", "bool"]


class Strict(BaseModel):
    """Model that refuses unknown keys, NaN, and silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class ColumnSchema(Strict):
    """One column of a table.

    Attributes
    ----------
    name
        Canonical name.
    aliases
        Other names that mean the same.
    type
        What a value is.
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
        return self


class TableForm(Strict):
    """One shape that a table may have.

    Attributes
    ----------
    columns
        The columns.
    unique
        Columns that together name a row; no two rows may share them.
    """

    columns: tuple[ColumnSchema, ...] = Field(min_length=1, strict=False)
    unique: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _known(self) -> TableForm:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"a column name is given twice among {names}")
        for name in (*self.unique, *(c.at_most for c in self.columns if c.at_most)):
            if name not in names:
                raise ValueError(f"{name!r} is not a column of this table")
        return self


class TableSchema(Strict):
    """A released file, or several of the same shape.

    Attributes
    ----------
    name
        Name of the table in the problem.
    names
        Stems of the files; the name alone when empty.
    format
        How the file is written.
    forms
        Shapes that the file may have; the first whose required columns are present is used.
    optional
        The file may be absent.
    min_rows
        Fewest records that make sense.
    """

    name: str
    names: tuple[str, ...] = Field(default=(), strict=False)
    format: Literal["tsv", "csv", "npz"] = "tsv"
    forms: tuple[TableForm, ...] = Field(min_length=1, strict=False)
    optional: bool = False
    min_rows: int = 1
    description: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """Stems of the files of this table."""
        return self.names or (self.name,)
