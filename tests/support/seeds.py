"""The loop of the scripts in `tests/fuzz`: a check, with one seed after the other."""

import argparse
import random
import time
import traceback


def search(check, description, what, broke):
    """Run the check for the seconds that the arguments say; returns the exit code.

    Each of the first seeds that is found is printed with what broke.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="the first one")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds
    seed = arguments.seed
    found = 0
    while time.monotonic() < end:
        try:
            check(random.Random(seed))
        except Exception:  # whatever it is, it is what is looked for
            found += 1
            if found <= 20:
                print(f"seed {seed}:\n{traceback.format_exc(limit=-3)}")
        seed += 1
    print(f"seeds from {arguments.seed}: {seed - arguments.seed} {what}, {found} {broke}")
    return 1 if found else 0
