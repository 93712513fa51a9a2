"""``python -m stride_nb COMMAND``, the same as ``stride-nb COMMAND``."""

import sys

from stride_nb.cli import main

if __name__ == "__main__":
    sys.exit(main())
