"""Look for streams that are not read as the standard says: python tests/fuzz/event_cutter.py

Each seed that is found is printed with what broke; the exit code is then 1.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from seeds import search  # noqa: E402
from sse_rules import check_stream  # noqa: E402

if __name__ == "__main__":
    sys.exit(search(check_stream, __doc__, "streams", "read wrongly"))
