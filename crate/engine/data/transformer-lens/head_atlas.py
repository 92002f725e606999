# Atlas of heads, without prompts: what each attends to on random tokens given twice and what it copies; which heads compose; or
# the directions that one head writes
from transformer_lens import FactoredMatrix
from transformer_lens.utils import composition_scores

settings = SETTINGS["head-atlas"]
top_k = settings["top_k"]
RESULTS["head-atlas"] = {}
labels = model.all_head_labels()


def splitmix64(count):
    """The first numbers of SplitMix64 (Steele, Lea and Flood 2014), the same on every machine."""
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def attention_and_loss():
    """Mean attention to the previous token, the same token before and what followed it, each `[layers, heads]`; the loss of each
    token."""
    length = max(1, min(settings["length"], (model.cfg.n_ctx - 1) // 2))
    first, end = 1000, min(10_000, model.cfg.d_vocab - 1)
    first = first if end > first else 0
    ids = first + splitmix64(settings["sequences"] * length) % np.uint64(end - first)
    ids = torch.from_numpy(ids.astype(np.int64)).reshape(-1, length)
    before = [torch.full((len(ids), 1), model.tokenizer.bos_token_id)] if settings["bos"] else []
    # "whole": all destinations that have such a source; "second": those in the second copy
    least = length + settings["bos"] if settings["destinations"] == "second" else 0
    attention, losses = [], []
    for tokens in torch.cat([*before, ids, ids], dim=1).to(device):
        loss, cache = model.run_with_cache(
            tokens[None], return_type="loss", loss_per_token=True, names_filter=lambda name: name.endswith("pattern")
        )
        pattern = cache.stack_activation("pattern")[:, 0]
        back = lambda offset: pattern.diagonal(-offset, -2, -1)[..., max(0, least - offset) :].mean(-1)
        attention.append(torch.stack([back(1), back(length), back(length - 1)]))
        losses.append(loss[0])
    return *torch.stack(attention).mean(0), torch.stack(losses).mean(0)


def copying(circuits):
    """The sum of the eigenvalues' real parts over that of their sizes; 0 for a head that writes nothing."""
    values = circuits.eigenvalues
    return (values.real.sum(-1) / values.abs().sum(-1)).nan_to_num()


def words_among_the_top(sign):
    """The share of words that are among the five that a head raises most (or lowers), from the word alone after the first MLP."""
    ids = [model.to_single_token(f" {word}") for word in words_of(settings["words"])]
    block = model.blocks[0]
    word = model.W_E[ids] + block.mlp(block.ln2(model.W_E[ids][None]))[0]
    shares = []
    for W_V, W_O in zip(model.W_V, model.W_O):
        logits = model.unembed(model.ln_final(sign * word @ W_V @ W_O))  # [heads, words, d_vocab]
        own = logits[:, range(len(ids)), ids]
        shares.append(((logits > own[..., None]).sum(-1) < 5).float().mean(-1))
    return torch.stack(shares)


def composition(mode):
    """`|A B| / (|A| |B|)` of an earlier head's OV and a later one's query, key or value: `[layers heads (from), (to)]`."""
    # As `model.all_composition_scores`, without its copies of each factor for each pair
    later = {"query": model.QK, "key": model.QK.T, "value": model.OV}[mode]
    written, read = model.OV.collapse_l().flatten(0, 1), later.collapse_r().flatten(0, 1)
    sizes = torch.einsum("aed,bdf->aebf", written, read).norm(dim=(1, 3))
    scores = (sizes / written.norm(dim=(1, 2))[:, None] / read.norm(dim=(1, 2))).nan_to_num().cpu()
    layers = torch.arange(L * H) // H
    return torch.where(layers[:, None] < layers, scores, 0.0)


def random_composition():
    """The mean score of ten pairs of heads with random weights of this size."""
    wide, narrow = model.cfg.d_model, model.cfg.d_head
    numbers = splitmix64(10 * 4 * wide * narrow) / 2.0**64 - 0.5
    # Column by column
    a1, a2, b1, b2 = torch.from_numpy(numbers).reshape(10, 4, -1).unbind(1)
    tall, flat = (lambda x: x.reshape(10, narrow, wide).mT), (lambda x: x.reshape(10, wide, narrow).mT)
    left, right = FactoredMatrix(tall(a1), flat(a2)), FactoredMatrix(tall(b1), flat(b2))
    return composition_scores(left, right, broadcast_dims=False).mean().item()


if settings["what"] == "scores":
    previous, duplicate, induction, loss = attention_and_loss()
    attention = {
        "attention to the previous token": previous,
        "attention to the same token before": duplicate,
        "attention to what followed the same token before": induction,
    }
    copies = {
        "copying: eigenvalues of OV": copying(model.OV),
        "copying: eigenvalues from token to token": copying(model.OV @ (model.W_U @ model.W_E)),
        "words copied": words_among_the_top(1),
        "words suppressed": words_among_the_top(-1),
    }
    for figure, scores in (("attention", attention), ("copying", copies)):
        RESULTS["head-atlas"][figure] = {name: values.flatten().tolist() for name, values in scores.items()}
        for name, values in scores.items():
            show(values.cpu(), name, rows=list(range(L)), columns=list(range(H)))
    RESULTS["head-atlas"]["loss"] = {"": loss.tolist()}
    show(loss.cpu(), "Loss on repeated random tokens", columns=list(range(1, len(loss) + 1)))
    # The settings x and y, in the order above
    kinds = ["previous", "duplicate", "induction", "copying", "copying-full", "names", "names-negative"]
    axes = [list(attention | copies)[kinds.index(settings[axis])] for axis in "xy"]
    x, y = ((attention | copies)[axis].flatten().tolist() for axis in axes)
    scatter(x, y, "Two scores of all heads", labels, axes)

if settings["what"] == "composition":
    scores = {mode: composition(mode) for mode in ("query", "key", "value")}
    expected = random_composition()
    own = [layer * H + head for layer, head in named_heads(settings["head"])]  # one head, or none: all pairs
    for head in own:
        RESULTS["head-atlas"] = {
            "reads": {f"in its {mode}": values[:, head].tolist() for mode, values in scores.items()},
            "is read": {f"in their {mode}": values[head].tolist() for mode, values in scores.items()},
        }
        for figure, maps in RESULTS["head-atlas"].items():
            for name, values in maps.items():
                title = f"{labels[head]}: what it reads of earlier heads" if figure == "reads" else f"{labels[head]} is read"
                show(np.reshape(values, (L, H)), f"{title}, {name}", rows=list(range(L)), columns=list(range(H)))
    RESULTS["head-atlas"]["random"] = {"": expected}
    RESULTS["head-atlas"]["pairs"] = {}
    for mode, values in scores.items():
        pairs = [(i, j) for i, j in values.nonzero().tolist() if not own or i in own or j in own]
        pairs = {f"{labels[i]} {labels[j]}": values[i, j].item() for i, j in pairs}
        RESULTS["head-atlas"]["pairs"][f"Read in the {mode}"] = pairs
        if not own:
            show(values, f"Written by, read in the {mode} by", rows=labels, columns=labels)
        print(f"Read in the {mode}; heads with random weights have {expected:.4f}")
        for name, score in sorted(pairs.items(), key=lambda pair: -pair[1])[:top_k]:
            print(f"  {score:.4f}, {score - expected:.4f} above random: {name}")

if settings["what"] == "directions":
    named = named_heads(settings["head"]) or [divmod(copying(model.OV).argmax().item(), H)]
    [(layer, head)] = named
    OV, QK = model.OV[layer, head], model.QK[layer, head]
    RESULTS["head-atlas"]["singular values"] = {"OV": OV.S.tolist(), "QK": QK.S.tolist()}
    for name, circuit in (("OV", OV), ("QK", QK)):
        show(circuit.S.cpu(), f"L{layer}H{head}: singular values of {name}", columns=list(range(len(circuit.S))))
    # Values within 1 % of each other share a subspace, in which no direction stands apart.
    for i in range(min(top_k, len(OV.S))):
        logits = OV.Vh[:, i] @ model.W_U
        logits = logits * logits[logits.abs().argmax()].sign()  # the sign is that of the token that it moves most
        raised, lowered = ([model.to_string([j]) for j in (way * logits).topk(5).indices.tolist()] for way in (1, -1))
        print(f"L{layer}H{head}, direction {i}, singular value {OV.S[i].item():.4f}: raises {raised}, turned round {lowered}")
