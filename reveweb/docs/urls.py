"""The addresses of the documentation, for people and for language models."""

from django.urls import path

from reveweb.docs import views

urlpatterns = [
    path("docs/", views.page, name="docs"),
    path("docs/search/", views.results, name="docs_search"),
    path("docs/reveweb.<slug:ending>", views.client, name="docs_client"),
    path("docs/<slug:slug>.md", views.markdown, name="docs_markdown"),
    path("docs/<slug:slug>/", views.page, name="docs_page"),
    path("llms.txt", views.llms, name="llms"),
    path("llms-full.txt", views.llms_full, name="llms_full"),
]
