"""What a checkpoint's caller, or its files, may not say: refused by name, never with a traceback of something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import processors

import tiny
from idembed.errors import ModelError, ModelNotFoundError, OptionError
from idembed.models import load

pytestmark = pytest.mark.usefixtures("own_machine")

LONG = "the cat sat the dog sat the mat sat the cat sat the dog"  # over 16 tokens with the special ones


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("refusals") / "made")


@pytest.mark.parametrize("wrong", ["raise", "zz", "skip"])
def test_an_unknown_on_long_is_refused(folder: Path, wrong: str) -> None:
    model: Any = load(folder)
    with pytest.raises(OptionError, match=f'^on_long=\'{wrong}\': it is "cut", "error" or "refuse"$'):
        model.embed([LONG], on_long=wrong)
    with pytest.raises(OptionError, match=f'^on_long=\'{wrong}\': it is "cut" or "error"$'):
        model.encode([LONG], on_long=wrong)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: m.embed(["a"], on_long=None), 'on_long=None: "cut", "error" or "refuse" is needed'),
        (lambda m: m.encode(["a"], on_long=None), 'on_long=None: "cut" or "error" is needed'),
        (lambda m: m.encode(["a"], on_long="refuse"), 'on_long=\'refuse\': it is "cut" or "error"'),
        (lambda m: m.embed(["a"], "zz"), 'side=\'zz\': it is "document" or "query"'),
        (lambda m: m.embed(["a"], ["b"]), 'side is of type list: "document" or "query" is needed'),
        (lambda m: m.receipts(["a"], "zz"), "side='zz'"),
        (lambda m: m.embed(None), "texts=None: a list of texts is needed"),
        (lambda m: m.receipts(None), "texts=None"),
        (lambda m: m.encode(None), "sentences=None: a list of texts is needed"),
        (lambda m: m.encode_iter(None), "sentences=None"),
        (lambda m: m.encode(["a"], truncate_dim=1.5), r"truncate_dim=1\.5: a whole number is needed"),
        (lambda m: m.encode(["a"], prompt=5), "prompt=5: a string is needed"),
        (lambda m: m.encode(["a"], prompt="q\ud800"), "prompt holds a lone surrogate"),
        (lambda m: m.encode(["a"], prompt_name=["q"]), "prompt_name is of type list: the name of a prompt"),
        (lambda m: m.with_max_length("8"), "max_length='8': a whole number is needed"),
        (lambda m: m.on(threads="2"), "threads='2': a whole number is needed"),
        (lambda m: m.on(isa=3), "isa=3: the name of an instruction set is needed"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(folder: Path, call: Callable[[Any], object], says: str) -> None:
    with pytest.raises(OptionError, match=f"^{says}"):
        call(load(folder))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threads": "2"}, "threads='2': a whole number is needed"),
        ({"threads": 1.5}, r"threads=1\.5: a whole number is needed"),
        ({"threads": True}, "threads=True: a whole number is needed"),
        ({"max_length": "8"}, "max_length='8': a whole number is needed"),
        ({"isa": 3}, "isa=3: the name of an instruction set is needed"),
        ({"profile": ["i8"]}, "profile is of type list: the name of a profile is needed"),
        ({"prompts": "query"}, "prompts='query': a mapping of names to strings is needed"),
        ({"prompts": {"query": 5}}, r"prompts\['query'\]=5: a string is needed"),
        ({"prompts": {5: "q: "}}, "a name in prompts=5: a string is needed"),
        ({"prompts": {"query": "q\ud800"}}, r"prompts\['query'\] holds a lone surrogate"),
        ({"default_prompt_name": ["query"]}, "default_prompt_name is of type list: the name of a prompt"),
    ],
)
def test_a_wrong_option_of_load_is_refused_by_name(folder: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=f"^{says}"):
        load(folder, **options)


@pytest.mark.parametrize("name", ["a" * 5000, "org/" + "a" * 5000, "./" + "a" * 5000, "a/" * 2500 + "a"])
def test_a_name_that_no_file_can_have_is_no_model(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"^there is no model called '.{79}…'") as caught:
        load(name)
    assert caught.value.hint == "give a known name (idembed models), a repository org/name, or a folder ./name"


# ---- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"prompts": {"query": "q\ud800"}}, "prompts in config_sentence_transformers.json hold a lone surrogate"),
        ({"prompts": {"q\ud800": "q"}}, "prompts in config_sentence_transformers.json hold a lone surrogate"),
        ({"prompts": {"query": 5}}, "prompts in config_sentence_transformers.json is not an object of strings"),
        ({"default_prompt_name": ["query"]}, "default_prompt_name ['query'] is not among the checkpoint's prompts"),
    ],
)
def test_wrong_prompts_in_its_files_are_damage(tmp_path: Path, own: dict[str, Any], says: str) -> None:
    folder = tiny.checkpoint(tmp_path / "made", own=own)
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert caught.value.message == says


def test_a_pooling_mode_that_is_no_name_is_damage(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "made", pooling={"pooling_mode": 5})
    with pytest.raises(ModelError, match=r"^pooling_mode 5 in the config\.json of Pooling is not a name"):
        load(folder)


def test_a_size_beyond_all_is_refused_with_the_range(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "made", config={"max_position_embeddings": 10**12})
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert caught.value.message == "max_position_embeddings in config.json must be 1 to 2147483647, not 1000000000000"


def edited(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    rules = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    change(rules)
    tiny.write(folder / "tokenizer.json", rules)
    return folder


@pytest.mark.parametrize("first_fails", [True, False])
def test_a_tokenizer_without_its_token_for_the_unknown_is_damage(tmp_path: Path, first_fails: bool) -> None:
    def change(rules: dict[str, Any]) -> None:
        rules["model"]["unk_token"] = "[NONE]"
        if first_fails:
            del rules["model"]["vocab"]["a"]  # what is encoded to learn the special tokens

    folder = edited(tiny.checkpoint(tmp_path / "made"), change)
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot encode a text: .*UNK") as caught:
        load(folder).encode(["the 🚀"])
    assert caught.value.hint == "fetch the checkpoint again"


def test_a_token_id_beyond_int32_is_damage(tmp_path: Path) -> None:
    folder = edited(
        tiny.checkpoint(tmp_path / "made"), lambda rules: rules["model"]["vocab"].update({"cat": 4_294_967_295})
    )
    with pytest.raises(ModelError, match=r"tokenizer\.json .* token id 4294967295, and the largest .* 2147483647") as e:
        load(folder).encode(["dog", "the cat"])
    assert e.value.hint == "fetch the checkpoint again"


def test_an_empty_text_without_special_tokens_asks_for_one_that_has_tokens(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "made")
    rules = tiny.tokenizer()
    rules.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    rules.save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelError, match=r"^text 0 has 0 tokens$|^text 0 has 0 tokens;") as caught:
        load(folder).encode([""])
    assert caught.value.hint == "give a text that has tokens"
