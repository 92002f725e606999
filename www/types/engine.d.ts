// Made by `cargo xtask types` from the Rust types. Do not edit.

/**
 * Groups of prompt pairs, and how they are tokenized.
 */
export type Experiment = { 
/**
 * The groups, in the order shown.
 */
groups: Array<Group>, 
/**
 * Whether `<|endoftext|>` is put before every prompt, TransformerLens's `prepend_bos`.
 */
prepend_bos?: boolean, };

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
 * The pairs, in the order shown.
 */
pairs: Array<Pair>, };

/**
 * A prompt, its corrupted twin, and the two next tokens that are compared.
 */
export type Pair = { 
/**
 * The prompt on which the model should say `answer`.
 */
clean: string, 
/**
 * The prompt on which it should not: as many tokens as `clean`.
 */
corrupted: string, 
/**
 * The right next token, exactly as typed: no space is ever added.
 */
answer: string, 
/**
 * The next token it is compared with, exactly as typed.
 */
distractor: string, };

/**
 * A text field of a pair.
 */
export type Field = "clean" | "corrupted" | "answer" | "distractor";

/**
 * Where in an experiment something stands. Groups and pairs count from 0.
 */
export type Place = { 
/**
 * The group.
 */
group: number, 
/**
 * The pair within the group; none: the group as a whole.
 */
pair: number | null, 
/**
 * The field of the pair; none: the pair as a whole.
 */
field: Field | null, };

/**
 * An experiment that comes with Patchlab.
 */
export type Preset = { 
/**
 * Its name in a menu.
 */
name: string, 
/**
 * Where it comes from and what it tests.
 */
note: string, 
/**
 * The document.
 */
experiment: Experiment, };

/**
 * An entry of the catalogue, as data.
 */
export type AnalysisInfo = { 
/**
 * [`Analysis::name`].
 */
name: string, 
/**
 * [`Analysis::title`].
 */
title: string, 
/**
 * [`Analysis::description`].
 */
description: string, 
/**
 * [`Analysis::settings`].
 */
settings: Array<Setting>, };

/**
 * Something the user can set.
 */
export type Setting = { 
/**
 * Its name in requests and on the command line.
 */
name: string, 
/**
 * What it means.
 */
description: string, 
/**
 * What it may be.
 */
range: Range, };

/**
 * What a setting may be.
 */
export type Range = { "kind": "text", 
/**
 * What it is if left out.
 */
default: string, } | { "kind": "count", 
/**
 * What it is if left out.
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
 * What it is if left out: the first is not always the default.
 */
default: string, 
/**
 * What it may be.
 */
options: Array<string>, } | { "kind": "flag", 
/**
 * What it is if left out.
 */
default: boolean, };

/**
 * One analysis of one experiment: carries all its inputs.
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
 * The analysis's settings; those left out have their defaults.
 */
settings?: Record<string, string | number | boolean>, };

/**
 * What a notebook is to repeat.
 */
export type NotebookRequest = { 
/**
 * The checkpoint: a name on the Hugging Face hub, or a folder.
 */
model: string, 
/**
 * Where its tokenizer is, likewise.
 */
tokenizer: string, 
/**
 * The prompts.
 */
experiment: Experiment, 
/**
 * The analyses, in order; those that have no cell in Python are named in the notebook and left out.
 */
analyses: Array<NotebookAnalysis>, };

/**
 * One analysis to repeat.
 */
export type NotebookAnalysis = { 
/**
 * Its name in the catalogue.
 */
name: string, 
/**
 * Its settings; those left out have their defaults.
 */
settings?: Record<string, string | number | boolean>, };

/**
 * The result of one analysis.
 */
export type Report = { 
/**
 * The analysis's name in the catalogue.
 */
analysis: string, 
/**
 * A heading.
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
 * What could not be computed, and why. The rest of the report stands.
 */
problems: Array<Problem>, };

/**
 * One figure.
 */
