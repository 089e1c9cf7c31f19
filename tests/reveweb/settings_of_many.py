"""`manage.py check` for many environments in one process, each in a fork of its own: from JSON to JSON.

What every start imports is imported once, and an environment that is refused costs hundredths of a second.
"""

import json
import os
import sys
import tempfile

import kombu  # noqa: F401 (the settings import these: imported once, for all)
import psycopg.conninfo  # noqa: F401

import manage
import reveweb.run.embedded  # noqa: F401 (likewise)


def main() -> None:
    answers = []
    for environment in json.load(sys.stdin):
        with tempfile.TemporaryFile("w+") as errors:
            child = os.fork()
            if child == 0:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                os.dup2(errors.fileno(), 2)
                os.environ |= environment
                sys.argv = ["manage.py", "check"]
                status = 70
                try:
                    manage.main()
                    status = 0
                except SystemExit as end:
                    status = 1 if isinstance(end.code, str) else int(end.code or 0)
                    print(end.code, file=sys.stderr, flush=True)
                finally:
                    os._exit(status)
            _, status = os.waitpid(child, 0)
            errors.seek(0)
            answers.append([os.waitstatus_to_exitcode(status), errors.read()])
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
