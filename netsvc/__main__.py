"""C{python -m netsvc}: the same as the C{netsvc} command."""

import sys

from netsvc.cli import main

if __name__ == "__main__":
    sys.exit(main())
