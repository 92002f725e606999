# What each part of the final residual stream adds to the logit difference, through the run's final LayerNorm scale
def along(batch, cache, parts, **scale):
    """`parts` of a run, `[parts, prompts, d_model]`, along each prompt's logit difference."""
    directions = batch.directions()
    direction = directions[:, 0] - directions[:, 1]
    return (cache.apply_ln_to_stack(parts, layer=-1, pos_slice=-1, **scale) * direction).sum(-1)


def direct(group, stack):
    """Mean over the group's prompts of `stack(cache)`, `[parts, prompts, d_model]`, along the logit difference."""

    def measure(batch):
        _, cache = batch.run("clean")
        return along(batch, cache, stack(cache))

    return group.per_prompt(measure).mean(-1).cpu()
