"""Lists of tables that grow for ever: whatever is asked of one, only so many rows are read.

Such a list is in the order of a time that has an index. A page far behind the newest is reached by a filter, rows are
counted up to a limit, a search looks at one index after the other, and what no index answers (a filter by a column
without one, say) is asked of the newest rows only: the list says so then. An act on all that a filter finds asks
all of them.
"""

from collections.abc import Iterator
from functools import cached_property, reduce
from operator import or_
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter
from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import Paginator
from django.db.models import BooleanField, CharField, Field, ForeignKey, Model, OneToOneField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from unfold.views import ChangeList

from accounts.models import User

COUNTED = 5_000  # rows that can be paged through; of more there are "more than"
NEWEST = 30_000  # rows that are looked through where no index helps
RECENT = 2_000  # whose values a filter offers
RELATED = 1_000  # rows on the way to those that a search is for


class MoreThan(int):
    """A count that was given up there: it says so on the page, and is the limit for who computes with it."""

    def __str__(self) -> str:
        return f"More than {int(self):,}"


class CountedPaginator(Paginator):  # type: ignore[type-arg]  # it takes no parameter as it runs
    """Counts only so far."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return counted(rows)


def counted(rows: QuerySet[Any]) -> int:
    """Return how many rows there are, as far as anybody counts."""
    found = rows.order_by()[: COUNTED + 1].count()
    return found if found <= COUNTED else MoreThan(COUNTED)


class RecentValues(AllValuesFieldListFilter):
    """Offers the values that the newest rows have: to find all that there are, the whole table would be read."""

    def __init__(self, field: Any, request: Any, params: Any, model: Any, model_admin: Any, field_path: str) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        time = model_admin.many_rows.time if model_admin.many_rows else "pk"
        recent = model._base_manager.order_by(f"-{time}").values_list(field_path, flat=True)[:RECENT]
        chosen = params.get(self.lookup_kwarg) or []
        self.lookup_choices = sorted({*recent, *chosen} - {"", None})  # type: ignore[assignment]  # a list will do


class ManyRowsList(ChangeList):  # type: ignore[misc]  # unfold has no types
    """A list that looks through the newest rows only, where no index helps."""

    looked_through: int | None = None  # how many those are, for the page

    def apply_select_related(self, qs: QuerySet[Any]) -> QuerySet[Any]:
        """Read what belongs to a page's rows by their keys: of a join SQLite begins at the other end, and sorts all."""
        related = self.list_select_related
        return qs.prefetch_related(*related) if isinstance(related, list | tuple) else qs

    def get_ordering_field(self, field_name: Any) -> Any:
        """Sort by what the list offers; Django sorts by any column that an address names."""
        return super().get_ordering_field(field_name) if field_name in self.sortable_by else None

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Return the chosen order alone, and that of the time where it is filtered: no index would answer another."""
        time = self.model_admin.many_rows.time
        if not self.params.get(ORDER_VAR) and any(name.startswith(f"{time}__") for name in self.get_filters_params()):
            return [f"-{time}", "-pk"]
        return super().get_ordering(request, queryset.order_by())

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        many = self.model_admin.many_rows
        unindexed = set(self.get_filters_params()) - many.indexed(self.model_admin)
        if not unindexed:
            return rows
        bounded = newest(rows, many.time)
        if bounded is not rows:
            self.looked_through = NEWEST
        return bounded

    def all_found(self, request: HttpRequest) -> QuerySet[Any]:
        """Return every row that is asked for, however old. What shows a page reads `get_queryset`."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows


class ManyRows:
    """How the list of a large table is asked: by its time, and by what else has an index."""

    def __init__(self, time: str, *, indexed: tuple[str, ...] = (), sorted_by: tuple[str, ...] = ()) -> None:
        """`indexed` are parameters of filters that an index answers, `sorted_by` columns that it sorts."""
        self.time = time
        self._indexed = indexed
        self.sorted_by = (time, *sorted_by)

    def indexed(self, model_admin: Any) -> set[str]:
        times = {f"{self.time}__{bound}" for bound in ("gte", "gt", "lte", "lt", "isnull")}
        return {*self._indexed, *times, *model_admin.linked_lookups}


def search(rows: QuerySet[Any], fields: Iterator[str] | list[str], term: str) -> QuerySet[Any]:
    """Return the rows of which one of `fields` is `term`, the first field that any has: one index after the other.

    An email address is compared in lower case, as it is stored; all else as it is.
    """
    for path in fields:
        if (condition := _condition(rows.model, path.removeprefix("="), term)) is not None:
            found = rows.filter(condition)
            if found.order_by()[:1].exists():
                return found
    return rows.none()


def either(rows: QuerySet[Any], fields: list[str], term: str) -> QuerySet[Any]:
    """Return the rows of which any of `fields` is `term`; each has an index."""
    conditions = [found for path in fields if (found := _condition(rows.model, path, term)) is not None]
    return rows.filter(reduce(or_, conditions)) if conditions else rows.none()


def newest(rows: QuerySet[Any], time: str) -> QuerySet[Any]:
    """Return those of `rows` that are among the newest of their table."""
    order = rows.model._base_manager.order_by(f"-{time}").values_list(time, flat=True)
    oldest = next(iter(order[NEWEST : NEWEST + 1]), None)
    return rows if oldest is None else rows.filter(**{f"{time}__gte": oldest})


def _condition(model: type[Model], path: str, term: str) -> Q | None:
    """Follow `path` from its end, so that each step is one look into an index; None where it leads to nothing."""
    head, _, rest = path.partition("__")
    field: Any = model._meta.get_field(head)
    if not rest:
        if not _fits(field, term):
            return None
        found = Q(**{head: term.lower() if model is User and head == "email" else term})
        return found & Q(_is_set(model, field)) if isinstance(field, CharField) and field.blank else found
    related: type[Model] = field.related_model
    inner = _condition(related, rest, term)
    if inner is None:
        return None
    keys = list(related._base_manager.filter(inner).values_list("pk", flat=True)[:RELATED])
    if not keys:
        return None
    if isinstance(field, ForeignKey | OneToOneField):
        return Q(**{f"{head}__in": keys})
    mine = related._base_manager.filter(pk__in=keys).values_list(field.remote_field.attname, flat=True)
    return Q(pk__in=list(mine))


def _is_set(model: type[Model], field: "Field[Any, Any]") -> RawSQL:
    """Say what a word that is searched for implies, as the condition of an index has it that leaves empty ones out.

    Written out, for SQLite does not know it of a bound value, and would read the whole table.
    """
    words = f"""NOT ("{model._meta.db_table}"."{field.column}" = '')"""
    return RawSQL(words, [], BooleanField())  # noqa: S611 (names of our own)


def _fits(field: "Field[Any, Any]", term: str) -> bool:
    return not field.max_length or len(term) <= field.max_length
