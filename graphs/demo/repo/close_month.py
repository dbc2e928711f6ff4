"""The month-end job: writes the statements of October and prints them for the mail room."""

import logging
import sys
import time

from service.statements import month_end

log = logging.getLogger("close_month")


def main():
    try:
        letters = month_end("2026-10", ["A-100", "A-200", "A-300"])
    except Exception:
        log.exception("month end failed")
        return 1
    print("\n\n".join(letters))
    return 0


if __name__ == "__main__":
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        format="%(asctime)s.%(msecs)03dZ\t%(levelname)s\t%(name)s\t%(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        level=logging.INFO,
    )
    sys.exit(main())
