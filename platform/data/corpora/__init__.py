"""Corpora, read in the layouts in which they are published."""

from striate.data.corpora.base import Corpus
from striate.data.corpora.digits import write_digits
from striate.data.corpora.librispeech import open_librispeech
from striate.data.corpora.mnist import open_mnist
from striate.data.corpora.speech import SIZE as UTTERANCES
from striate.data.corpora.speech import write_speech
from striate.data.corpora.sports import DEFAULT_CLIPS, write_sports
from striate.data.corpora.sports1m import open_sports1m
from striate.data.corpora.timit import open_timit

CORPORA: dict[str, Corpus] = {
    "digits": Corpus("1,797 handwritten digits of scikit-learn, as IDX", open_mnist, write_digits),
    "librispeech": Corpus("LibriSpeech, with or without frame alignments", open_librispeech),
    "mnist": Corpus("MNIST, or any folder of its four IDX files", open_mnist),
    "speech": Corpus(
        "Generated speech of 52 voices with exact phone times, as TIMIT",
        open_timit,
        write_speech,
        UTTERANCES,
    ),
    "sports": Corpus(
        "Generated clips whose class is the motion, as Sports-1M",
        open_sports1m,
        write_sports,
        DEFAULT_CLIPS,
    ),
    "sports1m": Corpus("Sports-1M: its lists, and the videos that there are", open_sports1m),
    "timit": Corpus("TIMIT, in SPHERE or RIFF, its phones as frame labels", open_timit),
}
