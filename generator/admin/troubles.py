"""What keeps upstreams from drawing, to read."""

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.read_only import ReadOnlyAdmin, breakable
from generator.models import UpstreamTrouble


@admin.register(UpstreamTrouble)
class UpstreamTroubleAdmin(ReadOnlyAdmin):
    empty_title = "No trouble"
    empty_words = (
        "An upstream that refuses this site’s key, or where its funds are gone, is listed here until it draws again."
    )
    list_display = ["host", "state", "since", "told_at", "next_try_at"]
    ordering = ["since"]

    @display(description="Upstream", ordering="upstream")
    def host(self, trouble: UpstreamTrouble) -> SafeString:
        return breakable(trouble.upstream)

    @display(description="Trouble", label=dict.fromkeys(UpstreamTrouble.Kind, "danger"))
    def state(self, trouble: UpstreamTrouble) -> tuple[str, str]:
        return trouble.kind, trouble.get_kind_display()
