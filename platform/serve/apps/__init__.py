"""Applications that can be deployed: what each answers stands in its own file."""

from typing import Any

from striate.serve.apps import photos
from striate.serve.apps.replica import Kind

APPS: dict[str, Kind[Any]] = {
    "photos": Kind(photos.PhotosArgs, photos.services, photos.build),
}
