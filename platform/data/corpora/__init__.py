"""Corpora, read in the layouts in which they are published."""

from striate.core.extensions import extended
from striate.data.corpora.base import Corpus
from striate.data.corpora.caltech101 import open_caltech101
from striate.data.corpora.digits import write_digits
from striate.data.corpora.faces import PATCHES, open_faces, write_faces
from striate.data.corpora.imagenet import open_imagenet
from striate.data.corpora.labelled_files import open_clips, open_images, open_sounds
from striate.data.corpora.lfw import open_lfw
from striate.data.corpora.librispeech import open_librispeech
from striate.data.corpora.mnist import open_mnist
from striate.data.corpora.photos import DEFAULT_PATCHES, write_photos
from striate.data.corpora.scenes import DEFAULT_SCENES, write_scenes
from striate.data.corpora.speech import SIZE as UTTERANCES
from striate.data.corpora.speech import write_speech
from striate.data.corpora.sports import DEFAULT_CLIPS, write_sports
from striate.data.corpora.sports1m import open_sports1m
from striate.data.corpora.stanford import open_stanford
from striate.data.corpora.timit import open_timit

CORPORA: dict[str, Corpus] = {
    "caltech101": Corpus("Caltech-101 with its background class, 30 to train", open_caltech101),
    "clips": Corpus(
        "Your own clips, in class folders or with a table", open_clips, open_with=open_clips
    ),
    "digits": Corpus("1,797 handwritten digits of scikit-learn, as IDX", open_mnist, write_digits),
    "faces": Corpus(
        "200 real patches of LFW, half of them faces, as LFW", open_faces, write_faces, PATCHES
    ),
    "images": Corpus(
        "Your own images, in class folders or with a table", open_images, open_with=open_images
    ),
    "imagenet": Corpus("ImageNet, ILSVRC2012: the tars or the unpacked folders", open_imagenet),
    "lfw": Corpus("Labeled Faces in the Wild, with its pairs", open_lfw),
    "librispeech": Corpus("LibriSpeech, with or without frame alignments", open_librispeech),
    "mnist": Corpus("MNIST, or any folder of its four IDX files", open_mnist),
    "photos": Corpus(
        "Patches of 18 real photographs, as ImageNet", open_imagenet, write_photos, DEFAULT_PATCHES
    ),
    "scenes": Corpus(
        "Generated scenes with a class for each pixel, as Stanford Background",
        open_stanford,
        write_scenes,
        DEFAULT_SCENES,
    ),
    "sounds": Corpus(
        "Your own sounds, in class folders or with a table", open_sounds, open_with=open_sounds
    ),
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
    "stanford": Corpus("Stanford Background, a class for each pixel", open_stanford),
    "timit": Corpus("TIMIT, in SPHERE or RIFF, its phones as frame labels", open_timit),
}
ALL_CORPORA = extended("corpora", CORPORA, of=Corpus)
"""With those that extensions add."""
