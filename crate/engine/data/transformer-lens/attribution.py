# What each part of the final residual stream adds to the logit difference, through the run's final LayerNorm scale
def direct(group, stack):
    """Mean over the group's prompts of `stack(cache)`, `[parts, prompts, d_model]`, along the logit difference."""

    def measure(batch):
        _, cache = batch.run("clean")
        directions = model.tokens_to_residual_directions(batch.answers)
        direction = directions[:, 0] - directions[:, 1]
        scaled = cache.apply_ln_to_stack(stack(cache), layer=-1, pos_slice=-1)
        return (scaled * direction).sum(-1)

    return group.per_prompt(measure).mean(-1).cpu()