export type Part = { "kind": "table" } & Table | { "kind": "dots" } & Dots | { "kind": "tokens" } & TokenRows | { "kind": "heat" } & Grid | { "kind": "line" } & Grid | { "kind": "scatter" } & Scatter | { "kind": "attention" } & Attention | { "kind": "text-lens" } & TextLens | { "kind": "token-values" } & TokenValues;

/**
 * A figure of a report that is still being made.
 */
export type Preview = { 
/**
 * Which of the report's parts it will be.
 */
index: number, 
/**
 * The part as far as it has come.
 */
part: Part, };

/**
 * A table with typed columns.
 */
export type Table = { 
/**
 * A heading.
 */
title: string, 
/**
 * One sentence on how to read it, or nothing.
 */
note: string | null, 
/**
 * The columns, from left to right.
 */
columns: Array<Column>, 
/**
 * The rows, from top to bottom; each has one cell per column.
 */
rows: Array<Row>, };

/**
 * A column of a [`Table`].
 */
export type Column = { 
/**
 * Its heading.
 */
name: string, 
/**
 * What its cells are, which decides how they are drawn.
 */
quantity: Quantity, };

/**
 * What a number or a text stands for.
 */
export type Quantity = "text" | "token" | "count" | "logit" | "logit-difference" | "probability" | "log-probability" | "share" | "attention" | "score" | "activation" | "error";

/**
 * A row of a [`Table`].
 */
export type Row = { 
/**
 * One cell per column.
 */
cells: Array<Cell>, 
/**
 * Why the row stands out, or nothing.
 */
mark: Mark | null, };

/**
 * Why a row stands out.
 */
export type Mark = "answer" | "distractor" | "mean" | "passed" | "failed";

/**
 * A cell of a [`Table`].
 */
export type Cell = number | string | Token | null;

/**
 * A token as shown: its id in the vocabulary and its text.
 */
export type Token = { 
/**
 * The id.
 */
id: number, 
/**
 * The text, spaces included; bytes that are no UTF-8 on their own appear as U+FFFD.
 */
text: string, };

/**
 * One dot per prompt and the mean, per group, on one axis.
 */
export type Dots = { 
/**
 * A heading.
 */
title: string, 
/**
 * One sentence on how to read it, or nothing.
 */
note: string | null, 
/**
 * The axis's label.
 */
axis: string, 
/**
 * What the values are.
 */
quantity: Quantity, 
/**
 * The groups, from top to bottom.
 */
series: Array<DotSeries>, };

/**
 * The dots of one group.
 */
export type DotSeries = { 
/**
 * The group's name.
 */
name: string, 
/**
 * The group's index in the experiment.
 */
group: number, 
/**
 * One point per prompt.
 */
points: Array<Dot>, 
/**
 * The mean over the prompts.
 */
mean: number, 
/**
 * The mean's 95 % bootstrap interval; none for a single prompt.
 */
interval: [number, number] | null, };

/**
 * The value of one prompt.
 */
export type Dot = { 
/**
 * The prompt.
 */
label: string, 
/**
 * Its value, in the [`Dots::quantity`].
 */
value: number, };

/**
 * Prompts as rows of tokens.
 */
export type TokenRows = { 
/**
 * A heading.
 */
title: string, 
/**
 * The prompts.
 */
rows: Array<TokenRow>, };

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
 * A number for each row and column, in one panel per group, all on one scale.
 */
export type Grid = { 
/**
 * A heading.
 */
title: string, 
/**
 * One sentence on how to read it, or nothing.
 */
note: string | null, 
/**
 * The hook point within a layer that a cell is about, as TransformerLens names it, if it is about one.
 */
site: string | null, 
/**
 * What the rows are, from top to bottom.
 */
rows: Axis, 
/**
 * What the columns are, from left to right.
 */
columns: Axis, 
/**
 * What the numbers can be, the one shown first at the front. All follow from the same runs.
 */
measures: Array<Measure>, 
/**
 * The groups, and differences between them.
 */
panels: Array<Panel>, };

