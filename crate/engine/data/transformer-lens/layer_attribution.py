# Layer attribution
RESULTS["layer-attribution"] = {"layers": {}}
components = ["embed", "pos_embed"] + [f"{layer}_{part}" for layer in range(L) for part in ("attn_out", "mlp_out")]
for group in groups:
    layers = direct(group, lambda cache: cache.decompose_resid(layer=-1, pos_slice=-1))
    RESULTS["layer-attribution"]["layers"][group.name] = layers.tolist()
    show(layers, f"Layer attribution, {group.name}", columns=components)
