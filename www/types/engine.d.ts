// Made by `cargo xtask types` from the Rust types. Do not edit.

/**
 * An entry of the catalogue.
 */
export type AnalysisInfo = { 
/**
 * Name in requests and on the command line.
 */
name: string, 
/**
 * Title on the page.
 */
title: string, 
/**
 * What it shows and how to read it, in a sentence or two.
 */
description: string, 
/**
 * The settings, in the order of the form.
 */
settings: Array<Setting>, };

/**
 * What a [`Role`] looks for in a prompt.
 */
export type Anchor = "first" | "last" | "changed" | "answer" | "distractor" | { "text": string };

/**
 * Attention of some heads on some prompts.
 */
export type Attention = { 
/**
 * Title of the figure.
 */
title: string, 
/**
 * How to read it, in one sentence; null if there is nothing to say.
 */
note: string | null, 
/**
 * Attention weights, or the scores before the softmax.
 */
quantity: Quantity, 
/**
 * The prompts.
 */
prompts: Array<AttentionPrompt>, };

/**
 * Attention of one head on one prompt.
 */
export type AttentionHead = { 
/**
 * `L7H11`.
 */
name: string, 
/**
 * Layer, from 0.
 */
layer: number, 
/**
 * Index within the layer, from 0.
 */
head: number, 
/**
 * Mean contribution to the group's logit difference, if heads were chosen by it.
 */
attribution: number | null, 
/**
 * For each destination position, the numbers of the source positions up to and including itself.
 */
rows: Array<Array<number>>, };

/**
 * Attention of some heads on one prompt.
 */
export type AttentionPrompt = { 
/**
 * Index of the group in the experiment.
 */
group: number, 
/**
 * Index of the prompt among those of its group, as typed.
 */
prompt: number, 
/**
 * The group's name and the prompt.
 */
label: string, 
/**
 * The prompt's tokens.
 */
tokens: Array<Token>, 
/**
 * The heads, in the order shown.
 */
heads: Array<AttentionHead>, };

/**
 * An axis of a [`Grid`].
 */
export type Axis = { 
/**
 * The axis's label.
 */
label: string, 
/**
 * What its rows or columns are.
 */
counts: AxisKind, 
/**
 * A label for each row or column: for layers, heads and neurons their index.
 */
ticks: Array<string>, };

/**
 * What the rows or columns of an [`Axis`] are.
 */
export type AxisKind = "layer" | "head" | "layer-head" | "neuron" | "position" | "position-from-end" | "role" | "component" | "edge" | "other";

/**
 * A cell of a [`Table`].
 */
export type Cell = number | string | Token | Link | null;

/**
 * Tokens and problems of a whole experiment.
 */
export type Checked = { 
/**
 * The tokens of each pair, by group.
 */
groups: Array<Array<PairTokens>>, 
/**
 * Everything that prevents a pair from being run.
 */
problems: Array<Problem>, };

/**
 * A column of a [`Table`].
 */
export type Column = { 
/**
 * The column's heading.
 */
name: string, 
/**
 * The kind of its values, which decides how they are drawn.
 */
quantity: Quantity, 
/**
 * Whether its numbers may be drawn as bars; the ends of an interval may not.
 */
bars: boolean, };

/**
 * The device a model runs on, and why.
 */
export type DeviceInfo = { 
/**
 * The backend.
 */
kind: DeviceKind, 
/**
 * Name for display: "WebGPU, Apple M2", "CPU".
 */
name: string, 
/**
 * Why this one was picked.
 */
reason: string, };

/**
 * A Burn backend.
 */
export type DeviceKind = "cpu" | "wgpu";

/**
 * The device that the user asked for.
 */
export type DevicePreference = "auto" | "cpu" | "wgpu";

/**
 * The value of one prompt.
 */
export type Dot = { 
/**
 * Text of the prompt.
 */
label: string, 
/**
 * Value, in [`Dots::quantity`].
 */
value: number, };

/**
 * The dots of one group.
 */
