"""Grants from a CSV: read, shown in a preview, and applied all together or not at all.

Each line names its own reference, under which its grant happens once: applying a file again changes nothing.
"""

import base64
import binascii
import zlib
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from import_export import fields, resources
from import_export.admin import ImportMixin
from import_export.formats.base_formats import CSV
from import_export.instance_loaders import BaseInstanceLoader
from import_export.results import Result, RowResult
from import_export.tmp_storages import BaseStorage
from tablib import Dataset
from unfold.contrib.import_export.forms import ImportForm

from accounts.models import User
from billing import ledger
from billing.models import CreditEntry, Wallet
from billing.staff import acts, roles

COLUMNS = ("email", "credits", "reason", "reference")
MAX_LINES = 1000
MAX_BYTES = 1024 * 1024
REFERENCE_MAX_LENGTH = 150


class CarriedFile(BaseStorage):
    """Keeps the file in the confirmation's own form: nothing lies on a disk between preview and confirmation, and
    whichever web process answers has it."""

    def save(self, data: bytes) -> None:
        self.name = base64.urlsafe_b64encode(zlib.compress(data)).decode()

    def read(self) -> bytes:
        try:
            return zlib.decompressobj().decompress(base64.urlsafe_b64decode(self.name), MAX_BYTES)
        except (binascii.Error, zlib.error) as error:
            raise SuspiciousOperation("The confirmation carries no file.") from error

    def remove(self) -> None:
        pass


class GrantFileForm(ImportForm):
    """The file to preview."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["import_file"].label = "CSV file"
        self.fields["import_file"].help_text = f"At most {MAX_LINES:,} lines. Nothing is granted before you confirm."

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError("The file is larger than 1 MB: split it.")
        return file


class GrantRows(resources.Resource):
    """The lines of a file as grants."""

    email = fields.Field(column_name="email")
    credits = fields.Field(column_name="credits")
    reason = fields.Field(column_name="reason")
    reference = fields.Field(column_name="reference")

    class Meta:
        using_db = "default"
        import_id_fields = ("reference",)
        instance_loader_class = BaseInstanceLoader
        import_order = COLUMNS

    @classmethod
    def get_display_name(cls) -> str:
        return "Grants"

    def before_import(self, dataset: Dataset, **kwargs: Any) -> None:
        """Look everybody and every reference up at once. Raises ValidationError for a file that cannot be read."""
        self.actor: User = kwargs["user"]
        self.people: dict[str, User] = {}
        self.applied: dict[str, CreditEntry] = {}
        self.seen: dict[str, int] = {}
        self.granted, self.granted_to, self.unknown = 0, set[str](), list[str]()
        self.is_readable = False
        dataset.headers = [str(header or "").strip().lower() for header in dataset.headers or []]
        if missing := [column for column in COLUMNS if column not in dataset.headers]:
            raise ValidationError(
                f"The first line must name the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}."
            )
        if len(dataset) > MAX_LINES:
            raise ValidationError(
                f"The file has {len(dataset):,} lines; at most {MAX_LINES:,} are read at once: split it."
            )
        self.is_readable = True
        emails = {_text(email).lower() for email in dataset["email"]}
        references = {f"import:{_text(reference)}" for reference in dataset["reference"]}
        self.people = {user.email: user for user in User.objects.filter(email__in=emails)}
        known = CreditEntry.objects.filter(reference__in=references).select_related("wallet__user")
        self.applied = {entry.reference: entry for entry in known}
        # In one order, so that two imports that overlap wait for each other instead of locking each other out.
        list(Wallet.objects.select_for_update(of=("self",)).filter(user__email__in=emails).order_by("pk"))

    def import_row(self, row: dict[str, Any], instance_loader: Any, **kwargs: Any) -> RowResult:
        """Grant one line, or in a dry run only check it."""
        result = RowResult()
        result.import_type = RowResult.IMPORT_TYPE_SKIP
        if not self.is_readable:
            return result
        try:
            user, credits, reason, reference = self._read(row, kwargs["row_number"])
            if f"import:{reference}" not in self.applied:
                result.import_type = RowResult.IMPORT_TYPE_NEW
                self.granted += credits
                self.granted_to.add(user.email)
                if not kwargs["dry_run"]:
                    self._grant(user, credits, reason, reference)
            result.diff = [user.email, f"{credits:,}", reason, reference]
        except ValidationError as error:
            result.import_type = RowResult.IMPORT_TYPE_INVALID
            result.validation_error = error
        return result

    def after_import(self, dataset: Dataset, result: Result, **kwargs: Any) -> None:
        """Add up what the preview says above its table."""
        result.granted, result.granted_to, result.unknown = self.granted, len(self.granted_to), self.unknown

    def _grant(self, user: User, credits: int, reason: str, reference: str) -> None:
        wallet = ledger.wallet_of(user.pk)
        acts.grant(actor=self.actor, wallet=wallet, credits=credits, reason=reason, reference=f"import:{reference}")

    def _read(self, row: dict[str, Any], number: int) -> tuple[User, int, str, str]:
        """Return a line's person, credits, reason and reference. Raises ValidationError in words, by column."""
        email, credits, reason, reference = (_text(row[column]) for column in COLUMNS)
        errors: dict[str, str] = {}
        user = self.people.get(email.lower())
        if user is None:
            errors["email"] = f"Nobody is registered as {email}." if email else "No email address."
            self.unknown += [email] if email else []
        elif words := roles.out_of_reach(self.actor, user):
            errors["email"] = words
        if not (credits.isascii() and credits.isdigit() and 0 < int(credits[:9]) <= acts.MAX_CREDITS >= int(credits)):
            errors["credits"] = f"“{credits}” is no whole number from 1 to {acts.MAX_CREDITS:,}."
        if not 0 < len(reason) <= acts.REASON_MAX_LENGTH or "\x00" in reason:
            errors["reason"] = f"A reason of 1 to {acts.REASON_MAX_LENGTH} characters is needed."
        if not 0 < len(reference) <= REFERENCE_MAX_LENGTH or "\x00" in reference:
            errors["reference"] = f"A reference of 1 to {REFERENCE_MAX_LENGTH} characters is needed."
        elif (first := self.seen.setdefault(reference, number)) != number:
            errors["reference"] = f"Line {first + 1} has the same reference."
        if errors or user is None:
            raise ValidationError(errors)
        earlier = self.applied.get(f"import:{reference}")
        if earlier and (earlier.wallet.user_id, earlier.amount) != (user.pk, int(credits)):
            words = f"It was used before, for {earlier.amount:,} credits to {earlier.wallet.user.email}."
            raise ValidationError({"reference": words})
        return user, int(credits), reason, reference


