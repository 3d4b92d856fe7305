"""Whether a name of the package is public, for tests of documents and examples."""

from __future__ import annotations

import hermiteflow as hf


def is_public(name: str) -> bool:
    """Tell whether a documented name leads to it; below a class, any attribute will do."""
    value: object = hf
    for part in name.split("."):
        listed = getattr(value, "__all__", None)
        extra = ("experiments", "plot") if value is hf else ()
        if listed is not None and part not in (*listed, *extra):
            return False
        if part.startswith("_") or not hasattr(value, part):
            return False
        value = getattr(value, part)
    return True
