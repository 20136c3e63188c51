"""Look for messages at which the decoder breaks a promise: python tests/fuzz/decoder.py

Each seed that is found is printed with what broke; the exit code is then 1.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from decoding_rules import check_answer  # noqa: E402
from seeds import search  # noqa: E402

if __name__ == "__main__":
    sys.exit(search(check_answer, __doc__, "answers", "broke a promise"))
