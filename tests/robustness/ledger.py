"""What was called, how often it gave an answer and how often an error, by public name."""

from __future__ import annotations

from collections import Counter

#: (public name, "answers" or "errors") -> number of calls.
COUNTS: Counter[tuple[str, str]] = Counter()


def merge(counts: dict[str, int]) -> None:
    """Add what another process counted."""
    for key, number in counts.items():
        name, _, what = key.rpartition("|")
        COUNTS[name, what] += number


def portable() -> dict[str, int]:
    return {f"{name}|{what}": number for (name, what), number in COUNTS.items()}


def table() -> list[str]:
    """Lines of the table, with the sums last."""
    names = sorted({name for name, _ in COUNTS})
    width = max(map(len, names), default=0)
    answers, errors = (sum(COUNTS[name, what] for name in names) for what in ("answers", "errors"))
    rows = [(name, COUNTS[name, "answers"], COUNTS[name, "errors"]) for name in names]
    rows.append(("sum", answers, errors))
    lines = [f"{'function':<{width}}  answers  errors"]
    lines += [f"{name:<{width}}  {right:7}  {wrong:6}" for name, right, wrong in rows]
    lines.append(f"{answers + errors} cases: {answers} answers checked, {errors} errors")
    return lines
