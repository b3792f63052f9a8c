"""A small grammar of English and French: each sentence is made in both, and says the same.

French has what a translator must learn beyond words: gender and number of articles and adjectives,
adjectives behind their noun, ``ne … pas`` around the verb, elisions, and the time at the front.
"""

from collections.abc import Callable
from dataclasses import dataclass

Pick = Callable[[int], int]
"""A draw: a number below the one given."""

# English singular and plural, French singular, plural and gender.
_WHO = """
girl girls fille filles f|boy boys garçon garçons m|farmer farmers fermier fermiers m
queen queens reine reines f|king kings roi rois m|dog dogs chien chiens m|cat cats chat chats m
bird birds oiseau oiseaux m|fox foxes renard renards m|horse horses cheval chevaux m
friend friends ami amis m|singer singers chanteuse chanteuses f|sailor sailors marin marins m
"""
_WHAT = """
house houses maison maisons f|book books livre livres m|apple apples pomme pommes f
garden gardens jardin jardins m|letter letters lettre lettres f|boat boats bateau bateaux m
tree trees arbre arbres m|flower flowers fleur fleurs f|song songs chanson chansons f
bridge bridges pont ponts m|orange oranges orange oranges f|key keys clé clés f
island islands île îles f|coat coats manteau manteaux m|picture pictures image images f
"""
# English, French masculine and feminine; those with a star stand before their noun.
_LIKE = """
strong fort forte|tired fatigué fatiguée|strange étrange étrange|patient patient patiente
small *petit petite|big *grand grande|young *jeune jeune|good *bon bonne|pretty *joli jolie
"""
_OF_THINGS = """
red rouge rouge|green vert verte|black noir noire|white blanc blanche|yellow jaune jaune
heavy lourd lourde|round rond ronde|strange étrange étrange|expensive cher chère
small *petit petite|big *grand grande|good *bon bonne|pretty *joli jolie
"""
# English plain, with s, and past; French present and imperfect, singular and plural.
_DO = """
see sees saw voit voient voyait voyaient|find finds found trouve trouvent trouvait trouvaient
buy buys bought achète achètent achetait achetaient|sell sells sold vend vendent vendait vendaient
love loves loved aime aiment aimait aimaient|carry carries carried porte portent portait portaient
watch watches watched regarde regardent regardait regardaient
lose loses lost perd perdent perdait perdaient|want wants wanted veut veulent voulait voulaient
paint paints painted peint peignent peignait peignaient
forget forgets forgot oublie oublient oubliait oubliaient
"""
# English singular and plural; French masculine, feminine, plural, and both before a vowel.
_WHICH = """
the the le la les l' l'|this these ce cette ces cet cette|my my mon ma mes mon mon
your your ton ta tes ton ton|our our notre notre nos notre notre|a two un une deux un une
"""
_WHERE = """
in the city=en ville|near the river=près de la rivière|at school=à l'école
behind the church=derrière l'église|in the forest=dans la forêt|on the hill=sur la colline
"""
_WHEN = """
every day=chaque jour|in the morning=le matin|at night=la nuit|in winter=en hiver
on Sundays=le dimanche|now and then=de temps en temps
"""
_VOWELS = "aeiouéêîœ"

_Entries = list[list[str]]


def _table(text: str) -> _Entries:
    return [entry.split() for line in text.strip().split("\n") for entry in line.split("|")]


def _couples(text: str) -> list[tuple[str, str]]:
    entries = [entry for line in text.strip().split("\n") for entry in line.split("|")]
    return [(english, french) for english, _, french in (one.partition("=") for one in entries)]


WHO, WHAT, LIKE, OF_THINGS, DO, WHICH = map(_table, (_WHO, _WHAT, _LIKE, _OF_THINGS, _DO, _WHICH))
WHERE, WHEN = map(_couples, (_WHERE, _WHEN))


@dataclass(frozen=True)
class NounPhrase:
    """A noun with its article, and with an adjective or none, in both languages."""

    english: str
    french: str
    is_plural: bool


def make_pair(pick: Pick) -> tuple[str, str]:
    """A sentence in English and in French.

    Args:
        pick: draws each choice in turn; called equally often for every sentence.
    """
    who, what = _noun_phrase(WHO, LIKE, pick), _noun_phrase(WHAT, OF_THINGS, pick)
    doing, past, never = DO[pick(len(DO))], pick(2), pick(4) == 0
    english = f"{who.english} {_english_verb(doing, who.is_plural, past, never)} {what.english}"
    french = f"{who.french} {_french_verb(doing, who.is_plural, past, never)} {what.french}"
    place, time = WHERE[pick(len(WHERE))], WHEN[pick(len(WHEN))]
    told = pick(4)
    if told in (1, 3):
        english, french = f"{english} {place[0]}", f"{french} {place[1]}"
    if told in (2, 3):
        english, french = f"{english} {time[0]}", f"{time[1]}, {french}"
    return f"{english[0].upper()}{english[1:]}.", f"{french[0].upper()}{french[1:]}."


def _noun_phrase(nouns: _Entries, likes: _Entries, pick: Pick) -> NounPhrase:
    one, many, un, plusieurs, gender = nouns[pick(len(nouns))]
    which, like = WHICH[pick(len(WHICH))], likes[pick(len(likes))]
    is_plural, has_like = pick(2) == 1, pick(2) == 1
    noun = plusieurs if is_plural else un
    english = f"{like[0]} {many if is_plural else one}" if has_like else many if is_plural else one
    words = [noun]
    if has_like:
        shown = _agree(like, gender, is_plural)
        words = [shown, noun] if like[1].startswith("*") else [noun, shown]
    article = _article(which, gender, is_plural, words[0][0] in _VOWELS)
    french = " ".join((article, *words)).replace("' ", "'")
    return NounPhrase(f"{_english_article(which, is_plural, english)} {english}", french, is_plural)


def _english_article(which: list[str], is_plural: bool, after: str) -> str:
    shown = which[int(is_plural)]
    return "an" if shown == "a" and after[0] in _VOWELS else shown


def _article(which: list[str], gender: str, is_plural: bool, before_vowel: bool) -> str:
    male, female, many, male_vowel, female_vowel = which[2:]
    if is_plural:
        return many
    if before_vowel:
        return male_vowel if gender == "m" else female_vowel
    return male if gender == "m" else female


def _agree(like: list[str], gender: str, is_plural: bool) -> str:
    shown = like[1].lstrip("*") if gender == "m" else like[2]
    return f"{shown}s" if is_plural else shown


def _english_verb(doing: list[str], is_plural: bool, past: int, never: bool) -> str:
    plain, with_s, before = doing[:3]
    if never:
        return f"{'did' if past else 'do' if is_plural else 'does'} not {plain}"
    return before if past else plain if is_plural else with_s


def _french_verb(doing: list[str], is_plural: bool, past: int, never: bool) -> str:
    shown = doing[3 + 2 * past + is_plural]
    if not never:
        return shown
    return f"n'{shown} pas" if shown[0] in _VOWELS else f"ne {shown} pas"
