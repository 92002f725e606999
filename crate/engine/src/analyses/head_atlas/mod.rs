//! What kind of head is each? Scores of every head that need no prompts: attention on repeated random tokens, what the OV circuit
//! copies, how heads compose, and the directions that one head reads and writes (Elhage et al. 2021; Olsson et al. 2022; ARENA 1.2).

mod composition;
mod copying;
mod detectors;
mod directions;

use super::settings::{choice, count, flag, text};
use super::shared::attributed::{index_axis, layer_axis};
use super::shared::choices;
use super::{Analyse, Findings, Job, PythonCell, settings};
use crate::error::Result;
use crate::figures::summary::Numbers;
use crate::figures::{
    Axis, AxisKind, Grid, Measure, Panel, Part, Quantity, Scatter, ScatterAxis, ScatterPanel, ScatterValues,
};
use crate::host::{ProgressUnit, Work};
use crate::metrics::{PerPrompt, mean};
use crate::names::Head;
use crate::portion::{Division, Sizes};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum What {
    Scores,
    Composition,
    Directions,
}

/// Which destinations count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Destinations {
    Whole,
    Second,
}

/// A score of every head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum Score {
    Previous,
    Duplicate,
    Induction,
    Copying,
    CopyingFull,
    Names,
    NamesNegative,
}

/// Names of one token each, for the copying score.
const NAMES: &str = "Mary John James Robert Michael David Richard Joseph Thomas Daniel Matthew Anthony Mark Paul Steven Andrew \
                     George Kevin Brian Jason";

settings! {
    /// scores: of each head by itself; composition: of pairs of heads; directions: what one head reads and writes.
    what: What = choice::<What>("scores"),
    /// The head of composition and directions, like L5H1; empty for the strongest pairs, and for the head that copies most.
    head: String = text(""),
    /// Tokens of a random sequence, which is given twice; fewer if the context is too short.
    length: usize = count(50, 2, 256),
    /// How many random sequences.
    sequences: usize = count(10, 1, 100),
    /// Whether <|endoftext|> stands before them.
    bos: bool = flag(true),
    /// Which destinations count: all from which the wanted source exists (whole), or those in the second copy.
    destinations: Destinations = choice::<Destinations>("whole"),
    /// The words of the copying score.
    words: String = text(NAMES),
    /// The score on the horizontal axis of the scatter plot.
    x: Score = choice::<Score>("previous"),
    /// The score on its vertical axis.
    y: Score = choice::<Score>("induction"),
    /// How many pairs, directions or tokens are listed.
    top_k: usize = count(10, 1, 100),
}

impl Score {
    fn label(self) -> &'static str {
        match self {
            Score::Previous => "attention to the previous token",
            Score::Duplicate => "attention to the same token before",
            Score::Induction => "attention to what followed the same token before",
            Score::Copying => "copying: eigenvalues of OV",
            Score::CopyingFull => "copying: eigenvalues from token to token",
            Score::Names => "words copied",
            Score::NamesNegative => "words suppressed",
        }
    }
}

impl Analyse for Settings {
    const NAME: &'static str = "head-atlas";
    const TITLE: &'static str = "Atlas of heads";
    const DESCRIPTION: &'static str = "What kind of head each is, without prompts: what it attends to on repeated random tokens, whether \
         it copies, which heads compose, and the directions that one writes. A habit, not what a head does on your prompts.";
    const PYTHON: Option<PythonCell> =
        Some(PythonCell { code: include_str!("../../../data/transformer-lens/head_atlas.py"), needs: None });

    async fn run(&self, job: &Job<'_>) -> Result<Findings> {
        let parts = match self.what {
            What::Scores => self.scores(job).await?,
            What::Composition => composition::parts(job, &self.head, self.top_k).await?,
            What::Directions => directions::parts(job, &self.head, self.top_k).await?,
        };
        Ok(Findings { parts, problems: Vec::new() })
    }

    fn division(&self, _: &Sizes) -> Result<Division> {
        Ok(Division::whole(50.0))
    }
}

/// Scores of all heads: `[layers heads, samples]`, where a sample is a sequence, or all that there is.
type Scores = Vec<(Score, PerPrompt)>;

impl Settings {
    async fn scores(&self, job: &Job<'_>) -> Result<Vec<Part>> {
        let words = copying::words(job, &self.words)?;
        let sequences = detectors::Sequences::new(self, &job.model.config);
        // Each sequence, each layer's OV, and each layer's words.
        let total = self.sequences + 2 * job.model.config.n_layers;
        let mut work = Work::new(job.viewer, "Looking at heads", ProgressUnit::Points, total);
        work.done(0).await?;
        let (mut scores, losses) = sequences.run(job, &mut work).await?;
        let note = sequences.note();
        let attention = map(
            job,
            "Attention on repeated random tokens",
            &note,
            measure("attention", "mean attention", Quantity::Attention, Some([0.0, 1.0]), None),
            &scores,
            &work,
        );
        let attention = Part::Heat(attention.await?);
        let losses = Part::Line(loss_line(losses, &note, &work).await?);
        // What follows takes longer.
        if job.viewer.wants_preview() {
            job.viewer.preview(0, &attention);
            job.viewer.preview(3, &losses);
        }
        let watched = scores.len();
        scores.extend(copying::eigenvalues(job, &mut work).await?);
        scores.extend(copying::copied(job, &words, &mut work).await?);

        let copies_note = format!(
            "Eigenvalues of what a head\u{2019}s value and output do to the stream, and from token to token: the sum of their real \
                 parts over that of their sizes, 1 if it only copies. Words: the share of {} words that are among the five that the \
                 head raises most when it attends to them, or lowers most; of the word alone, after the first MLP.",
            words.len()
        );
        let copies = map(
            job,
            "What heads copy",
            &copies_note,
            measure("copying", "copying", Quantity::Share, Some([-1.0, 1.0]), Some(0.0)),
            &scores[watched..],
            &work,
        );
        let scatter = self.scatter(job, &scores);
        Ok(vec![attention, Part::Heat(copies.await?), Part::Scatter(scatter), losses])
    }

