"""A Space on this machine, wired like the public one and answered by a GGUF model.

Needs the extra `local` and Python 3.10; importing this module needs neither and does no work.
"""

from .errors import LocalSpaceError
from .space import Space, serve

__all__ = ["LocalSpaceError", "Space", "serve"]
