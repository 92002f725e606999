# Logit lens: the logit difference read off the residual stream before and in the middle of each layer
RESULTS["logit-lens"] = {"lens": {}}
points = [f"{layer}_{half}" for layer in range(L) for half in ("pre", "mid")] + ["final_post"]
for group in groups:
    lens = direct(group, lambda cache: cache.accumulated_resid(layer=-1, incl_mid=True, pos_slice=-1))
    RESULTS["logit-lens"]["lens"][group.name] = lens.tolist()
    show(lens, f"Logit lens, {group.name}", columns=points)
