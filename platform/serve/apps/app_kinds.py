"""The applications that can be deployed, by the names that `striate deploy` takes."""

from typing import Any

from striate.core.extensions import Extended
from striate.serve.apps import analyze, answers, echo, faces, language, models, photos, speech
from striate.serve.apps.replica import AppKind

APPS: dict[str, AppKind[Any]] = {
    "photos": AppKind(photos.PhotosArgs, photos.services, photos.build),
    "analyze": AppKind(analyze.AnalyzeArgs, analyze.services, analyze.build),
    "faces": AppKind(faces.FacesArgs, faces.services, faces.build),
    "answers": AppKind(answers.AnswersArgs, answers.services, answers.build),
    "language": AppKind(language.LanguageArgs, language.services, language.build),
    "speech": AppKind(speech.SpeechArgs, speech.services, speech.build),
    "models": AppKind(models.ModelsArgs, models.services, models.build),
    "echo": AppKind(echo.EchoArgs, echo.services, echo.build),
}
ALL_APPS = Extended("apps", APPS, of=AppKind)
"""With those that extensions add."""
