# Logit lens: the logit difference read off the residual stream before and in the middle of each layer, through the run's final
# LayerNorm scale (steps add up), or as if the model stopped there: through each point's own, with the unembedding's bias
own = SETTINGS["logit-lens"]["scale"] == "own"
RESULTS["logit-lens"] = {"lens": {}}
points = [f"{layer}_{half}" for layer in range(L) for half in ("pre", "mid")] + ["final_post"]


def read_off(batch):
    _, cache = batch.run("clean")
    stream = cache.accumulated_resid(layer=-1, incl_mid=True, pos_slice=-1)
    bias = batch.logit_diff(model.b_U.expand(len(batch.sets), 1, -1))
    return along(batch, cache, stream, recompute_ln=own) + (bias if own else 0)


for group in groups:
    lens = group.per_prompt(read_off).mean(-1).cpu()
    RESULTS["logit-lens"]["lens"][group.name] = lens.tolist()
    show(lens, f"Logit lens, {group.name}", columns=points)
