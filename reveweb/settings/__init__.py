"""Every setting of reveweb, each read from the environment; docs/configuration.md describes them all.

The defaults run everything on one machine with nothing else installed. Setting `REVE_API_KEY` leaves the
sandbox: from then on, with `DEBUG` off, the process is in production and refuses to start without its secrets.

The modules read top to bottom, each from those above it.
"""

# ruff: noqa: F403, F405, I001 (Django wants all settings in one module; the order is the order of reading)
from reveweb.settings.env import *
from reveweb.settings.where import *
from reveweb.settings.data import *
from reveweb.settings.backups import *
from reveweb.settings.people import *
from reveweb.settings.work import *
from reveweb.settings.money import *
from reveweb.settings.pages import *
from reveweb.settings.admin import *
from reveweb.settings.logs import *

# The variables that are the installation's own, which nothing else is to be found under.
ENVIRONMENT_READ = tuple(sorted(env.read))
