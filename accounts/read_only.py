"""What the lists of the admin have in common: an address asks for what a list offers, and history is only read."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from django.contrib.admin import FieldListFilter, ShowFacets, SimpleListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path, quote
from django.core.exceptions import BadRequest, FieldDoesNotExist, ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import DataError
from django.db.models import DateTimeField, Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.many_rows import CountedPaginator, ManyRows, ManyRowsList, search
from accounts.models import User
from kit.http.requests import without_nul
from kit.moments import moment

REFERENCE_TAIL = 6  # characters of an id that are shown behind what is cut out
PARTS = re.compile(r"[^._:/-]*[._:/-]+|[^._:/-]+$")


class ListAdmin(ModelAdmin):
    """A list that its address can filter only as the list itself does.

    Django allows a filter by any column of the model, shown or not (`?password__startswith=a`): whoever may see the
    list could read from the number of rows, letter by letter, what no page shows. Any other lookup is refused before
    it is run.
    """

    show_facets = ShowFacets.NEVER  # each would count the whole table
    list_before_template = "admin/looked_through.html"
    linked_lookups: ClassVar[frozenset[str]] = frozenset()  # by which other pages link here, beside the list's filters

    empty_title: ClassVar[str] = "Nothing here yet"
    empty_words: ClassVar[str] = ""  # what would stand here, and where it comes from
    add_words: ClassVar[str] = ""  # on the button of an empty list

    many_rows: ClassVar[ManyRows | None] = None  # how a table that grows for ever is asked

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return ManyRowsList if self.many_rows else super().get_changelist(request, **kwargs)

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        paginator = CountedPaginator if self.many_rows else self.paginator
        return paginator(queryset, per_page, *args, **kwargs)

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Return what the heads of columns sort by: of a large table only what has an index."""
        if self.many_rows is None:
            return super().get_sortable_by(request)
        return [self.in_own_time(name, "ago") for name in self.many_rows.sorted_by]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search whole values by their indexes, where the list searches nothing else."""
        fields = self.get_search_fields(request)
        term = search_term.strip()
        if self.many_rows is None or not term or not all(field.startswith("=") for field in fields):
            found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
            return found
        return search(queryset, list(fields), without_nul(term)), False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns; a time is its reader's own, as on the site's pages."""
        return [self.in_own_time(each, "ago") for each in super().get_list_display(request)]

    def in_own_time(self, name: Any, how: str) -> Any:
        """Return what shows the field `name` as a `<time>`, said as `moment` says it; `name` if it is no time."""
        try:
            field = self.opts.get_field(name)
        except FieldDoesNotExist:
            return name
        if not isinstance(field, DateTimeField):
            return name
        shown: dict[tuple[str, str], Any] = self.__dict__.setdefault("_own_times", {})
        return shown.setdefault((name, how), _own_time(field, how, self.get_empty_value_display()))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in self.linked_lookups or lookup in self._own_lookups(request)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Find a row; Django takes `?_to_field=` for the name of a field."""
        return super().get_object(request, object_id, from_field or None)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list. Raises IncorrectLookupParameters, too, where the database cannot read what is asked for."""
        try:
            return super().get_changelist_instance(request)
        except (DataError, OverflowError) as error:  # such as the year 10,000, which a time zone makes of 9999
            raise IncorrectLookupParameters from error

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Act on the chosen rows, or on all that the filter finds.

        Also on those that are older than the newest, to which the list may keep. Raises BadRequest for an id that no
        row can have.
        """
        key = self.model._meta.pk
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                key.run_validators(key.to_python(chosen))
                ProhibitNullCharactersValidator()(chosen)
            except ValidationError as error:
                raise BadRequest("An id that no row can have was chosen.") from error
        changes = self.get_changelist_instance(request)
        if isinstance(changes, ManyRowsList):
            queryset = changes.all_found(request)
        return super().response_action(request, queryset)

    def filter_in_words(self, request: HttpRequest) -> str:
        """Return what a list is narrowed to by its filters and its search, for people: “Everything” where it is not."""
        changes = self.get_changelist_instance(request)
        chosen = []
        for spec in changes.filter_specs:
            used = any(name in request.GET for name in spec.expected_parameters())
            words = [str(each["display"]) for each in spec.choices(changes) if used and each.get("selected")]
            values = [request.GET[name] for name in spec.expected_parameters() if request.GET.get(name)]
            if used:
                chosen.append(f"{spec.title}: {', '.join(words or values)}")
        if changes.query:
            chosen.append(f"search: {changes.query}")
        return "; ".join(chosen) or "Everything"

    def _own_lookups(self, request: HttpRequest) -> Iterator[str]:
        for wanted in self.get_list_filter(request):
            if isinstance(wanted, type) and issubclass(wanted, SimpleListFilter):
                yield str(wanted.parameter_name)
                continue
            path, make = wanted if isinstance(wanted, tuple) else (wanted, FieldListFilter.create)
            field = get_fields_from_path(self.model, str(path))[-1]
            links: Any = make(field, request, {}, self.model, self, field_path=path)
            yield from links.expected_parameters()


class ReadOnlyAdmin(ListAdmin):
    """Rows that nobody adds, changes or deletes here, whatever their role."""

    actions: Any = []
    list_fullwidth = True
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[tuple[Any, Any]]:
        """Return what a row's page shows; a time is its reader's own, with its seconds."""
        sets = super().get_fieldsets(request, obj)
        return [(title, {**options, "fields": self._in_own_times(options["fields"])}) for title, options in sets]

    def _in_own_times(self, fields: Sequence[Any]) -> list[Any]:
        return [
            tuple(self._in_own_times(each)) if isinstance(each, (list, tuple)) else self.in_own_time(each, "seconds")
            for each in fields
        ]

    def other_key(self, object_id: str) -> str:
        """Name the unique field that `object_id` is a value of; "" for the primary key."""
        return ""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """Find a row also by another key, by which other rows name it."""
        found: Model | None
        if field := self.other_key(object_id):
            found = self.get_queryset(request).filter(**{field: object_id}).first()
        else:
            found = super().get_object(request, object_id, from_field)
        return found

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


def _own_time(field: "DateTimeField[Any, Any]", how: str, none: str) -> Callable[[Model], SafeString | str]:
    """Return a column that shows the time `field`, `none` where there is none."""

    @display(description=field.verbose_name, ordering=field.name)
    def column(row: Model) -> SafeString | str:
        return moment(getattr(row, field.name), how) or none

    column.__name__ = field.name  # of which the admin makes the cell's class
    return column  # type: ignore[no-any-return]  # unfold's decorators have no types


def link(url: str, text: object) -> SafeString:
    """Return an anchor in the admin's style."""
    return format_html('<a class="rw-link" href="{}">{}</a>', url, text)


def change_url(row: Model) -> str:
    """Return the address of a row's page in the admin."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[quote(row.pk)])


def person(user: User) -> SafeString:
    """Return a link to the page of a person."""
    return link(change_url(user), line(user.email))


def line(text: str) -> SafeString:
    """Return what stays on one line, such as an email address: in a list its end is cut off when it is long.

    The whole is shown where the pointer rests, and is what a selection copies.
    """
    return format_html('<span class="rw-line" title="{}">{}</span>', text, text)


def reference(text: str) -> SafeString:
    """Return an id or a reference: in a list its middle is cut out when it is long, for ids begin alike.

    The whole is shown where the pointer rests, and is what a selection copies.
    """
    head, tail = text[:-REFERENCE_TAIL], text[-REFERENCE_TAIL:]
    return format_html('<code class="rw-id" title="{}"><span>{}</span>{}</code>', text, head, tail)


def breakable(text: str) -> SafeString:
    """Return a name made of parts, such as `invoice.payment_failed`, that may go on in a new line behind each."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in PARTS.findall(text)))


def pretty(data: object) -> SafeString:
    """Return JSON, indented."""
    return format_html('<pre class="rw-json">{}</pre>', json.dumps(data, indent=2, ensure_ascii=False, default=str))
