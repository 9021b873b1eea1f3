"""same_bits.c: compiling it, running it, and what it prints on every machine there is."""

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent

# The profile is one set of bits for ever: a line changes here when its area in same_bits.c does, never
# because an instruction set, a compiler or a machine came along.
HASHES = {
    "encoder": "d7a307c47f88536c",
    "relative": "4e9077479f8e18ce",
    "wide_encoder": "20185443d04ac255",
    "wide_relative": "7b78e02d8b6f20ed",
    "i16": "d42bc49e41d93db5",
    "i8": "07639026bcc8b199",
    "i16_long": "da32322f4ecc34b9",
    "i8_long": "18e6718f1aa0a915",
    "i16_linear": "5e7482b3922d7ff2",
    "i8_linear": "ed1faa2b3a77760c",
    "dense": "3fcf3f5da4f076a4",
    "search": "a43574b1b803dcf6",
    "exp": "d9d7077c19798ec9",
    "erf": "b91055ec2ba8b257",
    "gelu": "0feb188979b18950",
    "tanh": "2d76ca516da772d7",
    "int_gelu": "ab8ca19e6e0ce8ef",
    "fma": "b4966e8314faed94",
    "skipgram": "5b383ac2d51df3bd",
    "cbow": "55333169a3b0db6e",
    "few_words_skipgram": "a9197d03a2c04a1d",
    "few_words_cbow": "dcf0b0df6ec1e1db",
    "float_mode": "d7a307c47f88536c",
}


def build(compiler: str, library: Path, made: Path) -> Path:
    """The program, linked against this library, where it will look for it."""
    source = ["-x", "c", "-std=c11", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
    source += [f"-I{HERE.parents[1] / 'native'}", str(HERE / "same_bits.c")]
    linked = ["-x", "none", str(library), f"-Wl,-rpath,{library.parent}", "-o", str(made)]
    subprocess.run([compiler, *source, *linked], check=True)
    return made


def output(*command: str | Path, isa: str = "") -> dict[str, str]:
    """The hash of each area, and the instruction set as `isa`."""
    environment = {**os.environ, "IDEMBED_ISA": isa}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=300)
    return dict(line.split() for line in done.stdout.splitlines())
