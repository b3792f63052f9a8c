"""Applications that can be deployed: what each answers stands in its own file."""

from typing import Any

from striate.serve.apps import analyze, echo, models, photos
from striate.serve.apps.replica import Kind

APPS: dict[str, Kind[Any]] = {
    "photos": Kind(photos.PhotosArgs, photos.services, photos.build),
    "analyze": Kind(analyze.AnalyzeArgs, analyze.services, analyze.build),
    "models": Kind(models.ModelsArgs, models.services, models.build),
    "echo": Kind(echo.EchoArgs, echo.services, echo.build),
}
