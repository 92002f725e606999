# Neuron patching, all positions: one full run per neuron, so choose layers (and be patient)
settings = SETTINGS["neuron-patching"]
RESULTS["neuron-patching"] = {"mlp.hook_post": {}}
for group in groups:
    values = {
        layer: [
            patched(group, f"blocks.{layer}.mlp.hook_post", (every, every, neuron), settings["direction"])
            for neuron in range(N)
        ]
        for layer in named_layers(settings["layers"])
    }
    RESULTS["neuron-patching"]["mlp.hook_post"][group.name] = sum(values.values(), [])
    for layer, line in values.items():
        show(np.array(line), f"Patched neurons, layer {layer}, {group.name}", columns=list(range(N)))