export type DotSeries = { 
/**
 * The group's name.
 */
name: string, 
/**
 * Index of the group in the experiment.
 */
group: number, 
/**
 * One point per prompt.
 */
points: Array<Dot>, 
/**
 * Mean over the prompts.
 */
mean: number, 
/**
 * 95 % bootstrap interval of the mean; null for a single prompt.
 */
interval: [number, number] | null, };

/**
 * One dot per prompt, and the mean, for each group, on a common axis.
 */
export type Dots = { 
/**
 * Title of the figure.
 */
title: string, 
/**
 * How to read it, in one sentence; null if there is nothing to say.
 */
note: string | null, 
/**
 * The axis's label.
 */
axis: string, 
/**
 * The kind of the values.
 */
quantity: Quantity, 
/**
 * The groups, from top to bottom.
 */
series: Array<DotSeries>, };

/**
 * Groups of prompt pairs, and how they are tokenized.
 */
export type Experiment = { 
/**
 * The groups, in the order shown.
 */
groups: Array<Group>, 
/**
 * Whether to prepend `<|endoftext|>` to every prompt (TransformerLens's `prepend_bos`).
 */
prepend_bos?: boolean, };

/**
 * A text field of a pair.
 */
export type Field = "clean" | "corrupted" | "answer" | "distractor";

/**
 * A number for each row and column, in one panel per group, all on a common scale.
 */
export type Grid = { 
/**
 * Title of the figure.
 */
title: string, 
/**
 * How to read it, in one sentence; null if there is nothing to say.
 */
note: string | null, 
/**
 * The hook point within a layer that the cells refer to, by TransformerLens's name; null if they do not.
 */
site: string | null, 
/**
 * The rows, from top to bottom.
 */
rows: Axis, 
/**
 * The columns, from left to right.
 */
columns: Axis, 
/**
 * The measures to choose from, the default one first. All follow from the same runs.
 */
measures: Array<Measure>, 
/**
 * The groups, and differences between them.
 */
panels: Array<Panel>, };

/**
 * Prompt pairs that share a hypothesis, e.g. the notebook's "'re they".
 */
export type Group = { 
/**
 * The name shown above the group's figures.
 */
name: string, 
/**
 * Whether each pair is used in both directions: prompts 2k and 2k+1 corrupt each other.
 */
symmetric?: boolean, 
/**
 * Names for some tokens of its prompts, in the order shown. A pair's own come on top.
 */
roles?: Array<Role>, 
/**
 * The pairs, in the order shown.
 */
pairs: Array<Pair>, };

/**
 * A predicted token.
 */
export type Guess = { 
/**
 * The token.
 */
token: Token, 
/**
 * Logit, in nats.
 */
logit: number, 
/**
 * Probability, from 0 to 1.
 */
probability: number, };

/**
 * A circuit that is known by name.
 */
export type KnownCircuit = { 
/**
 * What stands for it among edges.
 */
name: string, 
/**
 * What it is, and where it is from.
 */
note: string, };

/**
 * A document on the web.
 */
export type Link = { 
/**
 * What it is called.
 */
text: string, 
/**
 * Its address.
 */
link: string, };

/**
 * Why a row stands out.
 */
export type Mark = "answer" | "distractor" | "mean" | "passed" | "failed";

/**
 * A quantity that a [`Grid`] or scatter plot can show.
 */
export type Measure = { 
/**
 * Stable, machine-readable name: `normalized`, `logit-diff`, ...
 */
name: string, 
/**
 * Label of the colour scale.
 */
label: string, 
/**
 * The kind of the numbers.
 */
quantity: Quantity, 
/**
 * The ends of the scale; null for the largest magnitude or, without a middle, the extremes.
 */
range: [number, number] | null, 
/**
 * The middle of a diverging colour scale; null for a sequential one.
 */
middle: number | null, };

/**
 * The sizes and the device of the open model.
 */
