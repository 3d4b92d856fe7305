"""The patches of docs/extending fit the sources, and the page names every file that they touch.

`nox -s extend` applies them, builds, and runs their tests.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .source_files import ROOT, file_of

PATCHES = sorted((ROOT / "docs" / "extending").glob("*.patch"))


def files_of(patch: str) -> dict[str, list[list[str]]]:
    """The hunks of each file, as lists of lines with their first character."""
    files: dict[str, list[list[str]]] = {}
    for part in re.split(r"^diff --git ", patch, flags=re.MULTILINE)[1:]:
        name = re.match(r"a/(\S+) b/", part)
        assert name
        hunks = re.split(r"^@@ .*$\n?", part, flags=re.MULTILINE)[1:]
        files[name[1]] = [hunk.splitlines() for hunk in hunks]
    return files


def faults(patch: str) -> list[str]:
    """Files that are not there, or are although they should be made, and hunks that do not fit."""
    found = []
    for path, hunks in files_of(patch).items():
        place = file_of(path)
        if place is None:
            continue
        new = all(line.startswith("+") for hunk in hunks for line in hunk)
        if place.exists() == new:
            found.append(f"{path} is there" if new else f"no file {path}")
            continue
        text = "" if new else place.read_text(encoding="utf-8")
        for hunk in hunks:
            before = "".join(f"{line[1:]}\n" for line in hunk if line[:1] in (" ", "-"))
            if not new and text.count(before) != 1:
                found.append(
                    f"{path}: {before.count(chr(10))} lines fit {text.count(before)} times"
                )
    return found


def test_there_are_three() -> None:
    assert [path.stem for path in PATCHES] == ["link", "stepper", "targets"]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_a_patch_fits_the_sources(patch: Path) -> None:
    text = patch.read_text(encoding="utf-8")
    assert faults(text) == []
    planted = re.sub(r"^ (.+)$", r" \1 x", text, count=1, flags=re.MULTILINE)  # another context
    if file_of(next(iter(files_of(text)))) is not None:
        assert len(faults(planted)) == 1
        assert len(faults(text.replace("a/cpp/", "a/cp/").replace("a/docs/", "a/doc/"))) >= 1


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_the_page_names_every_file_of_a_patch(patch: Path) -> None:
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    section = page.split(f"[`{patch.name}`]")[1].split("\n## ")[0]
    named = set(re.findall(r"`((?:python|cpp|docs|tests)/[\w/]+\.\w+)`", section))
    touched = set(files_of(patch.read_text(encoding="utf-8")))
    assert touched <= named
    assert all(place is None or place.exists() for place in map(file_of, named - touched))
