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
from ._interactive import panels
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
.panels { display: grid; gap: 0.5rem 1.5rem;
          grid-template-columns: repeat(auto-fit, minmax(min(23rem, 100%), 1fr)); }
.panels section { min-width: 0; }
.panels h3 { font-size: 0.95rem; font-weight: 500; margin: 0.8rem 0 0; }
.wide { overflow-x: auto; }
@media (max-width: 45rem) {
  th, td { padding: 0.25rem 0.35rem; } td.number { white-space: normal; }
}
pre, code { font: 0.85rem/1.4 ui-monospace, monospace; }
pre { background: #f5f5f5; padding: 0.8rem; overflow-x: auto; white-space: pre-wrap; }
"""
#: Draws each panel from the JSON that stands in it.
_DRAW = """
for (const box of document.querySelectorAll(".panel")) {
  const {data, layout} = JSON.parse(box.firstElementChild.textContent);
  const name = "hermiteflow-" + box.id;
  Plotly.newPlot(box, data, layout, {
    responsive: true, displaylogo: false, doubleClick: "reset", plotlyServerURL: "",
    toImageButtonOptions: {format: "svg", filename: name},
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  });
}
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


def page(
    claims: Sequence[Claim],
    figures: Sequence[Figure],
    images: Sequence[str],
    *,
    command: str,
    seed: int,
) -> str:
    """Compose the report: one HTML page that asks no other host for anything.

    Its figures can be zoomed and tell their numbers under the pointer, by plotly.js inside the
    page; without scripts the vector figures show instead.

    Parameters
    ----------
    claims : sequence of Claim
        Results of `claims.run_claim`.
    figures : sequence of matplotlib.figure.Figure
        Each claim's figure.
    images : sequence of str
        The same as SVG text.
    command : str
        The command that made the run.
    seed : int
        Its seed.
    """
    count = sum(claim.holds for claim in claims)
    sections = "".join(_section(*part) for part in zip(claims, figures, images, strict=True))
    known = {**versions(), **_tool_versions(), "platform": platform.platform()}
    listed = "\n".join(f"{name}: {value}" for name, value in known.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data: blob:; style-src 'unsafe-inline';
 script-src 'unsafe-inline'">
<title>hermiteflow: {count} of {len(claims)} claims hold</title>
<style>{_CSS}</style>
<script>{_plotly()}</script>
</head>
<body>
<h1>Gradient flow on Gaussian multi-index models: {count} of {len(claims)} claims hold</h1>
<p>Made by <code>{html.escape(command)}</code>, seed {seed}. Measured from the end states and events
of <code>hermiteflow.solve</code>; brackets are {100 * CONFIDENCE:g} % intervals. Times are
{html.escape(TIME_UNIT)}. Claims (a) to (e) are those of Simsek, Bendjeddou, Hsu, <i>Learning
Gaussian Multi-Index Models with Gradient Flow: Time Complexity and Directional Convergence</i>,
AISTATS 2025 (arXiv 2411.08798); the others go beyond them.</p>
<p>Drag in a figure to zoom, double-click to go back, click in a legend to hide what it names.</p>
<div class="wide">{_html_table(claims)}</div>
{sections}
<h2>Versions</h2>
<pre>{html.escape(listed)}</pre>
<script>{_DRAW}</script>
</body>
</html>
"""


def _section(claim: Claim, figure: Figure, image: str) -> str:
    """One claim: its figure for the eye and for scripts, and how it was made."""
    data = base64.b64encode(image.encode()).decode()
    configs = {
        name: {key: json.loads(ds.attrs[key]) for key in ("config", "seed")}
        for name, ds in claim.datasets.items()
    }
    boxes = "".join(
        f'<section><h3>{panel.pop("title")}</h3><div class="panel" id="panel-{claim.key}{i}">'
        f'<script type="application/json">{_json(panel)}</script></div></section>\n'
        for i, panel in enumerate(panels(figure.axes))
    )
    return (
        f"<h2>({claim.key}) {html.escape(claim.title)}: "
        f"{'holds' if claim.holds else 'does not hold'}</h2>\n"
        f'<div class="panels">{boxes}</div>\n'
        f'<noscript><figure><img alt="Figure of claim ({claim.key}): theory as lines, measurement '
        f'as points" src="data:image/svg+xml;base64,{data}"></figure></noscript>\n'
        f"<details><summary>Configuration</summary>"
        f"<pre>{html.escape(json.dumps(configs, indent=1))}</pre></details>"
    )


def _json(value: object) -> str:
    """JSON that ends no script element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _plotly() -> str:
    """plotly.js, which comes with plotly and stands in the page as it is."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")


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
    return {name: metadata.version(name) for name in ("xarray", "matplotlib", "plotly", "h5netcdf")}


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
        ``figures/*.svg`` and ``figures/*.pdf``.
    """
    written = []
    figures = []
    images = []
    import matplotlib as mpl

    for folder in ("data", "figures"):
        (out / folder).mkdir(exist_ok=True)
    for claim in claims:
        for name, ds in claim.datasets.items():
            path = out / "data" / f"claim_{claim.key}_{name}.nc"
            with whole(path, int(1.1 * ds.nbytes) + (1 << 18)) as part:
                ds.to_netcdf(part, engine="h5netcdf")
            written.append(path)
        figure = claim_figure(claim)
        figures.append(figure)
        images.append(svg(figure))
        stem = out / "figures" / f"claim_{claim.key}"
        written.append(_text(stem.with_suffix(".svg"), images[-1]))
        drawing = stem.with_suffix(".pdf")
        with whole(drawing) as part, mpl.rc_context({"pdf.fonttype": 42}):
            figure.savefig(part, format="pdf", metadata={"CreationDate": None})
        written.append(drawing)
    rows = [asdict(row) for claim in claims for row in claim.rows]
    summary = {"command": command, "seed": seed, "versions": versions(), "rows": rows}
    written.append(_text(out / "claims.json", json.dumps(summary, indent=1) + "\n"))
    written.append(_text(out / "table.txt", table(claims)))
    report = page(claims, figures, images, command=command, seed=seed)
    written.append(_text(out / "report.html", report))
    return written


def _text(path: Path, content: str) -> Path:
    with whole(path) as part:
        part.write_text(content, encoding="utf-8")
    return path
