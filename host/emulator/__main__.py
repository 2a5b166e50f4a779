"""``python -m host.emulator BOARD IMAGE``."""

import sys

from host.emulator.process import main

sys.exit(main())
