"""What a run leaves behind: a table, data, figures, and one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import io
import json
import platform
import re
import textwrap
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ._figures import claim_figure
from ._files import whole
from .claims import CONFIDENCE, Claim
from .experiments._common import TIME_UNIT, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

__all__ = ["page", "svg", "table", "write"]

_HEADER = ("claim", "quantity", "theory", "measured", "holds")
_QUANTITY_WIDTH = 64
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))

_CSS = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 75rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { text-align: left; padding: 0.3rem 0.7rem; border-bottom: 1px solid #ddd; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
td.yes, td.no { font-weight: 600; } td.no { color: #a33200; } td.yes { color: #00634a; }
tr.fails { background: #fff1ea; }
figure { margin: 1rem 0; } figure img { width: 100%; height: auto; }
pre, code { font: 0.85rem/1.4 ui-monospace, monospace; }
pre { background: #f5f5f5; padding: 0.8rem; overflow-x: auto; white-space: pre-wrap; }
"""


def table(claims: Sequence[Claim]) -> str:
    """Format every row of every claim as plain text.

    Parameters
    ----------
    claims : sequence of Claim
        Results of `claims.run_claim`.
    """
    lines = [list(_HEADER)]
    for row in (row for claim in claims for row in claim.rows):
        words = textwrap.wrap(row.quantity, _QUANTITY_WIDTH) or [""]
        verdict = "yes" if row.holds else "NO"
        lines.append([f"({row.claim})", words[0], row.theory, row.measured, verdict])
        lines.extend(["", more, "", "", ""] for more in words[1:])
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADER))]
    lines.insert(1, ["-" * width for width in widths])
    text = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(text) + "\n"


def svg(figure: Figure) -> str:
    """Draw a figure as SVG text without a document type, dates or metadata.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to draw.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "hermiteflow", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    return re.sub(r"<!DOCTYPE[^>]*>\s*", "", buffer.getvalue())


def page(claims: Sequence[Claim], figures: Sequence[str], *, command: str, seed: int) -> str:
    """Compose the report: one HTML page that asks no other host for anything.

    Parameters
    ----------
    claims : sequence of Claim
        Results of `claims.run_claim`.
    figures : sequence of str
        SVG text of each claim's figure.
    command : str
        The command that made the run.
    seed : int
        Its seed.
    """
    count = sum(claim.holds for claim in claims)
    sections = []
    for claim, image in zip(claims, figures, strict=True):
        data = base64.b64encode(image.encode()).decode()
        configs = {
            name: {key: json.loads(ds.attrs[key]) for key in ("config", "seed")}
            for name, ds in claim.datasets.items()
        }
        sections.append(
            f"<h2>({claim.key}) {html.escape(claim.title)}: "
            f"{'holds' if claim.holds else 'does not hold'}</h2>\n"
            f'<figure><img alt="Figure of claim ({claim.key}): theory as lines, measurement as '
            f'points" src="data:image/svg+xml;base64,{data}"></figure>\n'
            f"<details><summary>Configuration</summary>"
            f"<pre>{html.escape(json.dumps(configs, indent=1))}</pre></details>"
        )
    known = {**versions(), **_tool_versions(), "platform": platform.platform()}
    listed = "\n".join(f"{name}: {value}" for name, value in known.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>hermiteflow: {count} of {len(claims)} claims hold</title>
<style>{_CSS}</style>
</head>
<body>
<h1>Gradient flow on Gaussian multi-index models: {count} of {len(claims)} claims hold</h1>
<p>Made by <code>{html.escape(command)}</code>, seed {seed}. Measured from the end states and events
of <code>hermiteflow.solve</code>; brackets are {100 * CONFIDENCE:g} % intervals. Times are
{html.escape(TIME_UNIT)}. The claims are those of Simsek, Bendjeddou, Hsu, <i>Learning Gaussian
Multi-Index Models with Gradient Flow: Time Complexity and Directional Convergence</i>, AISTATS
2025 (arXiv 2411.08798).</p>
{_html_table(claims)}
{"".join(sections)}
<h2>Versions</h2>
<pre>{html.escape(listed)}</pre>
</body>
</html>
"""


def _html_table(claims: Sequence[Claim]) -> str:
    head = "".join(f"<th>{name}</th>" for name in _HEADER)
    body = []
    for row in (row for claim in claims for row in claim.rows):
        verdict = '<td class="yes">yes</td>' if row.holds else '<td class="no">no</td>'
        opening = "<tr>" if row.holds else '<tr class="fails">'
        body.append(
            f"{opening}<td>({row.claim})</td>"
            f"<td>{html.escape(row.quantity)}</td><td>{html.escape(row.theory)}</td>"
            f'<td class="number">{html.escape(row.measured)}</td>{verdict}</tr>'
        )
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>" + "\n".join(body) + "</tbody></table>"


def _tool_versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("xarray", "matplotlib", "h5netcdf")}


def write(claims: Sequence[Claim], out: Path, *, command: str, seed: int) -> list[Path]:
    """Write data, figures, table and report; each file appears whole or not at all.

    Parameters
    ----------
    claims : sequence of Claim
        Results of `claims.run_claim`.
    out : pathlib.Path
        Existing folder.
    command : str
        The command that made the run.
    seed : int
        Its seed.

    Returns
    -------
    list of pathlib.Path
        What was written: ``report.html``, ``table.txt``, ``claims.json``, ``data/*.nc``,
        ``figures/*.svg`` and ``figures/*.png``.
    """
    written = []
    images = []
    for folder in ("data", "figures"):
        (out / folder).mkdir(exist_ok=True)
    for claim in claims:
        for name, ds in claim.datasets.items():
            path = out / "data" / f"claim_{claim.key}_{name}.nc"
            with whole(path) as part:
                ds.to_netcdf(part, engine="h5netcdf")
            written.append(path)
        figure = claim_figure(claim)
        images.append(svg(figure))
        stem = out / "figures" / f"claim_{claim.key}"
        written.append(_text(stem.with_suffix(".svg"), images[-1]))
        picture = stem.with_suffix(".png")
        with whole(picture) as part:
            figure.savefig(part, format="png", dpi=150)
        written.append(picture)
    rows = [asdict(row) for claim in claims for row in claim.rows]
    summary = {"command": command, "seed": seed, "versions": versions(), "rows": rows}
    written.append(_text(out / "claims.json", json.dumps(summary, indent=1) + "\n"))
    written.append(_text(out / "table.txt", table(claims)))
    report = page(claims, images, command=command, seed=seed)
    written.append(_text(out / "report.html", report))
    return written


def _text(path: Path, content: str) -> Path:
    with whole(path) as part:
        part.write_text(content, encoding="utf-8")
    return path
