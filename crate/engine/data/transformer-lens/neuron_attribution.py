# Neuron attribution
RESULTS["neuron-attribution"] = {"neurons": {}}
for group in groups:
    neurons = direct(group, lambda cache: cache.stack_neuron_results(layer=-1, pos_slice=-1))
    RESULTS["neuron-attribution"]["neurons"][group.name] = neurons.tolist()
    for layer, values in enumerate(neurons.reshape(L, N)):
        show(values, f"Neuron attribution, layer {layer}, {group.name}", columns=list(range(N)))
