"""What can be asked for, as words that rows, the API and the dialects share."""

from django.db import models

ASPECT_RATIOS = ("1:1", "16:9", "4:3", "3:4", "9:16", "2:3", "3:2")
PROMPT_MAX_LENGTH = 4000
REMIX_MOST_INPUTS = 6


class Operation(models.TextChoices):
    """What is done: words to an image, one image and an instruction, or several images and words."""

    CREATE = "create", "Create"
    EDIT = "edit", "Edit"
    REMIX = "remix", "Remix"
