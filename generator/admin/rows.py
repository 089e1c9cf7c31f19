"""What the pages of models, upstreams and routes have in common: rows are added and changed, each time on record."""

from typing import Any, ClassVar

from django.db.models import Model
from django.http import HttpRequest
from unfold.decorators import display

from accounts.read_only import ListAdmin
from accounts.viewer import user_of
from generator.admin.forms import StaffForm
from generator.upstreams import staff


class StaffAdmin(ListAdmin):
    """Rows that tries and images name, so that nobody deletes one; what is not active is not used."""

    actions: Any = []
    list_fullwidth = True
    once: ClassVar[list[str]] = []  # what is chosen as the row is added, and stays
    written: ClassVar[list[str]] = []  # the form's own fields, which nobody reads back
    told: ClassVar[list[str]] = []  # what stands in their place for who only looks

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*(self.once if obj else []), *super().get_readonly_fields(request, obj)]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Leave out what only a form has where there is none."""
        changes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        hidden = self.told if changes else self.written
        kept = [
            (name, {**options, "fields": [each for each in options["fields"] if each not in hidden]})
            for name, options in super().get_fieldsets(request, obj)
        ]
        return [(name, options) for name, options in kept if options["fields"]]

    @display(description="In use", ordering="is_active", boolean=True)
    def in_use(self, row: Any) -> bool:
        return bool(row.is_active)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: StaffForm, change: bool) -> None:
        staff.save(actor=user_of(request), row=obj, reason=form.cleaned_data["reason"])
