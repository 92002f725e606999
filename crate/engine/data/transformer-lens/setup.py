import importlib.util
import subprocess
import sys

if importlib.util.find_spec("transformer_lens") is None:  # a fresh Colab
    subprocess.check_call([sys.executable, "-m", "pip", "install", "transformer-lens==2.18.0", "plotly"])

import json

import numpy as np
import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import AutoTokenizer, GPT2LMHeadModel

try:
    import plotly.express as px
except ImportError:
    px = None  # numbers are printed

torch.set_grad_enabled(False)
device = "cuda" if torch.cuda.is_available() else "cpu"


def load(name, tokenizer_name):
    """Any checkpoint of GPT-2's architecture, processed as `HookedTransformer.from_pretrained` does it."""
    hf = GPT2LMHeadModel.from_pretrained(name, torch_dtype=torch.float32)
    c = hf.config
    cfg = HookedTransformerConfig(
        n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, d_head=c.n_embd // c.n_head, n_heads=c.n_head,
        d_mlp=c.n_inner or 4 * c.n_embd, d_vocab=c.vocab_size, act_fn="gelu_new", eps=c.layer_norm_epsilon,
        normalization_type="LNPre", original_architecture="GPT2LMHeadModel", device=device, init_weights=False,
    )
    model = HookedTransformer(cfg, tokenizer=AutoTokenizer.from_pretrained(tokenizer_name))
    model.load_and_process_state_dict(
        convert_gpt2_weights(hf, cfg), fold_ln=True, center_writing_weights=True, center_unembed=True,
        fold_value_biases=True,
    )
    return model.to(device).eval()


model = load(MODEL, TOKENIZER)
L, H, N = model.cfg.n_layers, model.cfg.n_heads, model.cfg.d_mlp


def words_of(text):
    """The words of a setting, between commas, semicolons or spaces."""
    return text.replace(",", " ").replace(";", " ").split()


def named_layers(text):
    """The layers that a setting names: all, or like 8 10 or 3-5."""
    layers = set()
    for word in words_of(text):
        first, _, last = (part.lstrip("Ll") for part in word.partition("-"))
        layers |= set(range(L)) if word == "all" else set(range(int(first), int(last or first) + 1))
    return sorted(layers)


def named_heads(text):
    """The heads that a setting names, as (layer, head): like L9H9, all of a layer like L9, or all."""
    heads = []
    for word in words_of(text):
        layer, one, head = word.upper().replace("/", "H").partition("H")
        alone = [(int(layer.lstrip("L")), int(head))] if one else []
        heads += alone or [(layer, head) for layer in named_layers(word) for head in range(H)]
    return list(dict.fromkeys(heads))  # named twice is meant once


def show(values, title, rows=None, columns=None, limit=None):
    """A heat map, or a line for a single row; without Plotly the numbers."""
    values = np.asarray(values)
    if px is None:
        print(title, values.round(4), sep="\n")
        return
    if values.ndim == 1:
        px.line(x=columns, y=values, title=title).show()
        return
    limits = {"zmin": -limit, "zmax": limit} if limit else {"color_continuous_midpoint": 0}
    px.imshow(values, x=columns, y=rows, title=title, color_continuous_scale="RdBu", aspect="auto", **limits).show()


def scatter(x, y, title, names, axes):
    """Named points; without Plotly the numbers. `axes` are their two names."""
    if px is None:
        print(title, *(f"{name}: {a:.4f}, {b:.4f}" for name, a, b in zip(names, x, y)), sep="\n")
        return
    px.scatter(x=x, y=y, title=title, hover_name=names, labels=dict(zip("xy", axes))).show()
