class Batch:
    """Prompts of one length, and those that corrupt them."""

    def __init__(self, cases):
        clean, corrupted, answers, distractors = zip(*cases)
        bos = EXPERIMENT["prepend_bos"]
        self.clean = model.to_tokens(list(clean), prepend_bos=bos)
        self.corrupted = model.to_tokens(list(corrupted), prepend_bos=bos)
        self.answers = torch.tensor(
            [[model.to_single_token(a), model.to_single_token(d)] for a, d in zip(answers, distractors)], device=device
        )

    def logit_diff(self, logits):
        """logit(answer) - logit(distractor) at the last position, per prompt."""
        answer, distractor = logits[:, -1].gather(-1, self.answers).unbind(-1)
        return answer - distractor

    def run(self, side):
        return model.run_with_cache(getattr(self, side))


class Group:
    """A group of prompt pairs. With symmetric pairs, prompts 2k and 2k+1 corrupt each other."""

    def __init__(self, group):
        cases = []
        tokens = lambda text: model.to_tokens(text, prepend_bos=EXPERIMENT["prepend_bos"]).shape[1]
        for p in group["pairs"]:
            if not p["corrupted"] or tokens(p["clean"]) != tokens(p["corrupted"]):
                print(f"{group['name']}: left out here, clean and corrupted differ in length: {p['clean']}")
                continue
            cases.append((p["clean"], p["corrupted"], p["answer"], p["distractor"]))
            if group["symmetric"]:
                cases.append((p["corrupted"], p["clean"], p["distractor"], p["answer"]))
        self.name = group["name"]
        self.cases = cases
        self.batches = []
        while cases:
            count = next((i for i, case in enumerate(cases) if tokens(case[0]) != tokens(cases[0][0])), len(cases))
            self.batches.append(Batch(cases[:count]))
            cases = cases[count:]

    def per_prompt(self, measure):
        """`measure(batch)` is `[..., prompts]`; all prompts of the group."""
        return torch.cat([measure(batch) for batch in self.batches], dim=-1)


def of_one_length(groups):
    """The groups whose prompts have one length: in the others a position is another place in each prompt."""
    for group in groups:
        if len(group.batches) > 1:
            print(f"{group.name}: prompts of different lengths have no positions in common")
    return [group for group in groups if len(group.batches) == 1]


groups = [Group(group) for group in EXPERIMENT["groups"]]
RESULTS = {}  # analysis -> figure -> group -> numbers, averaged over prompts
