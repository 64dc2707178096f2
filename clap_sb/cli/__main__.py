"""``python -m clap_sb.cli`` is ``clap-sb``."""

import sys

from clap_sb.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
