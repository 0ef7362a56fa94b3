"""What the launchers start: `run.py prolog|epilog|health|node|check-tree`. The code is the tree that this file is in.

The real path is taken once, so that a switch to another generation never mixes the code of two.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from aami_slurm.entry import main  # noqa: E402 - there is nothing to import before the path is known

sys.exit(main(sys.argv[1:]))
