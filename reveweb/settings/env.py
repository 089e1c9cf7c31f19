"""The environment and the `.env` file, read with names in its complaints."""

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent.parent


class Env(environ.Env):  # type: ignore[misc]  # django-environ has no types
    """The environment; a value of the wrong kind is told by its variable's name."""

    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, cast, *args, **kwargs)
        except ValueError:
            kind = getattr(cast, "__name__", str(cast))
            raise ImproperlyConfigured(f"{var} is set to something that is no {kind}.") from None


env = Env()


env_file = env.str("ENV_FILE", str(BASE_DIR / ".env"))
if env_file and Path(env_file).is_file():
    environ.Env.read_env(env_file)
