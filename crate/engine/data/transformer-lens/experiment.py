class Batch:
    """Prompts of one length, and those that corrupt them."""

    def __init__(self, cases):
        clean, corrupted, answers, distractors = zip(*cases)
        bos = EXPERIMENT["prepend_bos"]
        self.clean = model.to_tokens(list(clean), prepend_bos=bos)
        self.corrupted = model.to_tokens(list(corrupted), prepend_bos=bos)
        # Answers and distractors of each prompt, one token or a set: of a set a logit is the mean, a probability the sum.
        ids = lambda texts: torch.tensor([model.to_single_token(text) for text in texts], device=device)
        self.sets = [(ids(a), ids(d)) for a, d in zip(answers, distractors)]

    def over_sets(self, values, mean=torch.mean):
        """The mean over each prompt's answers and over its distractors of `values [prompts, vocabulary]`: `[prompts, 2]`."""
        return torch.stack([torch.stack([mean(row[ids], 0) for ids in sets]) for row, sets in zip(values, self.sets)])

    def logit_diff(self, logits):
        """logit(answer) - logit(distractor) at the last position, per prompt."""
        answer, distractor = self.over_sets(logits[:, -1]).unbind(-1)
        return answer - distractor

    def directions(self):
        """What raises the answers' and the distractors' logits, `[prompts, 2, d_model]`."""
        mean = lambda ids: model.tokens_to_residual_directions(ids).reshape(len(ids), -1).mean(0)
        return torch.stack([torch.stack([mean(ids) for ids in sets]) for sets in self.sets])

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
            answers = [p["answer"], *p.get("more_answers", [])]
            distractors = [p["distractor"], *p.get("more_distractors", [])]
            cases.append((p["clean"], p["corrupted"], answers, distractors))
            if group["symmetric"]:
                cases.append((p["corrupted"], p["clean"], distractors, answers))
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
