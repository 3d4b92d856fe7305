"""Make `oracles` importable from every test, from the sources or away from them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
