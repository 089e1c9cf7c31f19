"""Which calls are about an image: what finds them, and what goes with it."""

from django.db.models import Q

from generator.models import Generation


def about(generation: Generation) -> Q:
    """Return what calls about an image have to be, each by an index.

    The call that made it has the id that the image keeps, whatever became of its answer. Others name it; one that came
    to several images names the first alone.
    """
    wanted = Q(image_id=generation.public_id)
    if generation.request_id:
        wanted |= Q(request_id=generation.request_id)
    if generation.group_id and generation.position > 1:
        first = Generation.objects.filter(group=generation.group_id, position=1).values_list("public_id", flat=True)
        wanted |= Q(image_id__in=list(first), images__gt=1)
    return wanted
