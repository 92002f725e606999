# Path patching in ARENA's three steps: what a head or MLP does to the receivers by itself, other heads being frozen
paths = SETTINGS["path-patching"]


def place(name, part=None):
    """Hook point and index of a head "L9H6"'s z, q, k or v, or of what an MLP "MLP8" reads ("in") or writes ("out")."""
    layer, *head = name.upper().lstrip("MLP").split("H")
    at = every if paths["position"] == "all" else -1
    if head:
        return f"blocks.{layer}.attn.hook_{part or 'z'}", (every, at, int(head[0]))
    return f"blocks.{layer}." + {"in": "ln2.hook_normalized", "out": "hook_mlp_out"}[part or "out"], (every, at)


def path_patched(group, sender, receivers=()):
    """The group's normalised mean when the receivers get the other run's value of `sender`, "L5H5" or "MLP3".

    Receivers are like ("L9H6", "q") or ("MLP8", "in"), all together; without any, it is the final residual stream.
    """
    into, out_of = SIDES[paths["direction"]]
    frozen = ["attn.hook_z"]
    if paths["mlps"] == "skipped":  # only direct connections count
        frozen.append("hook_mlp_out")
    if paths["norm"] == "frozen":  # LayerNorms divide by the scale of the run that is patched
        frozen.append("hook_scale")
    sent, received = place(sender), [place(*receiver) for receiver in receivers]

    def measure(batch):
        # 1. Both runs as they are
        tokens, base, other = getattr(batch, into), recorded(batch, into), recorded(batch, out_of)
        # 2. The sender has the other run's value, every other head keeps its own, and MLPs and LayerNorms answer
        hooks = [(lambda name: name.endswith(tuple(frozen)), put(base)), (sent[0], put(other, sent[1]))]
        if received:
            with model.hooks(fwd_hooks=hooks):
                _, cache = model.run_with_cache(tokens, names_filter=[hook for hook, _ in received])
            # 3. The receivers read what they read in step 2, and everything after them answers
            hooks = [(hook, put(cache, index)) for hook, index in received]
        return batch.logit_diff(model.run_with_hooks(tokens, fwd_hooks=hooks))

    return normalised(group, measure, paths["direction"])


# "L9H6.qk MLP8" as pairs
pairs = [word.partition(".") for word in words_of(paths["receivers"])]
receivers = [(name, part) for name, _, parts in pairs for part in (parts.lower() or ["in"])]
# Senders come before the last receiver. An MLP reads what the heads of its own layer write.
ends = [(int(name.upper().lstrip("MLP").split("H")[0]), part == "in") for name, part in receivers]
layers_of_mlps, reads_own_heads = max(ends, default=(L, False))
layers_of_heads = layers_of_mlps + reads_own_heads
RESULTS["path-patching"] = {"heads": {}, "mlps": {}} if layers_of_mlps else {"heads": {}}
for group in groups:
    heads = [
        [path_patched(group, f"L{layer}H{head}", receivers) for head in range(H)] for layer in range(layers_of_heads)
    ]
    RESULTS["path-patching"]["heads"][group.name] = np.array(heads).flatten().tolist()
    rows, columns = list(range(layers_of_heads)), list(range(H))
    show(heads, f"Paths from heads, {group.name}", rows=rows, columns=columns, limit=1)
    if layers_of_mlps:
        mlps = [path_patched(group, f"MLP{layer}", receivers) for layer in range(layers_of_mlps)]
        RESULTS["path-patching"]["mlps"][group.name] = mlps
        show(mlps, f"Paths from MLPs, {group.name}", columns=list(range(layers_of_mlps)))

# To follow a path on, ask who reaches a head that matters here, for example by its query:
# path_patched(groups[0], "L8H6", [("L9H6", "q")])
