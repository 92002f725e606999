# Ablation: what the clean run loses without one head, layer or neuron, everything after it being computed again
settings = SETTINGS["ablation"]
what = settings["what"]  # "heads": each head's z; "layers": each attn_out and mlp_out; or "neurons"
# "zero"; "mean", over the group's clean prompts at each position; or "resample", what it is on the corrupted prompt
value = settings["value"]
position = settings["position"]  # "all", or the "last" alone

where = every if position == "all" else -1
becomes = {
    "zero": torch.zeros_like,
    "mean": lambda activation: activation.mean(0, keepdim=True).expand_as(activation),
    "resample": lambda activation: activation,
}[value]
rows = {"heads": list(range(L)), "layers": ["attn_out", "mlp_out"], "neurons": named_layers(settings["layers"])}[what]
columns = list(range({"heads": H, "layers": L, "neurons": N}[what]))
if what == "layers":
    places = [(f"blocks.{layer}.hook_{part}", (every, where)) for part in rows for layer in columns]
else:
    site = {"heads": "attn.hook_z", "neurons": "mlp.hook_post"}[what]
    places = [(f"blocks.{layer}.{site}", (every, where, index)) for layer in rows for index in columns]
measures = {
    "change": "Change of the logit difference",
    "kl": "KL(clean || ablated) of the next token",
    "loss": "Rise of the answer's cross-entropy",
}


def lost(batch):
    """The measures of each ablation, `[measures, ablations, prompts]`."""
    clean = model(batch.clean)
    cache = recorded(batch, "corrupted" if value == "resample" else "clean")
    ablated = {hook: becomes(cache[hook]) for hook, _ in places}

    def without(hook, index):
        logits = model.run_with_hooks(batch.clean, fwd_hooks=[(hook, put(ablated, index))])
        before, after = clean[:, -1].log_softmax(-1), logits[:, -1].log_softmax(-1)
        change = batch.logit_diff(logits) - batch.logit_diff(clean)
        kl = (before.exp() * (before - after)).sum(-1)
        loss = (batch.over_sets(before, torch.logsumexp) - batch.over_sets(after, torch.logsumexp))[:, 0]
        return torch.stack([change, kl, loss])

    return torch.stack([without(hook, index) for hook, index in places], dim=1)


RESULTS["ablation"] = {measure: {} for measure in measures}
for group in groups:
    if value == "mean" and len(group.batches) > 1:
        print(f"{group.name}: prompts of different lengths have no mean at each position")
        continue
    for (measure, title), values in zip(measures.items(), group.per_prompt(lost).mean(-1).cpu()):
        RESULTS["ablation"][measure][group.name] = values.tolist()
        values = values.reshape(len(rows), len(columns))
        show(values, f"{title} without one of the {what}, {group.name}", rows=rows, columns=columns)