export type ModelInfo = { 
/**
 * The model's name, for display.
 */
name: string, 
/**
 * Number of layers.
 */
n_layers: number, 
/**
 * Heads per layer.
 */
n_heads: number, 
/**
 * Width of the residual stream.
 */
d_model: number, 
/**
 * Width of a head.
 */
d_head: number, 
/**
 * Neurons per layer.
 */
d_mlp: number, 
/**
 * Tokens in the vocabulary.
 */
d_vocab: number, 
/**
 * Longest prompt in tokens, `<|endoftext|>` included.
 */
n_ctx: number, 
/**
 * Number of parameters that are used; stored causal masks are not.
 */
parameters: number, 
/**
 * The device it runs on.
 */
device: DeviceInfo, 
/**
 * What a reader of its numbers has to know of its files; null if there is nothing.
 */
note: string | null, };

/**
 * One analysis to repeat.
 */
export type NotebookAnalysis = { 
/**
 * Name in the catalogue.
 */
name: string, 
/**
 * Settings; missing ones take their defaults.
 */
settings?: Record<string, string | number | boolean>, };

/**
 * What the notebook should repeat.
 */
export type NotebookRequest = { 
/**
 * The checkpoint: a name on the Hugging Face hub, or a folder.
 */
model: string, 
/**
 * The tokenizer, likewise.
 */
tokenizer: string, 
/**
 * The prompts.
 */
experiment: Experiment, 
/**
 * The analyses, in order. Those without a Python cell are listed in the notebook as left out.
 */
analyses: Array<NotebookAnalysis>, };

/**
 * The result of opening a model.
 */
export type Opened = { 
/**
 * The model's sizes and device.
 */
model: ModelInfo, 
/**
 * Where its weights came from.
 */
bytes: WeightBytes, };

/**
 * A prompt, its corrupted counterpart, and the two next tokens that are compared.
 */
export type Pair = { 
/**
 * The prompt that `answer` continues correctly.
 */
clean: string, 
/**
 * The prompt that `distractor` continues correctly. Empty: there is none, and what compares two prompts leaves the pair out.
 */
corrupted: string, 
/**
 * The right next token, exactly as typed: no space is ever added.
 */
answer: string, 
/**
 * The next token it is compared with, exactly as typed.
 */
distractor: string, 
/**
 * Further next tokens that are right. With `answer` they are a set: logits are its mean, probabilities its sum.
 */
more_answers?: Array<string>, 
/**
 * Further next tokens that it is compared with, likewise.
 */
more_distractors?: Array<string>, 
/**
 * Roles of this pair: those of the group's with the same name are replaced.
 */
roles?: Array<Role>, };

/**
 * What the editor shows under each pair: the tokens of its four fields, and where the prompts differ.
 */
export type PairTokens = { 
/**
 * Tokens of the clean prompt, `<|endoftext|>` included where it is prepended.
 */
clean: Array<Token>, 
/**
 * Tokens of the corrupted prompt, likewise.
 */
corrupted: Array<Token>, 
/**
 * Tokens of the answer; usable only if there is exactly one.
 */
answer: Array<Token>, 
/**
 * Tokens of the distractor; usable only if there is exactly one.
 */
distractor: Array<Token>, 
/**
 * The positions where clean and corrupted differ.
 */
differing: Array<number>, 
/**
 * Where the group's roles stand in the clean prompt; those that do not are left out.
 */
roles: Array<RoleSpan>, };

/**
 * One group's numbers, or the difference between two groups'.
 */
export type Panel = { 
/**
 * The group's name, or the names of both.
 */
name: string, 
/**
 * Index of the group in the experiment.
 */
group: number, 
/**
 * Index of the group that was subtracted; null if this is not a difference.
 */
minus: number | null, 
/**
 * The columns' labels, if each group has its own.
 */
ticks: Array<string> | null, 
/**
 * Where columns are positions: those at which the clean and the corrupted prompt of any case differ, ascending. Before
 * the first, attention being causal, the two runs are the same.
 */
changed: Array<number>, 
/**
 * Where columns are positions or roles: how many prompts have each; null if all have all. A mean is over those that have it.
 */
counts: Array<number> | null, 
/**
 * Why shares of the distance between clean and corrupted say little here; null if they may be read as they are.
 */
caution: string | null, 
/**
 * The prompts, in the order of [`Values::prompts`]. A difference has none.
 */
prompts: Array<string>, 
/**
 * The pair that each prompt belongs to, as an index into its group: both directions of a symmetric pair are drawn together
 * where intervals are made.
 */
pairs: Array<number>, 
/**
 * The numbers, by measure. A measure without a meaning for this group is missing.
 */
values: Array<Values>, };

