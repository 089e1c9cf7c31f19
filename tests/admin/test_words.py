"""The admin's pages are called what its navigation calls them, an empty list says what would stand there."""

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import User
from reveweb import places

LISTS = [(group, title, model) for group, pages in places.GROUPS.items() for title, _, model in pages]


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator@example.com", "correct horse battery"))
    return client


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


@pytest.mark.parametrize(("group", "title", "model"), LISTS)
def test_a_list_is_called_what_leads_to_it(operator: Client, group: str, title: str, model: str) -> None:
    page = operator.get(reverse(f"admin:{model}_changelist")).content.decode()
    assert words(page[page.index("<title>") : page.index("</title>")]).startswith(f"{title} |")
    heading = re.search(r"<h1.*?</h1>", page, re.DOTALL)
    assert heading
    way = words(heading[0]).replace("chevron_right", "›")
    assert way.startswith(title if group == title else f"{group} › {title}")


def test_an_empty_list_says_what_would_stand_there(operator: Client) -> None:
    page = operator.get(reverse("admin:generator_pause_changelist")).content.decode()
    assert "Intake is open" in page
    assert ">Pause intake</a>" in page
    assert "Nothing matches" not in page


def test_a_search_without_a_hit_leads_back_to_all_rows(operator: Client) -> None:
    page = operator.get(reverse("admin:billing_payment_changelist"), {"q": "zeppelin"}).content.decode()
    assert "No row of Payments matches “zeppelin”." in words(page)
    assert '<a class="rw-button" href="?">Show all</a>' in page


def test_no_line_of_a_page_holds_more_than_two_fields() -> None:
    """Of three or more each gets so little room on a laptop that its words break within and lie over each other."""
    crowded = [
        (model.__name__, row)
        for model, site in admin.site._registry.items()
        for _, options in site.fieldsets or ()
        for row in options["fields"]
        if isinstance(row, tuple) and len(row) > 2
    ]
    assert not crowded
