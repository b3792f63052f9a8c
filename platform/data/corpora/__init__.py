"""Corpora, read in the layouts in which they are published."""

from striate.core.extensions import Extended
from striate.data.corpora.analogies import open_analogies
from striate.data.corpora.babi import open_babi
from striate.data.corpora.base import Corpus
from striate.data.corpora.caltech101 import open_caltech101
from striate.data.corpora.celeba import open_celeba
from striate.data.corpora.digits import write_digits
from striate.data.corpora.faces import PATCHES, open_faces, write_faces
from striate.data.corpora.facts import DEFAULT_FACTS, write_facts
from striate.data.corpora.identities import DEFAULT_PEOPLE, write_identities
from striate.data.corpora.imagenet import open_imagenet
from striate.data.corpora.kb_countries import DEFAULT_COUNTRIES, write_countries
from striate.data.corpora.kb_questions import open_kb_questions
from striate.data.corpora.labelled_files import open_clips, open_images, open_sounds
from striate.data.corpora.lfw import open_lfw
from striate.data.corpora.librispeech import open_librispeech
from striate.data.corpora.mnist import open_mnist
from striate.data.corpora.parallel import open_parallel
from striate.data.corpora.photos import DEFAULT_PATCHES, write_photos
from striate.data.corpora.phrases import DEFAULT_PHRASES, write_phrases, write_sentences
from striate.data.corpora.polarity import open_polarity
from striate.data.corpora.poses import DEFAULT_WINDOWS, open_poses, write_poses
from striate.data.corpora.reviews import DEFAULT_REVIEWS, write_reviews
from striate.data.corpora.scenes import DEFAULT_SCENES, write_scenes
from striate.data.corpora.simplequestions import open_simplequestions
from striate.data.corpora.speech import SIZE as UTTERANCES
from striate.data.corpora.speech import write_speech
from striate.data.corpora.speech_states import write_speech_states
from striate.data.corpora.sports import DEFAULT_CLIPS, write_sports
from striate.data.corpora.sports1m import open_sports1m
from striate.data.corpora.stanford import open_stanford
from striate.data.corpora.stories import DEFAULT_STORIES, write_stories
from striate.data.corpora.text_files import open_lines
from striate.data.corpora.timit import open_timit
from striate.data.corpora.webquestions import open_webquestions
from striate.data.corpora.words import open_words

CORPORA: dict[str, Corpus] = {
    "analogies": Corpus("word2vec's questions-words.txt, its sections as classes", open_analogies),
    "babi": Corpus("bAbI, or your own stories with questions in its layout", open_babi),
    "caltech101": Corpus("Caltech-101 with its background class, 30 to train", open_caltech101),
    "celeba": Corpus("CelebA: people by identity, with landmarks", open_celeba),
    "clips": Corpus(
        "Your own clips, in class folders or with a table", open_clips, open_with=open_clips
    ),
    "countries": Corpus(
        "Facts about 86 countries with questions about them, as a knowledge base",
        open_kb_questions,
        write_countries,
        DEFAULT_COUNTRIES,
    ),
    "digits": Corpus("1,797 handwritten digits of scikit-learn, as IDX", open_mnist, write_digits),
    "faces": Corpus(
        "200 real patches of LFW, half of them faces, as LFW", open_faces, write_faces, PATCHES
    ),
    "facts": Corpus(
        "Generated facts about countries with analogies, as text and word2vec's questions",
        open_words,
        write_facts,
        DEFAULT_FACTS,
    ),
    "identities": Corpus(
        "Generated people with exact landmarks, as CelebA",
        open_celeba,
        write_identities,
        DEFAULT_PEOPLE,
    ),
    "images": Corpus(
        "Your own images, in class folders or with a table", open_images, open_with=open_images
    ),
    "imagenet": Corpus("ImageNet, ILSVRC2012: the tars or the unpacked folders", open_imagenet),
    "kb-questions": Corpus(
        "A knowledge base of `striate data kb` with questions about it", open_kb_questions
    ),
    "lfw": Corpus("Labeled Faces in the Wild, with its pairs", open_lfw),
    "librispeech": Corpus("LibriSpeech, with or without frame alignments", open_librispeech),
    "lines": Corpus("Your own text, or text8: a sample a line", open_lines, open_with=open_lines),
    "mnist": Corpus("MNIST, or any folder of its four IDX files", open_mnist),
    "parallel": Corpus(
        "Your own parallel text, TSV or a file for each language",
        open_parallel,
        open_with=open_parallel,
    ),
    "photos": Corpus(
        "Patches of 18 real photographs, as ImageNet", open_imagenet, write_photos, DEFAULT_PATCHES
    ),
    "phrases": Corpus(
        "Generated sentences in English and French, as parallel text",
        open_parallel,
        write_phrases,
        DEFAULT_PHRASES,
    ),
    "polarity": Corpus("Sentence polarity, rt-polarity.pos and rt-polarity.neg", open_polarity),
    "poses": Corpus(
        "Generated windows, half of them faces with yaw and roll",
        open_poses,
        write_poses,
        DEFAULT_WINDOWS,
    ),
    "reviews": Corpus(
        "Generated reviews, good or bad, as sentence polarity",
        open_polarity,
        write_reviews,
        DEFAULT_REVIEWS,
    ),
    "scenes": Corpus(
        "Generated scenes with a class for each pixel, as Stanford Background",
        open_stanford,
        write_scenes,
        DEFAULT_SCENES,
    ),
    "sentences": Corpus(
        "Generated sentences in English, as plain lines",
        open_lines,
        write_sentences,
        DEFAULT_PHRASES,
    ),
    "simplequestions": Corpus(
        "SimpleQuestions v2 with its facts of Freebase", open_simplequestions
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
    "speech-states": Corpus(
        "The same speech with three states a phone, as TIMIT with Kaldi's alignments",
        open_timit,
        write_speech_states,
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
    "stories": Corpus(
        "Generated stories of a simulated world with questions, as bAbI",
        open_babi,
        write_stories,
        DEFAULT_STORIES,
    ),
    "timit": Corpus("TIMIT, in SPHERE or RIFF, its phones as frame labels", open_timit),
    "webquestions": Corpus("WebQuestions with its lists of answers", open_webquestions),
    "words": Corpus(
        "Your own text, or text8, with word2vec's questions-words.txt beside it",
        open_words,
        open_with=open_words,
    ),
}
ALL_CORPORA = Extended("corpora", CORPORA, of=Corpus)
"""With those that extensions add."""
