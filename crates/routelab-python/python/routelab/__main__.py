"""The program: `python -m routelab run experiment.toml`."""

import signal
import sys

from ._routelab import main as _main


def main() -> int:
    # The program is stopped as every other one: at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