/**
 * One figure.
 */
export type Part = { "kind": "table" } & Table | { "kind": "dots" } & Dots | { "kind": "tokens" } & TokenRows | { "kind": "heat" } & Grid | { "kind": "line" } & Grid | { "kind": "edges" } & Grid | { "kind": "scatter" } & Scatter | { "kind": "attention" } & Attention | { "kind": "text-lens" } & TextLens | { "kind": "token-values" } & TokenValues;

/**
 * A place in an experiment document. Groups and pairs count from 0.
 */
export type Place = { 
/**
 * Index of the group.
 */
group: number, 
/**
 * Index of the pair within the group; null for the group as a whole.
 */
pair: number | null, 
/**
 * The field of the pair; null for the pair as a whole.
 */
field: Field | null, };

/**
 * An experiment that comes with Patchlab.
 */
export type Preset = { 
/**
 * Name in the menu.
 */
name: string, 
/**
 * Where it comes from and what it tests.
 */
note: string, 
/**
 * The experiment document.
 */
experiment: Experiment, };

/**
 * A preview of one figure of a running analysis.
 */
export type Preview = { 
/**
 * Index into the report's parts.
 */
index: number, 
/**
 * The figure, with what has been computed so far.
 */
part: Part, };

/**
 * Something the user should change.
 */
export type Problem = { 
/**
 * Where the problem is; null if it is not in the experiment.
 */
place: Place | null, 
/**
 * Stable, machine-readable name of the kind of problem.
 */
code: string, 
/**
 * What is wrong and what to change.
 */
message: string, };

/**
 * Progress of a long call.
 */
export type Progress = { 
/**
 * What is being done, for display.
 */
stage: string, 
/**
 * Amount done so far, in `unit`.
 */
done: number, 
/**
 * Total amount, in `unit`.
 */
total: number, 
/**
 * What `done` and `total` count.
 */
unit: ProgressUnit, 
/**
 * Why it is stalled, for display: a server that sends nothing, a connection being retried.
 */
note: string | null, };

/**
 * What [`Progress`] counts.
 */
export type ProgressUnit = "bytes" | "prompts" | "sites" | "checks" | "points" | "patches" | "circuits" | "tokens";

/**
 * The kind of a value, which decides how it is formatted and drawn.
 */
export type Quantity = "text" | "token" | "count" | "logit" | "logit-difference" | "probability" | "log-probability" | "share" | "attention" | "score" | "activation" | "loss" | "error";

/**
 * A circuit that was read, by the names of its edges.
 */
export type ReadCircuit = { 
/**
 * Its edges, in the order in which they were named.
 */
edges: Array<string>, 
/**
 * The circuits of this model that are known by name.
 */
known: Array<KnownCircuit>, };

/**
 * The result of one analysis.
 */
export type Report = { 
/**
 * Name of the analysis in the catalogue.
 */
analysis: string, 
/**
 * Title of the analysis.
 */
title: string, 
/**
 * The model's name, as shown in the header.
 */
model: string, 
/**
 * The device it ran on.
 */
device: string, 
/**
 * The figures, in reading order.
 */
parts: Array<Part>, 
/**
 * What could not be computed, and why. The rest of the report is valid.
 */
problems: Array<Problem>, };

/**
 * A request to run one analysis on one experiment. It carries all its inputs.
 */
export type Request = { 
/**
 * The analysis's name in the catalogue.
 */
analysis: string, 
/**
 * The prompts.
 */
experiment: Experiment, 
/**
 * Settings; missing ones take their defaults.
 */
settings?: Record<string, string | number | boolean>, };

/**
 * A name for some of a prompt's tokens, and how they are found in it (docs/experiment.md).
 */
export type Role = { 
/**
 * The name: S1, IO, end, ...
 */
name: string, 
/**
 * What is looked for.
 */
at: Anchor, 
/**
 * Which occurrence, from 1; negative counts from the last.
 */
nth?: number, 
/**
 * Instead of what was found, the single token so many after its end, or before its start if negative.
 */
offset?: number, };

