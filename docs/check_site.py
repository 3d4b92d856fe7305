"""Check a built site: nothing is fetched from elsewhere, local links exist, equations keep numbers.

Usage: python docs/check_site.py docs/_build
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

EQUATIONS = 13


class Page(HTMLParser):
    """Collects what a page loads, where it links to, and the ids it defines."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Sort one tag's addresses into loads and links."""
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("canonical", "author"):
            self.loads.append(values.get("href", ""))
        elif "src" in values:
            self.loads.append(values["src"])


def faults(site: Path) -> list[str]:
    """All faults of the site, one line each."""
    found = []
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for address in page.loads + page.links:
            parts = urlsplit(address)
            if parts.scheme == "data" or (parts.scheme and address in page.links):
                continue
            if parts.scheme or parts.netloc:
                found.append(f"{name}: loads {address} from another host")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{name}: {address} does not exist")
            elif target in pages and unquote(parts.fragment) not in pages[target].ids | {""}:
                found.append(f"{name}: {address} has no such anchor")
    for style in site.rglob("*.css"):
        for address in re.findall(
            r"(?:@import|url\()\s*[\"']?(https?:[^\"')]+)", style.read_text()
        ):
            found.append(f"{style.relative_to(site)}: loads {address} from another host")
    mathematics = (site / "mathematics.html").read_text(encoding="utf-8")
    for number in range(1, EQUATIONS + 1):
        at = mathematics.find(f'id="equation-eq-{number}"')
        if at < 0 or not re.search(rf'class="eqno">\({number}\)', mathematics[at : at + 200]):
            found.append(
                f"mathematics.html: equation eq-{number} does not bear the number {number}"
            )
    return found


def main(argv: list[str]) -> int:
    """Print the faults; the exit status is 1 if there are any."""
    site = Path(argv[1])
    found = faults(site)
    for line in found:
        print(line)
    print(f"{site}: {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
