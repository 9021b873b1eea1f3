"""The fixed texts that a golden hash is of: many scripts, lengths from nothing to more than any checkpoint here reads,
emoji, code, numbers, and what tokenizers stumble over.

Changing one, or their order, makes every golden hash worthless: ``golden.json`` holds the hash of the texts too.
"""

from __future__ import annotations

import hashlib
from typing import Final

from idembed.models.api.probes import PROBES

__all__ = ["TEXTS", "texts_sha256"]

_SCRIPTS: Final = (
    "הספרייה נפתחת בשעה תשע בבוקר.",
    "ร้านนี้ปิดทุกวันจันทร์",
    "இந்த ஆறு மலையிலிருந்து வருகிறது.",
    "বইটি টেবিলের উপর রাখা আছে।",
    "మా ఊరిలో పెద్ద చెరువు ఉంది.",
    "ეს გზა ზღვამდე მიდის.",
    "Գնացքը ուշացավ տասը րոպե։",
    "ዛሬ ገበያው ተዘግቷል።",
    "កុមារកំពុងលេងនៅក្នុងសួន។",
    "Buổi sáng trên núi thường có sương mù.",
    "Dzieci bawiły się w ogrodzie aż do zmierzchu.",
    "Příští zastávka je konečná, prosíme vystupte.",
    "A kenyér még meleg volt, amikor megérkeztünk.",
    "Järven jää kantaa jo kävelijän.",
    "Скільки коштує квиток до Києва?",
    "این نامه را فردا صبح بفرستید.",
    "یہ دریا شمال سے جنوب کی طرف بہتا ہے۔",
    "這條河在冬天不會結冰。",
    "Mvua ilinyesha usiku kucha.",
    "Skipið siglir klukkan sex að morgni.",
    "Tha an taigh faisg air an loch.",
    "Пчелите събират нектар от липите.",
    "Le train de 7 h 42 est supprimé ; le suivant part à 8 h 12.",
    "ჰაერი · hava · αέρας · воздух · 空気 · 공기 · هواء",
)

_SHORT: Final = (
    "",
    " ",
    "\n\t \r\n",
    "a",
    "?",
    "no",
    "42",
    "-0.0",
    "…",
    "[SEP]",
    "[CLS] [MASK] [PAD]",
    "\u200b",
    "\u00a0\u2003\u3000",
    "N/A",
)

_ODD: Final = (
    "🚀",
    "😀😀😀",
    "👩🏽\u200d💻 👨\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈",
    "🇫🇷🇯🇵🇧🇷 ☕️ ✈️ ❤️",
    "Meet me at 5pm 🍕🍕 (bring 🥤!)",
    "ﬁne ligatures, Ⅷ, ½, ℌ, ㎏, ﷺ",
    "e\u0301 and \u00e9 look alike; so do A\u030a and \u00c5",
    "\ufeffa mark at the beginning, a soft\u00adhyphen, left\u200eright\u200f marks",
    "STRASSE straße STRAẞE İstanbul ISPARTA ıspanak",
    "zalgo: t\u0336\u0321\u0352e\u0334\u0348x\u0337\u0300t\u0335\u035b",
    "x" * 150,
    "supercalifragilisticexpialidocious-" * 4,
    "a.b.c.d.e.f.g.h/i/j/k?l=m&n=o#p",
    "https://example.org/search?q=red+shoes&page=2&sort=price_asc",
    "first.last+tag@mail.example.com",
    "+49 (0)30 1234-5678, ext. 90",
    "1e-45 3.4028235e38 NaN inf 0x1.8p+1 1_000_000 ٣٫١٤ ⅔",
    "∀ε>0 ∃δ>0: |x−a|<δ ⇒ |f(x)−f(a)|<ε",
    "H₂O + CO₂ → H₂CO₃, ΔG° = −RT ln K",
    '{"id": 7, "tags": ["a", "b"], "ok": true, "note": null}',
    "<p class='x'>one &amp; two</p><!-- three -->",
    "for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }  // O(n)",
    "$ grep -rn 'TODO' src/ | sort | uniq -c | sort -nr | head",
    "the the the the the the the the",
    "What is the capital of the country whose flag is red and white?",
    "what is the capital of the country whose flag is red and white",
)

_PASSAGE: Final = (
    "The lighthouse stood on the last rock before the open sea, and whoever kept it kept a book. Each evening the "
    "keeper wrote down the wind, the height of the swell, the ships that passed and the hour at which the lamp was "
    "lit; each morning the hour at which it was put out. In eighty years the book grew to forty volumes, and nobody "
    "read them until a student of the weather came to ask how often fog had closed the strait in spring. The answer "
    "took her three summers to count, and it was not what the sailors had always said. "
)

_LONG: Final = (
    _PASSAGE.strip(),
    (_PASSAGE * 2).strip(),
    " ".join(f"{n}. {_PASSAGE.strip()}" for n in range(1, 8)),
    " ".join(str(n * n) for n in range(140)),
    "雨" * 90,
    "Bread\n\n- 500 g flour\n- 350 g water\n- 10 g salt\n- a little yeast\n\nMix, wait an hour, fold, wait overnight. "
    "Heat the oven as hot as it gets, with a pot in it. Bake for 30 minutes with the lid on and 15 without.",
    "Section 4.2. The tenant shall return the keys on or before the last day of the term; a delay of more than three "
    "days is deemed an extension of one month, for which rent is due in full, unless the parties agree otherwise in "
    "writing, and the deposit is repaid within six weeks after the return, less the cost of repairs.",
)

TEXTS: Final = (*PROBES, *_SCRIPTS, *_SHORT, *_ODD, *_LONG)


def texts_sha256() -> str:
    """SHA-256 of all the texts, each in UTF-8 behind its length in bytes (8 bytes, little-endian)."""
    digest = hashlib.sha256()
    for text in TEXTS:
        raw = text.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()
