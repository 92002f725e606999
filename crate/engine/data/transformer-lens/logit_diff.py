# Does the model do it?
RESULTS["logit-diff"] = {"mean": {}}
for group in groups:
    differences = {
        side: group.per_prompt(lambda batch: batch.logit_diff(batch.run(side)[0])) for side in ("clean", "corrupted")
    }
    group.clean_mean, group.corrupted_mean = differences["clean"].mean(), differences["corrupted"].mean()
    RESULTS["logit-diff"]["mean"][group.name] = group.clean_mean.item()
    print(group.name, "clean", group.clean_mean.item(), "corrupted", group.corrupted_mean.item())
    for case, difference in zip(group.cases, differences["clean"].tolist()):
        print(f"  {difference:8.4f}  {case[0]}")
