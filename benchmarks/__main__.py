"""`python -m benchmarks`, or `make bench`."""

import sys

from benchmarks.bench import main

sys.exit(main())
