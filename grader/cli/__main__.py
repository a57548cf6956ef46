"""``python -m grader.cli``."""

import sys

from grader.cli.main import main

sys.exit(main())
