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


def show(values, title, rows=None, columns=None, limit=None):
    """A heat map, or a line for a single row; without Plotly the numbers."""
    values = np.asarray(values)
    try:
        import plotly.express as px
    except ImportError:
        print(title, values.round(4), sep="\n")
        return
    if values.ndim == 1:
        px.line(x=columns, y=values, title=title).show()
        return
    limits = {"zmin": -limit, "zmax": limit} if limit else {"color_continuous_midpoint": 0}
    px.imshow(values, x=columns, y=rows, title=title, color_continuous_scale="RdBu", aspect="auto", **limits).show()
