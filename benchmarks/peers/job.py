"""What every peer computes: whole word nike, one of 40 product words, VADER compound > 0.05."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

PRODUCTS = (
    "shoes,sneakers,running shoes,sandals,trainers,boots,jacket,hoodie,shorts,leggings,socks,"
    "backpack,watch,cap,gloves,jersey,cleats,track pants,sports bra,tee,slides,windbreaker,"
    "joggers,visor,headband,wristband,duffel,tights,polo,vest,parka,beanie,tracksuit,tank top,"
    "sweatshirt,swimsuit,golf shoes,gym bag,rain jacket,insoles"
).split(",")
NIKE = r"(?i)\bnike\b"
PRODUCT = r"(?i)\b(?:" + "|".join(map(re.escape, PRODUCTS)) + r")\b"
THRESHOLD = 0.05


def describe_job(name: str, source: Path, out: Path) -> dict[str, object]:
    """Return the same job as a recipe, with all that is on by default."""
    return {
        "name": name,
        "output": str(out),
        "source": {"files": {"paths": [str(source)], "id": "id"}},
        "signals": {
            "nike": {"keyword": {"words": ["nike"]}},
            "product": {"keyword": {"words": PRODUCTS}},
            "mood": {"sentiment": {}},
        },
        "keep": f"nike & product & (mood > {THRESHOLD})",
    }


def scorer(name: str) -> Callable[[str], float]:
    """Return text -> compound by NLTK's analyzer or by the vaderSentiment package's."""
    import vaderSentiment

    folder = Path(vaderSentiment.__file__).parent
    if name == "vaderSentiment":
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer as Fast

        fast = Fast()
        return lambda text: fast.polarity_scores(text)["compound"]
    import shutil
    import tempfile

    import nltk
    from nltk.sentiment.vader import SentimentIntensityAnalyzer

    # NLTK refuses absolute paths and hard-linked files: give it a private copy on its data path
    private = tempfile.mkdtemp()
    shutil.copyfile(folder / "vader_lexicon.txt", Path(private) / "vader_lexicon.txt")
    nltk.data.path.append(private)
    analyzer = SentimentIntensityAnalyzer(lexicon_file="vader_lexicon.txt")
    return lambda text: analyzer.polarity_scores(text)["compound"]


def arguments() -> tuple[Path, Path, Callable[[str], float]]:
    source, out, name = sys.argv[1:4]
    return Path(source), Path(out), scorer(name)
