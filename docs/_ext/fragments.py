"""Parts of pages that are written from the package itself: problems, certificates, benchmarks.

They go to `docs/_build/generated` before the sources are read; pages include them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "docs" / "_build" / "generated"
RESULTS = ROOT / "benchmarks" / "results"


def write_all() -> None:
    """Write every fragment."""
    import refsolve

    TARGET.mkdir(parents=True, exist_ok=True)
    for problem in refsolve.list():
        described = refsolve.describe(problem.name)
        _write(f"{problem.name}.contract", contract(described))
        _write(f"{problem.name}.decisions", decisions(described))
        _write(f"{problem.name}.knobs", knobs(described))
        _write(f"{problem.name}.certificate", certificate(problem.name))
    for kind in ("speed", "accuracy"):
        _write(f"benchmarks.{kind}", benchmark(kind))


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def contract(described: dict[str, Any]) -> str:
    """Question, files, parameters and answer."""
    lines = [*(f"> {line}" for line in described["question"].strip().splitlines()), ""]
    lines += ["## Files", ""]
    for table in described["file"]:
        names = " and ".join(f"`{name}`" for name in table["names"] or [table["name"]])
        lines += [f"{names} ({table['format']}): {_sentence(table['description'])}", ""]
        for i, form in enumerate(table["forms"]):
            lines += ["or:", ""] if i else []
            lines += [*markdown(("column", "type", "meaning"), map(_column, form["columns"])), ""]
            if form["matrices"]:
                head = ("matrix", "rows × columns", "type", "meaning")
                lines += [*markdown(head, map(_matrix, form["matrices"])), ""]
    if described["parameters"]:
        rows = [
            (f"`{p['key']}`", _plain(p["value"]), p["description"]) for p in described["parameters"]
        ]
        lines += ["Given with the question:", ""]
        lines += [*markdown(("parameter", "value", "meaning"), rows), ""]
    lines += [
        "## Answer",
        "",
        *markdown(("key", "accepted", "estimand"), map(_answer, described["answer"])),
    ]
    return "\n".join(lines)


def decisions(described: dict[str, Any]) -> str:
    """Every decision with its choices."""
    lines = []
    for item in described["decisions"]:
        lines += [f"### {item['key']}", "", item["question"], ""]
        rows = []
        for choice in item["choices"]:
            effect = choice["effect"].removeprefix("Wrong: ").removeprefix("Defensible: ")
            rows.append((f"`{choice['name']}`", choice["kind"], _sentence(effect)))
        lines += [*markdown(("choice", "kind", "what it does"), rows), ""]
    return "\n".join(lines)


def knobs(described: dict[str, Any]) -> str:
    """Settings of the generator."""
    rows = [(f"`{k['key']}`", f"`{k['default']}`", k["description"]) for k in described["knobs"]]
    return "\n".join(markdown(("knob", "default", "meaning"), rows))


def certificate(name: str) -> str:
    """Table and figure of the stored certificate, or how to make one."""
    found = sorted((ROOT / "benchmarks").glob(f"**/{name}/certificate.json"))
    if not found:
        return f"No certificate is stored. `refsolve certify {name} --out DIR` makes one.\n"
    folder = found[0].parent
    stored = json.loads(found[0].read_text(encoding="utf-8"))
    verdict = "certified" if stored["passed"] else "**not** certified"
    lines = [f"Over {stored['seeds']} generated cases the problem is {verdict}.", ""]
    lines += [f"- {reason}" for reason in (*stored["reasons"], *stored["notes"])]
    lines += [
        "",
        *_figure(folder / "pass_rates.svg", f"{name}.pass_rates", "Pass rate per path"),
        "",
    ]
    rows = [_path_row(row) for row in stored["rows"] if "," not in row["path"]]
    head = ("path", "passed", "95 % interval", "bias", "RMSE", "coverage", "seconds", "verdict")
    lines += [*compact(head, rows), "", *_pairs(stored["rows"])]
    for key, item in stored["tolerances"].items():
        lines += [
            f"Tolerance of `{key}`: {item['present']:g}; "
            f"recommended {_number(item['recommended'])} (four times the error of the reference "
            f"is {_number(item['four_sd_of_reference'])}, the smallest wrong error "
            f"{_number(item['smallest_wrong_error'])}, of "
            f"`{item['nearest_wrong_path'] or 'none'}`).",
            "",
        ]
    return "\n".join(lines)


def _pairs(rows: list[dict[str, Any]]) -> list[str]:
    """How pairs of deviations with a wrong turn did, and which of them pass."""
    pairs = [row for row in rows if "," in row["path"] and row["kind"] == "wrong"]
    if not pairs:
        return []
    passing = sorted((r for r in pairs if r["verdict"] != "ok"), key=lambda r: -r["rate"])
    told = (
        f"Of {len(pairs)} pairs of deviations with a wrong turn, {len(pairs) - len(passing)} pass "
    )
    listed = [(f"`{r['path']}`", f"{r['rate']:.1%}", r["verdict"]) for r in passing]
    table = compact(("pair", "passed", "verdict"), listed) if listed else []
    return [
        f"{told}in at most 5 % of the cases{'; the others:' if listed else '.'}",
        "",
        *table,
        "",
    ]


def _path_row(row: dict[str, Any]) -> tuple[str, ...]:
    key = next(iter(row["keys"]), {})
    numbers = [_number(key.get(name)) for name in ("bias", "rmse", "coverage")]
    rate = f"{row['rate']:.1%} ({row['passed']}/{row['n']})"
    interval = f"{row['low']:.1%} to {row['high']:.1%}"
    path = f"`{row['path'] or 'reference'}`"
    return (path, rate, interval, *numbers, _number(row["seconds"]), row["verdict"])


def benchmark(kind: str) -> str:
    """Tables and figures of the stored results of one kind, one section per method."""
    lines: list[str] = []
    for path in sorted((RESULTS / kind).glob("*.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        lines += [f"### {stored['method']}", "", f"`{stored['command']}`", ""]
        lines += _figure(path.with_suffix(".svg"), f"{kind}.{path.stem}", f"{kind} of {path.stem}")
        for table in stored["tables"].values():
            lines += ["", f"**{table['title']}**", "", *_records(table["rows"])]
        lines += ["", *(f"- {note}" for note in stored["notes"]), ""]
    return "\n".join(lines) or f"No results are stored. `python -m benchmarks {kind}` makes them.\n"


def _records(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["No rows."]
    names = [name for name in rows[0] if name != "verdict"]
    values = [[_value(row[name]) for name in names] for row in rows]
    if "verdict" in rows[0]:
        names = [names[0], "verdict", *names[1:], "reason"]
        for cells, row in zip(values, rows, strict=True):
            cells.insert(1, row["verdict"]["status"])
            cells.append(row["verdict"]["reason"])
    return compact([name.replace("_", " ") for name in names], values)


def compact(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table of many columns, in small print; the last column may wrap."""
    return ["::::{container} results", "", *markdown(head, rows), "", "::::"]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    safe = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *safe]]


