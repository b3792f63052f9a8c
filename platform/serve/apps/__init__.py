"""Applications that can be deployed: what each answers stands in its own file."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from striate.serve.apps import photos
from striate.serve.apps.photos import PhotosArgs

if TYPE_CHECKING:
    from ray.serve import Application

APPS: dict[str, Callable[[PhotosArgs], "Application"]] = {"photos": photos.build}
