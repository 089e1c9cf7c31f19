"""A process that runs `manage.py` commands one after the other: Python and Django start once instead of each time.

Reads a JSON list of arguments on each line of standard input and answers each with `{"status", "output", "error"}`.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

from django.core.management import ManagementUtility


def main() -> None:
    """Serve until standard input ends."""
    for line in sys.stdin:
        output, error = io.StringIO(), io.StringIO()
        status = 0
        with redirect_stdout(output), redirect_stderr(error):
            try:
                ManagementUtility(["manage.py", *json.loads(line)]).execute()
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
            except Exception as trouble:  # a traceback would end the process for the commands after it
                error.write(repr(trouble))
                status = 1
        answer = {"status": status, "output": output.getvalue(), "error": error.getvalue()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
