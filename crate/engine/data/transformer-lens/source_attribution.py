# Attribution by source: from which positions heads have what they write towards the answer at the last position; and attention to
# a token against what is written along it (figure 3c of Wang et al. 2022)
settings = SETTINGS["source-attribution"]
top_k = settings["top_k"]  # so many heads for the answer and so many against it, of each group, if none are named


def sources(batch):
    """Attribution by source and attention, `[heads, positions, prompts]`; what is written along each token of the answers,
    `[2, heads, prompts]`."""
    _, cache = batch.run("clean")
    pattern, v, z = (cache.stack_activation(name) for name in ("pattern", "v", "z"))
    tokens = batch.directions()  # [prompts, 2, d_model]
    direction = (tokens[:, 0] - tokens[:, 1]) / cache["ln_final.hook_scale"][:, -1]
    attention = pattern[..., -1, :].permute(0, 2, 3, 1)
    attribution = attention * torch.einsum("lhem,pm,lpshe->lhsp", model.W_O, direction, v)
    written = torch.einsum("lphe,lhem,ptm->tlhp", z[:, :, -1], model.W_O, tokens)
    return attribution.flatten(0, 1), attention.flatten(0, 1), written.flatten(1, 2)


even = of_one_length(groups)
found = [sources(group.batches[0]) for group in even]
heads = named_heads(settings["heads"])
if not heads:
    for attribution, _, _ in found:
        sums = attribution.sum(1).mean(-1)
        order = sums.argsort(descending=True).tolist()
        largest = [head for head in order[:top_k] if sums[head] > 0]
        smallest = [head for head in order[::-1][:top_k] if sums[head] < 0]
        heads += [divmod(head, H) for head in largest + smallest]
heads = sorted(set(heads))

figures = ["attribution", "attention"]
figures += [f"{what} the {token}" for token in ("answer", "distractor") for what in ("attention to", "written along")]
RESULTS["source-attribution"] = {figure: {} for figure in figures}
for group, (attribution, attention, written) in zip(even, found):
    batch = group.batches[0]
    rows = [f"L{layer}H{head}" for layer, head in heads]
    columns = [f"{token}_{i}" for i, token in enumerate(model.to_str_tokens(batch.clean[0]))]
    for figure, values in (("attribution", attribution), ("attention", attention)):
        values = values[[layer * H + head for layer, head in heads]].mean(-1).cpu()
        RESULTS["source-attribution"][figure][group.name] = values.flatten().tolist()
        show(values, f"Sources: {figure}, {group.name}", rows=rows, columns=columns)
    for token, ids, along_token in zip(("answer", "distractor"), zip(*batch.sets), written):
        stands = torch.stack([torch.isin(row, of) for row, of in zip(batch.clean, ids)])  # [prompts, positions]
        present = stands.any(-1)
        if present.any():  # means over the prompts in which it stands
            x = (attention * stands.T).sum(1)[:, present].mean(-1).tolist()
            y = along_token[:, present].mean(-1).tolist()
            axes = (f"attention to the {token}", f"written along the {token}")
            for figure, values in zip(axes, (x, y)):
                RESULTS["source-attribution"][figure][group.name] = values
            scatter(x, y, f"What heads do with the {token}, {group.name}", model.all_head_labels(), axes)
