"""Corpora, read in the layouts in which they are published."""

from striate.data.corpora.base import Corpus
from striate.data.corpora.digits import write_digits
from striate.data.corpora.mnist import open_mnist
from striate.data.corpora.sports import DEFAULT_CLIPS, write_sports
from striate.data.corpora.sports1m import open_sports1m

CORPORA: dict[str, Corpus] = {
    "digits": Corpus("1,797 handwritten digits of scikit-learn, as IDX", open_mnist, write_digits),
    "mnist": Corpus("MNIST, or any folder of its four IDX files", open_mnist),
    "sports": Corpus(
        "Generated clips whose class is the motion, as Sports-1M",
        open_sports1m,
        write_sports,
        DEFAULT_CLIPS,
    ),
    "sports1m": Corpus("Sports-1M: its lists, and the videos that there are", open_sports1m),
}