def _column(column: dict[str, Any]) -> tuple[str, str, str]:
    rules = [column["description"]] if column["description"] else []
    rules += [f"one of {', '.join(column['values'])}"] if column["values"] else []
    rules += _bounds(column)
    rules += [f"at most `{column['at_most']}`"] if column["at_most"] else []
    rules += ["may be empty"] if column["missing"] else []
    rules += ["may be absent"] if column["optional"] else []
    names = _names(column)
    if column["pattern"]:
        names = f"{column['min_columns']} or more columns that match `{column['pattern']}`"
    return names, _type(column), "; ".join(rules)


def _matrix(matrix: dict[str, Any]) -> tuple[str, str, str, str]:
    rules = [matrix["description"]] if matrix["description"] else []
    rules += _bounds(matrix)
    code = "" if matrix["missing_code"] is None else f" or {matrix['missing_code']:g}"
    rules += [f"missing as NaN{code}"] if matrix["missing"] else []
    rules += ["may be absent"] if matrix["optional"] else []
    shape = f"`{matrix['rows']}` × `{matrix['columns']}`"
    return _names(matrix), shape, _type(matrix), "; ".join(rules)


def _names(item: dict[str, Any]) -> str:
    return " or ".join(f"`{name}`" for name in [item["name"], *item["aliases"]])


def _type(item: dict[str, Any]) -> str:
    return item["type"] + (f" ({item['unit']})" if item["unit"] else "")


def _bounds(item: dict[str, Any]) -> list[str]:
    words = {"min": "at least", "above": "above", "max": "at most", "below": "below"}
    return [f"{word} {item[key]:g}" for key, word in words.items() if item[key] is not None]


def _answer(answer: dict[str, Any]) -> tuple[str, str, str]:
    accepted = " or ".join(f'"{value}"' for value in answer.get("values") or ())
    if answer.get("tolerance"):
        accepted = f"± {answer['tolerance']:g} {answer.get('unit', '')}".strip()
    truth = f"truth is the {answer['truth']}" if answer.get("truth") else ""
    return f"`{answer['key']}`", accepted, "; ".join(filter(None, (answer["estimand"], truth)))


def _figure(source: Path, name: str, text: str) -> list[str]:
    if not source.is_file():
        return []
    shutil.copyfile(source, TARGET / f"{name}.svg")
    return [f"![{text}](/_build/generated/{name}.svg)"]


def _value(value: Any) -> str:
    return _number(value) if isinstance(value, float) else "" if value is None else str(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].upper() + text[1:] + "."


def _write(name: str, text: str) -> None:
    path = TARGET / f"{name}.md"
    if not path.is_file() or path.read_text(encoding="utf-8") != text + "\n":
        path.write_text(text + "\n", encoding="utf-8")
