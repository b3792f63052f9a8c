"""What turns frames into words, learnt from the words of the training data."""

from collections.abc import Mapping

from striate.data.shards.folder import ShardFolder
from striate.data.stream.transcripts import has_transcripts, transcripts_of
from striate.models.speech.decoding_graph import PhoneStates
from striate.models.speech.lexicon import Lexicon
from striate.models.speech.word_decoder import QUIET, decoder_files
from striate.train.config import Location


def decoder_of_shards(shards: Location, split: str, labels: tuple[str, ...]) -> Mapping[str, str]:
    """A lexicon and a grammar of a split, as files for a bundle.

    There are none where the shards do not say which words and phones are where, or where the
    labels are not those phones or states of theirs.

    Raises:
        DataError: a shard is missing or damaged.
    """
    folder = ShardFolder.of(shards)
    if not has_transcripts(folder):
        return {}
    told = transcripts_of(folder, split)
    lexicon = Lexicon.of_spans(((one.word_spans, one.phone_spans) for one in told), QUIET)
    said = {phone for one in lexicon.pronunciations for phone in one.phones}
    if not said or not said <= set(PhoneStates.of_labels(labels).columns):
        return {}
    return decoder_files(lexicon, (one.words for one in told))
