# Self-repair: what other heads take over when some are ablated in the clean run
settings = SETTINGS["self-repair"]
# Like "L9H9 L9H6", all of a layer like "L9", or "all": ablated together. Empty: each group's head with the largest attribution
named = named_heads(settings["heads"])
# "zero"; "mean", over the group's clean prompts at each position; or "resample", what it is on the corrupted prompt
value = settings["value"]
position = settings["position"]  # "all", or the "last" alone

where = slice(None) if position == "all" else -1
becomes = {
    "zero": torch.zeros_like,
    "mean": lambda activation: activation.mean(0, keepdim=True).expand_as(activation),
    "resample": lambda activation: activation,
}[value]
stack = lambda cache: cache.stack_head_results(layer=-1, pos_slice=-1)


def said(batch, hooks):
    """Each head's attribution, `[heads, prompts]`, the logit difference and the final LayerNorm's scale."""
    with model.hooks(fwd_hooks=hooks):
        logits, cache = batch.run("clean")
    # Through this run's own scale: a shorter stream makes more of the same output.
    return along(batch, cache, stack(cache)), batch.logit_diff(logits), cache["ln_final.hook_scale"][:, -1, 0]


def repaired(group, heads):
    """Means: each head's attribution after ablation; logit difference clean, predicted and ablated; ratio of scales."""

    def measure(batch):
        _, cache = batch.run("corrupted" if value == "resample" else "clean")

        def ablate(z, hook):
            for layer, head in heads:
                if layer == hook.layer():
                    z[:, where, head] = becomes(cache[hook.name])[:, where, head]
            return z

        before, clean, scale = said(batch, [])
        after, ablated, scale_after = said(batch, [(lambda name: name.endswith("attn.hook_z"), ablate)])
        ratio = scale_after / scale
        # What the heads added directly, less what they add now, both through the clean run's scale
        lost = sum(before[layer * H + head] - after[layer * H + head] * ratio for layer, head in heads)
        return torch.cat([after, torch.stack([clean, clean - lost, ablated, ratio])])

    means = group.per_prompt(measure).mean(-1).cpu()
    return means[:-4], means[-4:].tolist()


RESULTS["self-repair"] = {"after": {}, "predicted": {}, "ablated": {}, "scale": {}}
for group in groups:
    if value == "mean" and len(group.batches) > 1:
        print(f"{group.name}: prompts of different lengths have no mean at each position")
        continue
    before = direct(group, stack)
    heads = named or [divmod(before.argmax().item(), H)]
    after, (clean, predicted, ablated, scale) = repaired(group, heads)
    numbers = {"after": after.tolist(), "predicted": predicted, "ablated": ablated, "scale": scale}
    for figure, number in numbers.items():
        RESULTS["self-repair"][figure][group.name] = number
    title = f"{group.name} without {' '.join(f'L{layer}H{head}' for layer, head in heads)}"
    print(f"{title}: clean {clean:.4f}, predicted {predicted:.4f}, ablated {ablated:.4f}, scale times {scale:.4f}")
    for name, values in (("Head attribution", after), ("Change of head attribution", after - before)):
        show(values.reshape(L, H), f"{name}, {title}", rows=list(range(L)), columns=list(range(H)))
