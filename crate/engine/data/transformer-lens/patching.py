# Activation patching: (patched - corrupted) / (clean - corrupted) when clean activations go into the corrupted run;
# the other way round, what changes of the clean run on the same scale
def patched(group, hook, index, direction):
    """The group's normalised mean with `activation[index]` of one hook point taken from the other run."""
    into, out_of = ("corrupted", "clean") if direction == "denoise" else ("clean", "corrupted")

    def measure(batch):
        key = (id(batch), out_of)
        if key not in caches:
            caches[key] = batch.run(out_of)[1]

        def patch(activation, hook):
            activation[index] = caches[key][hook.name][index]
            return activation

        return batch.logit_diff(model.run_with_hooks(getattr(batch, into), fwd_hooks=[(hook, patch)]))

    before = group.corrupted_mean if direction == "denoise" else group.clean_mean
    return ((group.per_prompt(measure).mean() - before) / (group.clean_mean - group.corrupted_mean)).item()


caches = {}
every = slice(None)


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
