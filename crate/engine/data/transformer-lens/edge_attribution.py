# Edges: the change of the logit difference if one reader gets what one node wrote in the other run, all else as it was
settings = SETTINGS["edge-attribution"]
# "exact": each edge is replaced alone. Or an estimate, (node in the other run - node in this run) . gradient of the logit
# difference by the reader's input: on the run that is changed ("eap"), or the mean over steps towards it from the other
# prompt's embeddings ("eap-ig")
method = settings["method"]
steps = settings["steps"]  # of eap-ig; the run that is changed, where they lead, is not one of them
top_k = settings["top_k"]  # so many of the largest and so many of the smallest are printed
# The run that is changed, and the one that values come from
base, other = {"noise": ("clean", "corrupted"), "denoise": ("corrupted", "clean")}[settings["direction"]]


def replaced(batch, reader, difference, at_once=128):
    """The logit difference when a reader gets one node from the other run, `[nodes, prompts]`.

    It costs a full run for each edge and prompt, `at_once` of them in a batch. GPT-2 small has 32,491 edges: with eight
    prompts that is six hours on two cores.
    """
    hook, index, before = READERS[reader]
    tokens = getattr(batch, base)
    found = []
    for change in difference[: len(before)].split(max(1, at_once // len(tokens))):

        def add(activation, hook):
            activation[index] += change.flatten(0, 1)
            return activation

        logits = model.run_with_hooks(tokens.repeat(len(change), 1), fwd_hooks=[(hook, add), last_alone])
        found += [batch.logit_diff(of_edge) for of_edge in logits.split(len(tokens))]
    return torch.stack(found)


def gradients(batch, embed):
    """Of the logit difference by each reader's input, in a run from these token embeddings:
    `[readers, prompts, positions, d_model]`."""
    read = {}

    def keep(activation, hook):
        read[hook.name] = activation

    hooks = [(hook, keep) for hook in {hook for hook, _, _ in READERS.values()}]
    start = ("hook_embed", lambda activation, hook: embed)
    with torch.enable_grad():
        logits = model.run_with_hooks(batch.clean, fwd_hooks=[start, *hooks, last_alone])
        found = torch.autograd.grad(batch.logit_diff(logits).sum(), list(read.values()))
    found = dict(zip(read, found))
    return torch.stack([found[hook][index] for hook, index, _ in READERS.values()])


def changes(batch):
    """The change of the logit difference by each edge, `[edges, prompts]`."""
    this, that = node_outputs(batch, base), node_outputs(batch, other)
    if method == "exact":
        found = torch.cat([replaced(batch, reader, that - this) for reader in READERS])
        return found - batch.logit_diff(batch.run(base)[0])
    shares = [1] if method == "eap" else [step / steps for step in range(steps)]
    # Token embeddings are the first node.
    gradient = sum(gradients(batch, that[0] + share * (this[0] - that[0])) for share in shares) / len(shares)
    found = torch.einsum("npsd,rpsd->rnp", that - this, gradient)
    return torch.cat([of_reader[: len(before)] for of_reader, (_, _, before) in zip(found, READERS.values())])


RESULTS["edge-attribution"] = {"edges": {}, "heads": {}}
split_inputs(True)
for group in groups:
    values = group.per_prompt(changes).mean(-1).tolist()
    RESULTS["edge-attribution"]["edges"][group.name] = values
    print(f"Change of the logit difference by edges, {method}, {group.name}")
    order = sorted(range(len(EDGES)), key=lambda edge: -values[edge])
    for edge in order[:top_k] + order[top_k:][-top_k:]:
        print(f"  {values[edge]:9.4f}  {EDGES[edge]}")
    sums = dict.fromkeys(NODES, 0.0)
    for edge, value in zip(EDGES, values):
        sums[edge.split("->")[0]] += value
    heads = [sums[f"a{layer}.h{head}"] for layer in range(L) for head in range(H)]
    RESULTS["edge-attribution"]["heads"][group.name] = heads
    title = f"Outgoing edges of each head, summed, {group.name}"
    show(np.array(heads).reshape(L, H), title, rows=list(range(L)), columns=list(range(H)))
split_inputs(False)
