# Head patching: all positions, or one at a time
settings = SETTINGS["head-patching"]
parts = ["z", "v", "pattern", "q", "k"] if settings["what"] == "all" else [settings["what"]]
RESULTS["head-patching"] = {f"attn.hook_{part}": {} for part in parts}
for part in parts:
    for group in groups:
        tokens = model.to_str_tokens(group.batches[0].clean[0])
        places = list(range(len(tokens))) if settings["by_position"] else [every]
        index = lambda head, place: (every, head, place) if part == "pattern" else (every, place, head)
        values = [
            [
                patched(group, f"blocks.{layer}.attn.hook_{part}", index(head, place), settings["direction"])
                for head in range(H)
                for place in places
            ]
            for layer in range(L)
        ]
        RESULTS["head-patching"][f"attn.hook_{part}"][group.name] = np.array(values).flatten().tolist()
        if settings["by_position"]:
            rows = [f"L{layer}H{head}" for layer in range(L) for head in range(H)]
            columns = [f"{token}_{i}" for i, token in enumerate(tokens)]
            values = np.array(values).reshape(L * H, len(tokens))
        else:
            rows, columns = list(range(L)), list(range(H))
        show(values, f"Patched head {part}, {group.name}", rows=rows, columns=columns, limit=1)
