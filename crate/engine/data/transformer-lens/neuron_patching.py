# Neuron patching, all positions: one full run per neuron, so choose layers (and be patient)
settings = SETTINGS["neuron-patching"]
layers = set()
for word in settings["layers"].replace(",", " ").replace(";", " ").replace("L", "").split():
    first, _, last = word.partition("-")
    layers |= set(range(L)) if word == "all" else set(range(int(first), int(last or first) + 1))
RESULTS["neuron-patching"] = {"mlp.hook_post": {}}
for group in groups:
    values = {
        layer: [
            patched(group, f"blocks.{layer}.mlp.hook_post", (every, every, neuron), settings["direction"])
            for neuron in range(N)
        ]
        for layer in sorted(layers)
    }
    RESULTS["neuron-patching"]["mlp.hook_post"][group.name] = sum(values.values(), [])
    for layer, line in values.items():
        show(np.array(line), f"Patched neurons, layer {layer}, {group.name}", columns=list(range(N)))
