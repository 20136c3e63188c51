"""Look for streams that are not read as the standard says: python tests/fuzz/event_cutter.py

Each seed that is found is printed with what broke; the exit code is then 1.
"""

import argparse
import random
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from sse_rules import check_stream  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="the first one")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds
    seed = arguments.seed
    found = 0
    while time.monotonic() < end:
        try:
            check_stream(random.Random(seed))
        except Exception:  # whatever it is, it is what is looked for
            found += 1
            if found <= 20:
                print(f"seed {seed}:\n{traceback.format_exc(limit=-3)}")
        seed += 1
    print(f"seeds from {arguments.seed}: {seed - arguments.seed} streams, {found} read wrongly")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
