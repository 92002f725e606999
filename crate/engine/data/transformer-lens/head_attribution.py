# Head attribution
RESULTS["head-attribution"] = {"heads": {}}
for group in groups:
    heads = direct(group, lambda cache: cache.stack_head_results(layer=-1, pos_slice=-1))
    RESULTS["head-attribution"]["heads"][group.name] = heads.tolist()
    show(heads.reshape(L, H), f"Head attribution, {group.name}", rows=list(range(L)), columns=list(range(H)))
