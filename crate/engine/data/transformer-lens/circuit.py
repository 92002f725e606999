# Circuit: the clean run in which only some edges carry what it writes, and every other what stands in its place
settings = SETTINGS["circuit"]
members = settings["members"]  # the circuit's edges
# What stands in the place of a node's output where its edge is missing: its output on the corrupted prompt ("resample"),
# its mean over the group's clean prompts at each position ("mean"), or nothing ("zero")
ablation = settings["ablation"]
becomes = {
    "resample": lambda batch: node_outputs(batch, "corrupted"),
    "mean": lambda batch: node_outputs(batch, "clean").mean(1, keepdim=True),
    "zero": lambda batch: torch.zeros_like(node_outputs(batch, "clean")),
}[ablation]
unknown = set(members) - set(EDGES)
assert not unknown, f"no edges of this model: {' '.join(sorted(unknown))}"


def with_edges(batch, edges):
    """The logit difference of the clean run with these edges, per prompt."""
    instead = dict(zip(NODES, becomes(batch)))
    changes = {}  # what stands in each node's place, less what the node writes in this run

    def writes(node, index):
        def compare(activation, hook):
            changes[node] = instead[node] - activation[index]

        return compare

    def reads(missing, index):
        def exchange(activation, hook):
            activation[index] += sum(changes[node] for node in missing)
            return activation

        return exchange

    hooks = [(hook, writes(node, index)) for node, (hook, index) in NODES.items()]
    for reader, (hook, index, before) in READERS.items():
        missing = [node for node in before if f"{node}->{reader}" not in edges]
        hooks.append((hook, reads(missing, index)))
    return batch.logit_diff(model.run_with_hooks(batch.clean, fwd_hooks=[*hooks, last_alone]))


RESULTS["circuit"] = {"circuit": {}, "faithfulness": {}}  # the first per prompt
split_inputs(True)
model.set_use_attn_result(True)
for group in groups:
    if ablation == "mean" and len(group.batches) > 1:
        print(f"{group.name}: prompts of different lengths have no mean at each position")
        continue
    every_edge, no_edge, circuit = (
        group.per_prompt(lambda batch: with_edges(batch, edges)) for edges in (set(EDGES), set(), set(members))
    )
    F_M, F_0, F_C = (differences.mean().item() for differences in (every_edge, no_edge, circuit))
    if abs(F_M - F_0) < 0.01:
        print(f"{group.name}: all edges ({F_M:.4f}) and none ({F_0:.4f}) are too close to say how faithful it is")
        continue
    faithful = {
        "F(M): all edges": F_M,
        "F(0): no edge": F_0,
        f"F(C): the circuit, {len(set(members))} edges": F_C,
        "(F(C) - F(0)) / (F(M) - F(0))": (F_C - F_0) / (F_M - F_0),
        "F(C) / F(M)": F_C / F_M,
        "|F(M) - F(C)|": abs(F_M - F_C),
    }
    RESULTS["circuit"]["circuit"][group.name] = circuit.tolist()
    RESULTS["circuit"]["faithfulness"][group.name] = list(faithful.values())
    print(f"How faithful the circuit is, {ablation}, {group.name}")
    for name, number in faithful.items():
        print(f"  {number:9.4f}  {name}")
    for case, difference in zip(group.cases, circuit.tolist()):
        print(f"  {difference:9.4f}  {case[0]}")
split_inputs(False)
model.set_use_attn_result(False)
