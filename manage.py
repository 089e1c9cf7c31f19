#!/usr/bin/env python
"""The operator's door: `.venv/bin/python manage.py help` lists the commands."""

import os
import select
import signal
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from reveweb.doctor import telling

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2


def main() -> None:
    """Run a command. One that is interrupted, or whose reader has seen enough, ends as quietly as other tools do."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")
    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            for stream in (sys.stdout, sys.stderr):  # here, for Python complains when it finds out at its very end
                stream.flush()
    except ImproperlyConfigured as error:
        if sys.argv[1:2] == ["doctor"]:
            sys.exit(telling.unread(error, sys.argv[2:], sys.stdout))
        sys.exit(f"reveweb: {error}")
    except OperationalError as error:  # it cannot be reached, refuses us, or is not migrated yet
        sys.exit(f"reveweb: The database does not do what is asked: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        _end(signal.SIGINT)
    except BrokenPipeError:
        if not _drop_unread():  # it was a connection of the command's own, which says more with its traceback
            raise
        _end(signal.SIGPIPE)


def _end(cause: signal.Signals) -> None:
    """End with the status by which a shell knows the signal, after all that is to be done at the end."""
    sys.exit(128 + cause)


def _drop_unread() -> bool:
    """Let go of the outputs that nobody reads any more, and tell whether there were any.

    SIGPIPE itself stays ignored: it would end a command whose database or Redis has hung up.
    """
    unread = [output for output in (STANDARD_OUTPUT, STANDARD_ERROR) if _is_unread(output)]
    for output in unread:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return bool(unread)


def _is_unread(output: int) -> bool:
    watch = select.poll()
    watch.register(output, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))


if __name__ == "__main__":
    main()