/**
 * An axis of a [`Grid`].
 */
export type Axis = { 
/**
 * What stands beside it.
 */
label: string, 
/**
 * What it counts.
 */
counts: AxisKind, 
/**
 * A label for each row or column. Layers, heads and neurons are labelled by their numbers.
 */
ticks: Array<string>, };

/**
 * What an [`Axis`] counts.
 */
export type AxisKind = "layer" | "head" | "layer-head" | "neuron" | "position" | "component" | "other";

/**
 * What the numbers of a [`Grid`] can be.
 */
export type Measure = { 
/**
 * A short stable name: `normalized`, `logit-diff`, ...
 */
name: string, 
/**
 * What stands beside the colour scale.
 */
label: string, 
/**
 * What the numbers are.
 */
quantity: Quantity, 
/**
 * The ends of the scale; none: the largest magnitude, or for a measure without a middle the extremes.
 */
range: [number, number] | null, 
/**
 * The number in the middle of a scale of two colours; none: a scale of one colour.
 */
middle: number | null, };

/**
 * One group's numbers, or the difference between two groups'.
 */
export type Panel = { 
/**
 * The group's name, or the names of both.
 */
name: string, 
/**
 * The group's index in the experiment.
 */
group: number, 
/**
 * The group that was subtracted, if this is a difference.
 */
minus: number | null, 
/**
 * The columns' labels, where each group has its own.
 */
ticks: Array<string> | null, 
/**
 * The prompts, in the order of [`Values::prompts`]. A difference has none.
 */
prompts: Array<string>, 
/**
 * The numbers, by measure. A measure that has no meaning for this group is missing.
 */
values: Array<Values>, };

/**
 * A [`Panel`]'s numbers in one measure.
 */
export type Values = { 
/**
 * The measure, as an index into [`Grid::measures`].
 */
measure: number, 
/**
 * The mean over the prompts for each cell, row by row; null: not computed yet.
 */
mean: Array<number | null>, 
/**
 * The lower ends of the means' 95 % bootstrap intervals; empty for a single prompt.
 */
low: Array<number>, 
/**
 * The upper ends.
 */
high: Array<number>, 
/**
 * For each prompt its number in each cell, row by row.
 */
prompts: Array<Array<number>>, 
/**
 * The mean over the unpatched clean prompts, where the measure has one.
 */
clean: number | null, 
/**
 * The mean over the unpatched corrupted prompts, where the measure has one.
 */
corrupted: number | null, };

/**
 * Points with names, coloured by layer, in one panel per group, all on one scale.
 */
