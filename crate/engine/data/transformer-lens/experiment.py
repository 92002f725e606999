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
        for p in group["pairs"]:
            cases.append((p["clean"], p["corrupted"], p["answer"], p["distractor"]))
            if group["symmetric"]:
                cases.append((p["corrupted"], p["clean"], p["distractor"], p["answer"]))
        self.name = group["name"]
        self.cases = cases
        self.batches = []
        while cases:
            length = lambda case: model.to_tokens(case[0], prepend_bos=EXPERIMENT["prepend_bos"]).shape[1]
            count = next((i for i, case in enumerate(cases) if length(case) != length(cases[0])), len(cases))
            self.batches.append(Batch(cases[:count]))
            cases = cases[count:]

    def per_prompt(self, measure):
        """`measure(batch)` is `[..., prompts]`; all prompts of the group."""
        return torch.cat([measure(batch) for batch in self.batches], dim=-1)


groups = [Group(group) for group in EXPERIMENT["groups"]]
RESULTS = {}  # analysis -> figure -> group -> numbers, averaged over prompts
