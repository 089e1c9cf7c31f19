"""What keeps the upstream from drawing that only the operator can mend."""

from generator.models import UpstreamTrouble


def note(error: Exception) -> None:
    """Note that the upstream refuses us."""


def clear() -> None:
    """Note that it draws again."""


def current() -> UpstreamTrouble | None:
    """Return what keeps it from drawing, None when nothing does."""
    return None


def may_try() -> bool:
    """Tell whether one image may be sent as a trial now."""
    return True
