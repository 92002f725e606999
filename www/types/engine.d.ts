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
max: number, };

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
settings?: Record<string, string | number>, };

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
export type Part = { "kind": "table" } & Table | { "kind": "dots" } & Dots | { "kind": "tokens" } & TokenRows;

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
export type Quantity = "text" | "token" | "count" | "logit" | "logit-difference" | "probability" | "log-probability";

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
export type Mark = "answer" | "distractor" | "mean";

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
mean: number, };

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
unit: Unit, };

/**
 * What [`Progress`] counts.
 */
export type Unit = "bytes" | "prompts";

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
storage: number, };

/**
 * What the user asked for.
 */
export type Wanted = "auto" | "cpu" | "wgpu";
