# Attention of the heads with the largest attributions, on each group's first prompt
for group in groups:
    heads = direct(group, lambda cache: cache.stack_head_results(layer=-1, pos_slice=-1))
    order = heads.argsort(descending=True)
    batch = group.batches[0]
    _, cache = batch.run("clean")
    tokens = [f"{token}_{i}" for i, token in enumerate(model.to_str_tokens(batch.clean[0]))]
    for cell in [*order[:3].tolist(), *order[-3:].tolist()]:
        layer, head = divmod(cell, H)
        pattern = cache["pattern", layer][0, head].cpu()
        show(pattern, f"L{layer}H{head}, {group.name}", rows=tokens, columns=tokens)