export type Scatter = { 
/**
 * A heading.
 */
title: string, 
/**
 * One sentence on how to read it, or nothing.
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
 * What the numbers can be; the one shown first at the front.
 */
measures: Array<Measure>, 
/**
 * Each point's name: `L7H11`.
 */
names: Array<string>, 
/**
 * Each point's layer.
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
 * What stands beside it.
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
 * The group's index in the experiment; for a comparison of groups, the one on the vertical axis.
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
 * Attention of some heads on some prompts.
 */
export type Attention = { 
/**
 * A heading.
 */
title: string, 
/**
 * One sentence on how to read it, or nothing.
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
 * Attention of some heads on one prompt.
 */
export type AttentionPrompt = { 
/**
 * The group's index in the experiment.
 */
group: number, 
/**
 * The prompt's index among those of its group, as typed.
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
 * Attention of one head on one prompt.
 */
export type AttentionHead = { 
/**
 * `L7H11`.
 */
name: string, 
/**
 * Its layer.
 */
layer: number, 
/**
 * Its index in the layer.
 */
head: number, 
/**
 * Its mean contribution to the group's logit difference, where heads were chosen by it.
 */
attribution: number | null, 
/**
 * For each destination position, a number for each source position up to and including itself.
 */
rows: Array<Array<number>>, };

/**
 * The likeliest next tokens at each point of the residual stream and each position.
 */
export type TextLens = { 
/**
 * A heading.
 */
title: string, 
/**
 * One sentence on how to read it, or nothing.
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
 * A token that is predicted.
 */
export type Guess = { 
/**
 * The token.
 */
token: Token, 
/**
 * Its logit.
 */
logit: number, 
/**
 * Its probability.
 */
probability: number, };

/**
 * Texts whose tokens are coloured by a number, as Neuroscope does it.
 */
export type TokenValues = { 
/**
 * A heading.
 */
title: string, 
/**
 * One sentence on how to read it, or nothing.
 */
note: string | null, 
/**
 * What the numbers are.
 */
quantity: Quantity, 
/**
 * The numbers that get no colour and the full colour.
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
 * What the text is.
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
 * Something the user should change, at the field that has it.
 */
export type Problem = { 
/**
 * Where it stands.
 */
place: Place | null, 
/**
 * A short stable name of the kind of fault.
 */
code: string, 
/**
 * What is wrong and what to change.
 */
message: string, };

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
 * The positions at which clean and corrupted differ.
 */
differing: Array<number>, };

/**
 * The tokens and the problems of a whole experiment.
 */
export type Checked = { 
/**
 * For each group, for each pair, its tokens.
 */
groups: Array<Array<PairTokens>>, 
/**
 * Everything that keeps a pair from being run.
 */
problems: Array<Problem>, };

/**
 * The model a session has open.
 */
export type ModelInfo = { 
/**
 * The name shown.
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
 * Numbers in the checkpoint that are used.
 */
parameters: number, 
/**
 * The device it is on.
 */
device: DeviceInfo, };

/**
 * The device a model runs on, and why this one.
 */
export type DeviceInfo = { 
/**
 * Which kind.
 */
kind: DeviceKind, 
/**
 * The name shown: "WebGPU, Apple M2", "CPU".
 */
name: string, 
/**
 * Why this one was picked.
 */
reason: string, };

/**
 * A kind of device.
 */
export type DeviceKind = "cpu" | "wgpu";

/**
 * How far a long call has come.
 */
export type Progress = { 
/**
 * What is being done, in words.
 */
stage: string, 
/**
 * How much is done, in `unit`.
 */
done: number, 
/**
 * How much there is in all, in `unit`.
 */
total: number, 
/**
 * What is counted.
 */
unit: Unit, 
/**
 * What holds it up, in words: a host that sends nothing, a connection that is tried again.
 */
note: string | null, };

/**
 * What [`Progress`] counts.
 */
export type Unit = "bytes" | "prompts" | "sites" | "checks" | "points" | "patches";

/**
 * The answer to opening a model.
 */
export type Opened = { 
/**
 * The model.
 */
model: ModelInfo, 
/**
 * Where its weights came from.
 */
bytes: WeightBytes, };

/**
 * Bytes of weights, by where they came from.
 */
export type WeightBytes = { 
/**
 * All that were read.
 */
total: number, 
/**
 * Fetched from the network now.
 */
network: number, 
/**
 * Read from the browser's storage.
 */
storage: number, 
/**
 * Why they are not all kept in the browser's storage, in words; null if they are, or if they are files from disk.
 */
unkept: string | null, };

/**
 * A model of which weights are kept in the browser's storage.
 */
export type StoredModel = { 
/**
 * The address of its folder: what `forget` takes.
 */
base: string, 
/**
 * The name under which it was opened.
 */
name: string, 
/**
 * Bytes that it takes up.
 */
bytes: number, 
/**
 * Whether all its weights are there, so that it opens without the network.
 */
complete: boolean, 
/**
 * Whether its weights are kept as fp16, though its host has fp32.
 */
half: boolean, };

/**
 * What the user asked for.
 */
export type DevicePreference = "auto" | "cpu" | "wgpu";
