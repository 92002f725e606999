# A neuron on text, and the tokens that its output raises and lowers
settings = SETTINGS["neuron-on-text"]
layer, neuron = settings["layer"], settings["index"]
activations = [-float("inf")]
for text in settings["texts"]:
    candidate = model.to_tokens(text, prepend_bos=EXPERIMENT["prepend_bos"])
    _, cache = model.run_with_cache(candidate)
    found = cache["post", layer][0, :, neuron].tolist()
    if max(found) > max(activations):
        tokens, activations = candidate, found
RESULTS["neuron-on-text"] = {"activations": activations}
for token, activation in zip(model.to_str_tokens(tokens[0]), activations):
    print(f"{activation:9.4f}  {token!r}")
logits = model.W_out[layer, neuron] @ model.W_U
for name, order in (("promoted", logits.topk(10)), ("suppressed", (-logits).topk(10))):
    print(name, [(model.to_string([i]), round(logits[i].item(), 4)) for i in order.indices.tolist()])
