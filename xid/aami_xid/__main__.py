"""`python3 aami-xid.pyz`, and `python3 -m aami_xid` where the package lies beside its catalogue."""

import sys

from aami_xid.guide.tool import main

if __name__ == "__main__":
    sys.exit(main())
