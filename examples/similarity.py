"""Which of four sentences mean the same? Written for sentence-transformers; only the import differs."""

from itertools import combinations

from idembed.compat import SentenceTransformer, util

sentences = [
    "The cat sat on the mat.",
    "A dog slept on the rug.",
    "Quantum entanglement defies classical intuition.",
    "Tacos taste best with fresh salsa.",
]

model = SentenceTransformer("all-MiniLM-L6-v2")
embeddings = model.encode(sentences)
cosines = util.cos_sim(embeddings, embeddings)

for i, j in combinations(range(len(sentences)), 2):
    print(f"{cosines[i][j]:6.3f}  {sentences[i]}  {sentences[j]}")
