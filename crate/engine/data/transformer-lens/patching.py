# Activation patching: (patched - corrupted) / (clean - corrupted) when clean activations go into the corrupted run;
# the other way round, what changes of the clean run on the same scale
SIDES = {"denoise": ("corrupted", "clean"), "noise": ("clean", "corrupted")}  # into which run, out of which
every = slice(None)
caches = {}


def recorded(batch, side):
    """The cache of a run without patches, kept for all of them."""
    key = (batch, side)
    if key not in caches:
        caches[key] = batch.run(side)[1]
    return caches[key]


def put(source, index=every):
    """A hook that takes `activation[index]` from `source`, a cache or a dictionary."""

    def patch(activation, hook):
        activation[index] = source[hook.name][index]
        return activation

    return patch


def normalised(group, measure, direction):
    """The group's normalised mean, `measure(batch)` being the patched logit differences."""
    before = group.corrupted_mean if direction == "denoise" else group.clean_mean
    return ((group.per_prompt(measure).mean() - before) / (group.clean_mean - group.corrupted_mean)).item()


def patched(group, hook, index, direction):
    """The group's normalised mean with `activation[index]` of one hook point taken from the other run."""
    into, out_of = SIDES[direction]

    def measure(batch):
        patch = (hook, put(recorded(batch, out_of), index))
        return batch.logit_diff(model.run_with_hooks(getattr(batch, into), fwd_hooks=[patch]))

    return normalised(group, measure, direction)


def by_position(hook, direction, name, title):
    """One position at a time, in every layer."""
    RESULTS.setdefault(name, {})[hook] = {}
    for group in groups:
        if len(group.batches) > 1:
            print(f"{group.name}: prompts of different lengths have no map of positions")
            continue
        tokens = model.to_str_tokens(group.batches[0].clean[0])
        values = [
            [patched(group, f"blocks.{layer}.{hook}", (every, position), direction) for position in range(len(tokens))]
            for layer in range(L)
        ]
        RESULTS[name][hook][group.name] = np.array(values).flatten().tolist()
        columns = [f"{token}_{i}" for i, token in enumerate(tokens)]
        show(values, f"{title}, {group.name}", rows=list(range(L)), columns=columns, limit=1)
