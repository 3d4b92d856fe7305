"""Mathtext of the figures as HTML: the few commands that they use, an error for any other."""

from __future__ import annotations

import html
import re

#: Commands and what stands for them.
_SYMBOLS = {
    "beta": "β",
    "lambda": "λ",
    "psi": "ψ",
    "log": "log",
    "geq": "≥",
    "sim": "∼",
    "rm": "",
    ",": "\u2009",
    " ": " ",
}
_TOKEN = re.compile(r"\\mathbb\{(\w)\}|\\([a-zA-Z]+|.)|([_^])|([{}])|([^\\_^{}]+)")
_BLACKBOARD = {"R": "ℝ"}


def to_html(text: str) -> str:
    r"""Turn a label with mathtext between dollars into HTML with <i>, <sub> and <sup>.

    Raises
    ------
    ValueError
        If a command is not one of the figures', or braces or dollars do not match.

    Examples
    --------
    >>> to_html(r"$d^{p^*/2-1}$ < $\beta_{\rm fold}$")
    '<i>d</i><sup><i>p</i><sup>*</sup>/2−1</sup> &lt; β<sub>fold</sub>'
    """
    parts = re.split(r"(?<!\\)\$", text)
    if len(parts) % 2 == 0:
        raise ValueError(f"text must have its dollars in pairs, got {text!r}")
    out = []
    for place, part in enumerate(parts):
        out.append(_math(part) if place % 2 else html.escape(part, quote=False))
    return "".join(out).replace("\n", "<br>")


def _math(text: str) -> str:
    tokens = list(_TOKEN.finditer(text))
    pieces, rest = _group(tokens, 0, text)
    if rest < len(tokens):
        raise ValueError(f"text must have its braces in pairs, got {text!r}")
    return pieces


def _group(tokens: list[re.Match[str]], at: int, text: str) -> tuple[str, int]:
    """Return the HTML up to a closing brace or the end, and the place of what follows."""
    out: list[str] = []
    upright = False
    while at < len(tokens) and tokens[at][4] != "}":
        blackboard, command, script, brace, plain = tokens[at].groups()
        at += 1
        if script:
            piece, at = _argument(tokens, at, text)
            tag = "sub" if script == "_" else "sup"
            out.append(f"<{tag}>{piece}</{tag}>")
        elif brace:
            piece, at = _group(tokens, at, text)
            out.append(piece)
            at = _closed(tokens, at, text)
        elif blackboard:
            out.append(_symbol(_BLACKBOARD, blackboard, text))
        elif command:
            upright = upright or command == "rm"
            out.append(_symbol(_SYMBOLS, command, text))
        else:
            plain = plain.lstrip() if upright else plain
            out.append(plain if upright else _italic(plain))
    return "".join(out), at


def _argument(tokens: list[re.Match[str]], at: int, text: str) -> tuple[str, int]:
    """Return the HTML of what a sub- or superscript holds: a group, or one character."""
    if at >= len(tokens):
        raise ValueError(f"text must have something after _ and ^, got {text!r}")
    if tokens[at][4] == "{":
        piece, at = _group(tokens, at + 1, text)
        return piece, _closed(tokens, at, text)
    if tokens[at][5] and len(tokens[at][5]) > 1:
        plain = tokens[at][5]
        tokens[at : at + 1] = [
            match for part in (plain[0], plain[1:]) if (match := _TOKEN.match(part))
        ]
    piece, _ = _group(tokens[at : at + 1], 0, text)
    return piece, at + 1


def _closed(tokens: list[re.Match[str]], at: int, text: str) -> int:
    if at >= len(tokens):
        raise ValueError(f"text must have its braces in pairs, got {text!r}")
    return at + 1


def _symbol(known: dict[str, str], name: str, text: str) -> str:
    if name not in known:
        raise ValueError(f"text must use the commands {sorted(known)}, got {name!r} in {text!r}")
    return known[name]


def _italic(plain: str) -> str:
    """Letters in italics, hyphens as minus signs."""
    words = html.escape(plain, quote=False).replace("-", "\u2212")
    return re.sub(r"(?<![&\w])([a-zA-Z]+)(?!\w*;)", r"<i>\1</i>", words)
