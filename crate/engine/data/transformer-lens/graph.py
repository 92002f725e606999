# The model as a graph, with EAP-IG's names (Hanna et al. 2024). Nodes write into the residual stream: the token embedding,
# heads (without b_O), MLPs. Each reader (a head's queries, keys or values, an MLP, the logits) has an input of its own, the
# sum of what the nodes before it write. Positions and biases reach every reader.
NODES = {"input": ("hook_embed", np.s_[...])}  # hook point of what is written, and index there
READERS = {}  # hook point of what is read, index there, and the nodes before it
for layer in range(L):
    heads = [(f"a{layer}.h{head}", np.s_[:, :, head]) for head in range(H)]
    before = list(NODES)
    for name, index in heads:
        READERS |= {f"{name}<{part}>": (f"blocks.{layer}.hook_{part}_input", index, before) for part in "qkv"}
    NODES |= {name: (f"blocks.{layer}.attn.hook_result", index) for name, index in heads}
    READERS[f"m{layer}"] = (f"blocks.{layer}.hook_mlp_in", np.s_[...], list(NODES))
    NODES[f"m{layer}"] = (f"blocks.{layer}.hook_mlp_out", np.s_[...])
READERS["logits"] = (f"blocks.{L - 1}.hook_resid_post", np.s_[...], list(NODES))
EDGES = [f"{node}->{reader}" for reader, (_, _, before) in READERS.items() for node in before]

# The last position is all that is unembedded.
last_alone = ("ln_final.hook_normalized", lambda normalized, hook: normalized[:, -1:])


def split_inputs(on):
    """Whether readers have hook points of their own. They take time and memory, so cells turn them off at their end."""
    model.set_use_split_qkv_input(on)
    model.set_use_hook_mlp_in(on)


def node_outputs(batch, side):
    """What each node writes in one of the two runs, `[nodes, prompts, positions, d_model]`."""
    _, cache = batch.run(side)
    heads = cache.stack_head_results(layer=-1).unflatten(0, (L, H))
    layers = [torch.cat([heads[layer], cache["mlp_out", layer][None]]) for layer in range(L)]
    return torch.cat([cache["hook_embed"][None], *layers])
