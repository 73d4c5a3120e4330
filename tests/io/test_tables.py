"""Finding released files, reading them together, and the references between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from refsolve.core.errors import InputError
from refsolve.core.schema import ColumnSchema, TableForm, TableSchema
from refsolve.io import find_table, read_tables
from refsolve.io.find import SUFFIXES

PEOPLE = TableSchema(
    name="people",
    forms=(
        TableForm(
            columns=(
                ColumnSchema(name="id", type="str"),
                ColumnSchema(name="mother", type="str", missing=True, references="people.id"),
                ColumnSchema(name="site", type="int", optional=True),
            ),
            unique=("id",),
        ),
    ),
)
VISITS = TableSchema(
    name="visits",
    names=("visits_a", "visits_b"),
    forms=(
        TableForm(
            columns=(
                ColumnSchema(name="person", type="str", references="people.id"),
                ColumnSchema(name="site", type="int", optional=True, references="people.site"),
                ColumnSchema(name="day", type="int"),
            )
        ),
    ),
)
NOTES = TableSchema(
    name="notes",
    optional=True,
    forms=(TableForm(columns=(ColumnSchema(name="day", type="int", references="visits.day"),)),),
)
SCHEMAS = (PEOPLE, VISITS, NOTES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "people.tsv").write_text("id\tmother\nann\tNA\nbob\tann\n")
    (tmp_path / "visits_a.txt").write_text("person\tday\nann\t1\n")
    (tmp_path / "visits_b.tsv").write_text("person\tday\nbob\t2\n")
    return tmp_path


def complaint(folder: Path, *schemas: TableSchema) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_tables(folder, schemas or SCHEMAS)
    return [str(violation) for violation in caught.value.violations]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_is_found_with_any_suffix(tmp_path: Path, suffix: str) -> None:
    for name in ("donors" + suffix, "donors.bak", "donors_old.tsv", "other.tsv"):
        (tmp_path / name).touch()
    assert find_table(tmp_path, "donors") == tmp_path / f"donors{suffix}"


def test_absent_file_and_a_near_miss(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"donors: expected a file donors\.tsv\.gz .*there are \[\]"
    ):
        find_table(tmp_path, "donors")
    (tmp_path / "Donor.csv.gz").touch()
    with pytest.raises(InputError, match=r"perhaps 'Donor\.csv\.gz' is meant"):
        find_table(tmp_path, "donors")


def test_two_candidates(tmp_path: Path) -> None:
    (tmp_path / "donors.tsv").touch()
    (tmp_path / "donors.csv").touch()
    with pytest.raises(InputError, match=r"there are donors\.tsv and donors\.csv; keep one"):
        find_table(tmp_path, "donors")


def test_absent_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found No such file or directory, expected a folder with"):
        find_table(tmp_path / "nowhere", "donors")


def test_tables_by_stem(folder: Path) -> None:
    tables = read_tables(folder, SCHEMAS)
    assert list(tables) == ["people", "visits_a", "visits_b"]
    assert tables["visits_b"].frame["person"].tolist() == ["bob"]
    (folder / "notes.tsv").write_text("day\n2\n1\n")
    assert list(read_tables(folder, SCHEMAS)) == ["people", "visits_a", "visits_b", "notes"]


def test_everything_wrong_in_all_files_is_told_file_by_file(folder: Path) -> None:
    (folder / "people.tsv").write_text("id\tmother\nann\tNA\nann\teve\n")
    (folder / "visits_a.txt").unlink()
    (folder / "visits_b.tsv").write_text("person\tday\nNA\tx\n")
    (folder / "notes.tsv").write_text("day\n")
    found = complaint(folder)
    assert [line.split(":")[0] for line in found] == [
        "people.tsv, column 'id', row 3",
        "visits_a",
        "visits_b.tsv, column 'person', row 2",
        "visits_b.tsv, column 'day', row 2",
        "notes.tsv",
    ]


def test_reference_to_another_file(folder: Path) -> None:
    (folder / "visits_a.txt").write_text("person\tday\nann\t1\n\nanna\t2\nanna\t3\n")
    (found,) = complaint(folder)
    assert found == (
        "visits_a.txt, column 'person', row 4: found 'anna', expected a value that stands in "
        "column 'id' of people.tsv; perhaps 'ann' is meant; row 5 is wrong in the same way."
    )


def test_reference_inside_a_file_passes_over_missing_values(folder: Path) -> None:
    (folder / "people.tsv").write_text("id\tmother\nann\t.\nbob\tzoe\n")
    (found,) = complaint(folder, PEOPLE)
    assert found.startswith("people.tsv, column 'mother', row 3: found 'zoe', expected a value")


def test_reference_to_several_files_of_one_shape(folder: Path) -> None:
    (folder / "notes.tsv").write_text("day\n1\n9\n")
    (found,) = complaint(folder)
    assert "row 3: found 9, expected a value that stands in column 'day'" in found
    assert "visits_a.txt or visits_b.tsv" in found


def test_reference_to_one_of_several_files(folder: Path) -> None:
    column = ColumnSchema(name="day", type="int", references="visits_a.day")
    notes = TableSchema(name="notes", forms=(TableForm(columns=(column,)),))
    (folder / "notes.tsv").write_text("day\n1\n2\n")
    (found,) = complaint(folder, PEOPLE, VISITS, notes)
    assert "found 2, expected a value that stands in column 'day' of visits_a.txt" in found


def test_reference_to_an_absent_column_or_a_broken_file_is_not_judged(folder: Path) -> None:
    (folder / "visits_b.tsv").write_text("person\tday\tsite\nbob\t2\t5\n")
    assert len(read_tables(folder, SCHEMAS)) == 3
    (folder / "people.tsv").write_text("id\n")
    assert all(line.startswith("people.tsv") for line in complaint(folder))


def test_number_and_text_columns_are_compared_as_text(tmp_path: Path) -> None:
    wells = TableSchema(
        name="wells", forms=(TableForm(columns=(ColumnSchema(name="well", type="int"),)),)
    )
    column = ColumnSchema(
        name="well", type="category", values=("1", "2", "3"), references="wells.well"
    )
    reads = TableSchema(name="reads", forms=(TableForm(columns=(column,)),))
    (tmp_path / "wells.tsv").write_text("well\n1\n2\n")
    (tmp_path / "reads.tsv").write_text("well\n2\n1\n")
    assert set(read_tables(tmp_path, (wells, reads))) == {"wells", "reads"}
    (tmp_path / "reads.tsv").write_text("well\n2\n3\n")
    (found,) = complaint(tmp_path, wells, reads)
    assert "row 3: found '3'" in found


def test_folder_under_the_name_of_a_table(folder: Path) -> None:
    (folder / "notes.tsv").mkdir()
    (found,) = complaint(folder)
    assert found.startswith("notes.tsv: found a folder, expected a file")