/**
 * The tokens of a role.
 */
export type RoleSpan = { 
/**
 * The role's name.
 */
name: string, 
/**
 * Its first position.
 */
start: number, 
/**
 * The position after its last.
 */
end: number, };

/**
 * A row of a [`Table`].
 */
export type Row = { 
/**
 * One cell per column.
 */
cells: Array<Cell>, 
/**
 * Why the row stands out; null if it does not.
 */
mark: Mark | null, };

/**
 * Named points, coloured by their layers, in one panel per group, all on the same scales.
 */
export type Scatter = { 
/**
 * Title of the figure.
 */
title: string, 
/**
 * How to read it, in one sentence; null if there is nothing to say.
 */
note: string | null, 
/**
 * The horizontal axis.
 */
x: ScatterAxis, 
/**
 * The vertical axis.
 */
y: ScatterAxis, 
/**
 * Whether both axes count the same: then they have one scale, and a diagonal.
 */
alike: boolean, 
/**
 * The measures to choose from, the default one first.
 */
measures: Array<Measure>, 
/**
 * The name of each point: `L7H11`.
 */
names: Array<string>, 
/**
 * Each point's layer; empty if they are of none.
 */
layers: Array<number>, 
/**
 * The groups.
 */
panels: Array<ScatterPanel>, };

/**
 * An axis of a [`Scatter`].
 */
export type ScatterAxis = { 
/**
 * The axis's label.
 */
label: string, };

/**
 * One group's points.
 */
export type ScatterPanel = { 
/**
 * The group's name.
 */
name: string, 
/**
 * Index of the group in the experiment; for a comparison of groups, the one on the vertical axis.
 */
group: number, 
/**
 * The coordinates, by measure.
 */
values: Array<ScatterValues>, };

/**
 * Coordinates in one measure.
 */
export type ScatterValues = { 
/**
 * The measure, as an index into [`Scatter::measures`].
 */
measure: number, 
/**
 * Each point's horizontal coordinate.
 */
x: Array<number>, 
/**
 * Each point's vertical coordinate.
 */
y: Array<number>, };

/**
 * A setting of an analysis.
 */
export type Setting = { 
/**
 * Name in requests and on the command line.
 */
name: string, 
/**
 * The description that users read.
 */
description: string, 
/**
 * Allowed values and the default.
 */
range: SettingRange, };

/**
 * Allowed values of a setting and its default.
 */
export type SettingRange = { "kind": "text", 
/**
 * The default.
 */
default: string, } | { "kind": "count", 
/**
 * The default.
 */
default: number, 
/**
 * The smallest allowed.
 */
min: number, 
/**
 * The largest allowed.
 */
max: number, } | { "kind": "choice", 
/**
 * The default; not necessarily the first option.
 */
default: string, 
/**
 * The allowed words.
 */
options: Array<string>, } | { "kind": "flag", 
/**
 * The default.
 */
default: boolean, };

/**
 * A model whose weights are kept in the browser's storage.
 */
export type StoredModel = { 
/**
 * The address of its folder, which `forget` takes.
 */
base: string, 
/**
 * The name it was opened under.
 */
name: string, 
/**
 * Bytes it takes up in storage.
 */
bytes: number, 
/**
 * Whether all its weights are stored, so that it opens offline.
 */
complete: boolean, 
/**
 * Whether its weights are stored as fp16 although the server has fp32.
 */
half: boolean, };

/**
 * A table with typed columns.
 */
export type Table = { 
/**
 * Title of the figure.
 */
title: string, 
/**
 * How to read it, in one sentence; null if there is nothing to say.
 */
note: string | null, 
/**
 * The group in the experiment that it is about; null if it is about none in particular.
 */
group: number | null, 
/**
 * The columns, from left to right.
 */
columns: Array<Column>, 
/**
 * The rows, from top to bottom; each has one cell per column.
 */
rows: Array<Row>, };

/**
 * The likeliest next tokens at each point of the residual stream and each position.
 */
