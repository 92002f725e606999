# Why a head attends: its attention scores from the last position, before the softmax, by what wrote the query and what wrote the
# key. Through the run's LayerNorm scale the parts of a score sum to it.
settings = SETTINGS["score-decomposition"]
top_k = settings["top_k"]  # so many components and pairs are shown; other components are one row


def decomposed(batch, layer, head):
    """Names of the components; queries, `[components, prompts, d_head]`, and keys, `[components, prompts, positions, d_head]`:
    their products are the parts of the scores; the run's scores and pattern, `[prompts, positions]`."""
    _, cache = batch.run("clean")
    results = cache.stack_head_results(layer=layer)
    parts = {"embed": cache["hook_embed"], "pos_embed": cache["hook_pos_embed"]}
    for earlier in range(layer):
        parts |= {f"L{earlier}H{i}": results[earlier * H + i] for i in range(H)}
        parts[f"MLP{earlier}"] = cache["mlp_out", earlier]
    parts["attn_bias"] = model.accumulated_bias(layer, include_mlp_biases=False).expand_as(parts["embed"])
    normalized = cache.apply_ln_to_stack(torch.stack(list(parts.values())), layer=layer)

    def read(weight, bias):
        parted = normalized @ weight[head]
        return torch.cat([parted, bias[head].expand_as(parted[:1])])

    attn = model.blocks[layer].attn
    query = read(attn.W_Q, attn.b_Q)[:, :, -1] / model.cfg.attn_scale
    key = read(attn.W_K, attn.b_K)
    return [*parts, "bias"], query, key, cache["attn_scores", layer][:, head, -1], cache["pattern", layer][:, head, -1]


def by_component(side, query, key):
    """The scores by what wrote one side, means over prompts, `[components, positions]`."""
    if side == "keys":
        return torch.einsum("pe,cpse->csp", query.sum(0), key).mean(-1)
    return torch.einsum("cpe,pse->csp", query, key.sum(0)).mean(-1)


even = of_one_length(groups)
RESULTS["score-decomposition"] = {"keys": {}, "query": {}, "pairs": {}}
if even:
    strongest = lambda: direct(even[0], lambda cache: cache.stack_head_results(layer=-1, pos_slice=-1)).argmax().item()
    [(layer, head)] = named_heads(settings["head"]) or [divmod(strongest(), H)]
    found = [decomposed(group.batches[0], layer, head) for group in even]
    names = found[0][0]
    for side in ("keys", "query"):
        maps = [by_component(side, query, key) for _, query, key, _, _ in found]
        # The components with the largest number in any group
        sizes = torch.stack([values.abs().amax(-1) for values in maps]).amax(0)
        order = sizes.argsort(descending=True).tolist()
        shown, others = sorted(order[:top_k]), order[top_k:]
        rows = [names[i] for i in shown] + ([f"{len(others)} others"] if others else []) + ["score"]
        for group, values, (_, _, _, scores, _) in zip(even, maps, found):
            rest = [values[others].sum(0)] if others else []
            values = torch.stack([*values[shown], *rest, scores.mean(0)]).cpu()
            RESULTS["score-decomposition"][side][group.name] = values.flatten().tolist()
            columns = [f"{token}_{i}" for i, token in enumerate(model.to_str_tokens(group.batches[0].clean[0]))]
            show(values, f"L{layer}H{head}: scores by what wrote the {side}, {group.name}", rows=rows, columns=columns)
    for group, (_, query, key, scores, pattern) in zip(even, found):
        source = int(settings["source"].strip() or pattern.mean(0).argmax())  # empty: what gets most attention
        pairs = (torch.einsum("ipe,jpe->ij", query, key[:, :, source]) / len(scores)).flatten().tolist()
        pairs = {f"{i} {j}": number for (i, j), number in zip(((i, j) for i in names for j in names), pairs)}
        RESULTS["score-decomposition"]["pairs"][group.name] = pairs
        print(f"L{layer}H{head}: pairs of what wrote query and key for position {source}, {group.name}")
        for name, number in sorted(pairs.items(), key=lambda pair: -abs(pair[1]))[:top_k]:
            print(f"  {number:9.4f}  {name}")
        print(f"  {sum(pairs.values()):9.4f}  sum of all pairs; score in the run {scores[:, source].mean().item():.4f}")