    fn scatter(&self, job: &Job<'_>, scores: &Scores) -> Scatter {
        let config = &job.model.config;
        let heads =
            (0..config.n_layers).flat_map(|layer| (0..config.n_heads).map(move |head| Head { layer, head }));
        let means = |wanted: Score| -> Vec<f64> {
            let numbers = scores.iter().find(|(score, _)| *score == wanted).map(|(_, numbers)| numbers);
            numbers.map_or_else(Vec::new, |numbers| {
                (0..numbers.rows()).map(|head| mean(numbers.row(head))).collect()
            })
        };
        Scatter {
            title: "Two scores of all heads".to_owned(),
            note: None,
            x: ScatterAxis { label: self.x.label().to_owned() },
            y: ScatterAxis { label: self.y.label().to_owned() },
            alike: false,
            measures: vec![measure("score", "score", Quantity::Share, None, None)],
            names: heads.clone().map(|head| head.to_string()).collect(),
            layers: heads.map(|head| head.layer).collect(),
            panels: vec![ScatterPanel {
                name: String::new(),
                group: 0,
                values: vec![ScatterValues { measure: 0, x: means(self.x), y: means(self.y) }],
            }],
        }
    }
}

fn measure(
    name: &str,
    label: &str,
    quantity: Quantity,
    range: Option<[f64; 2]>,
    middle: Option<f64>,
) -> Measure {
    Measure { name: name.to_owned(), label: label.to_owned(), quantity, range, middle }
}

/// A map of heads with a panel for each score.
async fn map(
    job: &Job<'_>,
    title: &str,
    note: &str,
    measure: Measure,
    scores: &[(Score, PerPrompt)],
    work: &Work<'_>,
) -> Result<Grid> {
    let config = &job.model.config;
    let layers: Vec<usize> = (0..config.n_layers).collect();
    let mut panels = Vec::new();
    for (score, numbers) in scores {
        panels.push(panel(score.label(), numbers.clone(), work).await?);
    }
    Ok(Grid {
        title: title.to_owned(),
        note: Some(note.to_owned()),
        site: None,
        rows: layer_axis(&layers),
        columns: index_axis(AxisKind::Head, "Head", config.n_heads),
        measures: vec![measure],
        panels,
    })
}

/// A map of all heads with a panel for each list of numbers.
async fn map_of_pairs(
    job: &Job<'_>,
    title: &str,
    note: &str,
    measure: Measure,
    numbers: Vec<(String, Vec<f64>)>,
    work: &Work<'_>,
) -> Result<Grid> {
    let mut grid = map(job, title, note, measure, &[], work).await?;
    for (name, numbers) in numbers {
        grid.panels.push(panel(&name, PerPrompt::from_rows(1, numbers), work).await?);
    }
    Ok(grid)
}

/// A panel that belongs to no group of the experiment. Links from it lead to the first.
async fn panel(name: &str, numbers: PerPrompt, work: &Work<'_>) -> Result<Panel> {
    let samples = numbers.prompts();
    let sample = |index: usize| format!("sequence {index}");
    let mut values = Numbers::alone(numbers).summarise(0, &Vec::from_iter(0..samples), work).await?;
    if samples == 1 {
        values.prompts = PerPrompt::default(); // weights have no prompts
    }
    Ok(Panel {
        name: name.to_owned(),
        group: 0,
        minus: None,
        ticks: None,
        changed: Vec::new(),
        counts: None,
        caution: None,
        prompts: if samples > 1 { (0..samples).map(sample).collect() } else { Vec::new() },
        pairs: if samples > 1 { (0..samples).collect() } else { Vec::new() },
        values: vec![values],
    })
}

/// The loss of each token of the sequences.
async fn loss_line(losses: PerPrompt, note: &str, work: &Work<'_>) -> Result<Grid> {
    let positions = 0..losses.rows();
    Ok(Grid {
        title: "Loss on repeated random tokens".to_owned(),
        note: Some(format!(
            "{note} Where the loss falls at the second copy, the model repeats what it has seen."
        )),
        site: None,
        rows: Axis { label: String::new(), counts: AxisKind::Other, ticks: vec!["loss".to_owned()] },
        columns: Axis {
            label: "Token that is predicted".to_owned(),
            counts: AxisKind::Other,
            ticks: positions.map(|position| (position + 1).to_string()).collect(),
        },
        measures: vec![measure("loss", "loss (nats)", Quantity::Loss, None, None)],
        panels: vec![panel("", losses, work).await?],
    })
}

/// The head that a setting names. None: none.
fn named(job: &Job<'_>, text: &str) -> Result<Option<Head>> {
    match choices::heads(text, &job.model.config)?[..] {
        [] => Ok(None),
        [head] => Ok(Some(head)),
        _ => Err(choices::refused("head", "name one head, like L5H1.".to_owned())),
    }
}
