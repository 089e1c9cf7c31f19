"""Builders of API objects in the shapes of the pinned version. They compute nothing and touch no state.

Keys beginning with an underscore are the stand-in's own notes and never leave it (`state.views.public`).
"""
