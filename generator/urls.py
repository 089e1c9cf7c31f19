"""The addresses of the studio, the gallery, shared images, image files and the event stream."""

from django.urls import path

from generator.pages import actions, api_call, files, gallery, generate, image, shared, studio, upload

urlpatterns = [
    path("create/", studio.create, name="create"),
    path("create/generate/", generate.generate, name="studio_generate"),
    path("create/wall/", studio.wall, name="studio_wall"),
    path("create/pictures/", upload.pick, name="studio_pick"),
    path("create/api-call/", api_call.api_call, name="api_call"),
    path("gallery/", gallery.gallery, name="gallery"),
    path("gallery/count/", gallery.gallery_count, name="gallery_count"),
    path("gallery/delete/", actions.delete, name="image_delete"),
    path("gallery/favourites/", actions.favourite_many, name="images_favourite"),
    path("gallery/kept/", actions.kept_of, name="images_kept"),
    path("gallery/reference/", actions.use_as_reference, name="images_reference"),
    path("gallery/restore/", actions.restore, name="image_restore"),
    path("gallery/zip/", gallery.gallery_zip, name="gallery_zip"),
    path("gallery/<str:public_id>/", image.image, name="generation"),
    path("gallery/<str:public_id>/cancel/", actions.cancel, name="image_cancel"),
    path("gallery/<str:public_id>/credentials/", image.verified, name="image_credentials"),
    path("gallery/<str:public_id>/download/", image.download, name="image_download"),
    path("gallery/<str:public_id>/favourite/", actions.favourite, name="image_favourite"),
    path("gallery/<str:public_id>/share/", actions.share, name="image_share"),
    path("s/<str:token>/", shared.shared_image, name="shared_image"),
    path("s/<str:token>/download/", shared.download, name="shared_download"),
    path("shared/<str:token>/<str:name>", shared.picture, name="shared_picture"),
    path("shared/<str:token>/explore/<str:name>", shared.explore_picture, name="explore_picture"),
    path("uploads/", upload.take, name="upload_take"),
    path("uploads/<str:public_id>", upload.upload, name="upload"),
    path("events/", files.events, name="events"),
    path("images/<str:file_name>", files.image, name="image"),
]
