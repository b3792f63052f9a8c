"""Applications that can be deployed: what each answers stands in its own file."""

from typing import Any

from striate.core.extensions import extended
from striate.serve.apps import analyze, echo, models, photos
from striate.serve.apps.replica import AppKind

APPS: dict[str, AppKind[Any]] = {
    "photos": AppKind(photos.PhotosArgs, photos.services, photos.build),
    "analyze": AppKind(analyze.AnalyzeArgs, analyze.services, analyze.build),
    "models": AppKind(models.ModelsArgs, models.services, models.build),
    "echo": AppKind(echo.EchoArgs, echo.services, echo.build),
}
ALL_APPS = extended("apps", APPS, of=AppKind)
"""With those that extensions add."""
