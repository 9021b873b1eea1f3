"""Thirty-two texts that tell one model from another: several languages, code, numbers, long and short.

They are part of the evidence that was gathered with them; changing one makes what was measured before worthless.
"""

from __future__ import annotations

from typing import Final

__all__ = ["PROBES"]

PROBES: Final = (
    "The cat slept on the warm stone wall until the rain began.",
    "How do I reset a password that I have forgotten?",
    "Interest rates rose by a quarter of a point in March.",
    "Mix flour, water and salt, and let the dough rest overnight.",
    "The patient complains of a dull pain in the left knee.",
    "def area(width, height):\n    return width * height",
    "SELECT name, price FROM products WHERE price < 20 ORDER BY name;",
    "Trains to the airport leave every fifteen minutes.",
    "She had never seen the sea before that summer.",
    "Der Vertrag kann mit einer Frist von drei Monaten gekündigt werden.",
    "La bibliothèque ferme à dix-huit heures le samedi.",
    "El gato duerme debajo de la mesa de la cocina.",
    "La riunione è stata spostata a giovedì mattina.",
    "Os preços subiram mais do que se esperava.",
    "Поезд прибывает на третий путь в семь часов утра.",
    "Η βροχή σταμάτησε πριν από το μεσημέρι.",
    "今天的天气很好,我们去公园散步吧。",
    "この駅から空港まで電車で三十分かかります。",
    "도서관은 월요일에 쉽니다.",
    "المتحف مفتوح كل يوم ما عدا الجمعة.",
    "यह किताब बच्चों के लिए लिखी गई है।",
    "Kahvaltıdan sonra limana yürüdük.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "Quantum error correction needs more than a thousand physical qubits for a logical one.",
    "The defendant shall pay the costs of both proceedings.",
    "1, 1, 2, 3, 5, 8, 13, 21, 34, 55",
    "ERROR 2026-03-14 07:15:02 connection to db-7 timed out after 30000 ms",
    "ISBN 978-0-00-000000-2, second edition, hardcover",
    "yes",
    "Thank you!",
    "red shoes size 42",
    "Wind from the north-west, five to six, gusting eight; visibility good; outlook for Tuesday: calmer, with sunny "
    "spells in the afternoon and a chance of showers along the coast after dark.",
)