export type TextLens = { 
/**
 * Title of the figure.
 */
title: string, 
/**
 * How to read it, in one sentence; null if there is nothing to say.
 */
note: string | null, 
/**
 * The prompt, one column per token.
 */
columns: Array<Token>, 
/**
 * The points of the residual stream, from the first to the last: `0_pre`, `0_mid`, ...
 */
rows: Array<string>, 
/**
 * For each row, for each column, the likeliest tokens, likeliest first.
 */
cells: Array<Array<Array<Guess>>>, };

/**
 * A token for display.
 */
export type Token = { 
/**
 * Index in the vocabulary.
 */
id: number, 
/**
 * The text, spaces included; bytes that are not valid UTF-8 on their own appear as U+FFFD.
 */
text: string, };

/**
 * One prompt as tokens.
 */
export type TokenRow = { 
/**
 * What the prompt is: "clean", "corrupted", ...
 */
label: string, 
/**
 * Its tokens, `<|endoftext|>` included where it is prepended.
 */
tokens: Array<Token>, };

/**
 * Prompts as rows of tokens.
 */
export type TokenRows = { 
/**
 * Title of the figure.
 */
title: string, 
/**
 * The prompts.
 */
rows: Array<TokenRow>, };

/**
 * Texts whose tokens are coloured by a number, as in Neuroscope.
 */
export type TokenValues = { 
/**
 * Title of the figure.
 */
title: string, 
/**
 * How to read it, in one sentence; null if there is nothing to say.
 */
note: string | null, 
/**
 * The kind of the numbers.
 */
quantity: Quantity, 
/**
 * The values drawn without colour and in full colour.
 */
range: [number, number], 
/**
 * The texts.
 */
rows: Array<ValuedRow>, };

/**
 * A text with a number per token.
 */
export type ValuedRow = { 
/**
 * Label of the text.
 */
label: string, 
/**
 * Its tokens.
 */
tokens: Array<Token>, 
/**
 * One number per token.
 */
values: Array<number>, 
/**
 * The smallest number.
 */
min: number, 
/**
 * The largest number.
 */
max: number, };

/**
 * A [`Panel`]'s numbers in one measure.
 */
export type Values = { 
/**
 * The measure, as an index into [`Grid::measures`].
 */
measure: number, 
/**
 * The mean over the prompts that have a number, for each cell, row by row; null where none has, or not yet.
 */
mean: Array<number | null>, 
/**
 * Lower ends of the means' 95 % bootstrap intervals; empty for a single pair, null where only one has a number.
 */
low: Array<number | null>, 
/**
 * Upper ends of these intervals.
 */
high: Array<number | null>, 
/**
 * The p-value of each mean, against 0: the share of assignments of signs to the pairs that give a mean at least as far from it.
 * Empty: 0 says nothing in this measure, or there are too many cells.
 */
p: Array<number | null>, 
/**
 * These p-values adjusted for the number of cells: the rate of false discoveries among the cells that have at most this one.
 */
adjusted: Array<number | null>, 
/**
 * For each prompt, its number in each cell, row by row; null where the prompt has no such position or role.
 */
prompts: (number | null)[][], 
/**
 * Whether only some cells were asked for, so that one without a mean is no fault.
 */
some?: boolean, 
/**
 * The mean over the unpatched clean prompts, if the measure has one.
 */
clean: number | null, 
/**
 * The mean over the unpatched corrupted prompts, if the measure has one.
 */
corrupted: number | null, };

/**
 * Bytes of weights, by where they were read from.
 */
export type WeightBytes = { 
/**
 * All bytes read.
 */
total: number, 
/**
 * Fetched from the network by this call.
 */
network: number, 
/**
 * Read from the browser's storage.
 */
storage: number, 
/**
 * Why some are not kept in the browser's storage, for display; null if all are, or if they are files
 * from disk.
 */
unkept: string | null, };

/**
 * A circuit to be written as a file.
 */
export type WriteCircuit = { 
/**
 * The names of its edges.
 */
edges: Array<string>, 
/**
 * The score of every edge of the model, in the graph's order, as changes of the logit difference; null where there is none. Empty:
 * none are known.
 */
scores: Array<number | null>, };