class GrantImport(ImportMixin):
    """Gives an admin its “Import” button."""

    resource_classes = [GrantRows]
    formats = [CSV]
    import_form_class = GrantFileForm
    import_template_name = "admin/billing/creditgrant/import.html"
    tmp_storage_class = CarriedFile
    skip_admin_log = True

    def has_import_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and acts.may(request.user, "grant_any")

    def get_import_formats(self) -> list[type[CSV]]:
        return self.formats

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_import_data_kwargs(**kwargs), "rollback_on_validation_errors": True}

    def get_import_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_import_context_data(**kwargs), "columns": COLUMNS, "title": "Grant from a CSV"}

    def add_data_read_fail_error_to_form(self, form: forms.Form, error: Exception) -> None:
        form.add_error("import_file", "This cannot be read as CSV: save it with commas, as UTF-8, one grant a line.")

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        """Say what was granted; a file that no longer fits, because somebody was faster, must be previewed again."""
        if result.has_errors() or result.has_validation_errors():
            messages.error(
                request, "Nothing was granted: the file no longer fits what is in the books. Preview it again."
            )
            return HttpResponseRedirect(reverse("admin:billing_creditgrant_import"))
        before = result.totals[RowResult.IMPORT_TYPE_SKIP]
        words = f"Granted {result.granted:,} credits to {result.granted_to:,} people."
        messages.success(request, words + (f" {before:,} lines had been granted before." if before else ""))
        return HttpResponseRedirect(reverse("admin:billing_creditgrant_changelist"))


def _text(value: object) -> str:
    return str(value if value is not None else "").strip()
